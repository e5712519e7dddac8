// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/ratings_csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/testing/status_matchers.h"

namespace assay::cli {
namespace {

using ::assay::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kHeader[] = "candidate,rater,role,stage,held_at,competency,rating,evidence\n";
constexpr char kOccasion[] = "c-1,r-7,interviewer,system-design,2026-10-01T14:00:00Z,";

std::string Csv(const std::string& rows) { return absl::StrCat(kHeader, rows); }

TEST(RatingsCsv, ReadsOneRaterAndOccasion) {
  v1::Scorecard scorecard;
  ASSAY_ASSERT_OK(ParseRatingsCsv(
      Csv(absl::StrCat(kOccasion, "3.1,2.5,\"said \"\"no\"\", then\nwhy\"\n", kOccasion, "4.1,3,drew ports\r\n")),
      "dir/ratings.csv", &scorecard));
  EXPECT_EQ(scorecard.candidate(), "c-1");
  EXPECT_EQ(scorecard.session().stage(), "system-design");
  ASSERT_EQ(scorecard.ratings_size(), 2);
  EXPECT_EQ(scorecard.ratings(0).evidence(), "said \"no\", then\nwhy");
  EXPECT_EQ(scorecard.ratings(1).rating(), 3);
  EXPECT_EQ(scorecard.source().entries(1).line(), 4u);
}

TEST(RatingsCsv, KeepsARatingWithoutEvidenceAsUnsupported) {
  v1::Scorecard scorecard;
  ASSAY_ASSERT_OK(ParseRatingsCsv(Csv(absl::StrCat(kOccasion, "3.1,2.5,\n")), "r.csv", &scorecard));
  EXPECT_TRUE(scorecard.ratings(0).unsupported());
}

TEST(RatingsCsv, RefusesByLineAndColumn) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "r.csv:1: rows"},
      {kHeader, "r.csv:1: rows"},
      {"candidate,surprise\nx,y\n", "r.csv:1: surprise: unknown column"},
      {"candidate,candidate\nx,y\n", "r.csv:1: candidate: stands twice"},
      {"candidate\nx\n", "r.csv:1: rater: the column is missing"},
      {Csv(absl::StrCat(kOccasion, "3.1,high,because\n")), "r.csv:2: rating: found 'high'"},
      {Csv("c-1,r-7,interviewer,x,yesterday,3.1,2,because\n"), "r.csv:2: held_at: found 'yesterday'"},
      {Csv(absl::StrCat(kOccasion, "3.1,2\n")), "r.csv:2: cells: found 7, the header has 8"},
      {Csv(absl::StrCat(kOccasion, "3.1,2,\"open\n")), "quotes"},
      {Csv(absl::StrCat(kOccasion, "3.1,2,a\nc-2,r-7,interviewer,system-design,2026-10-01T14:00:00Z,3.2,2,b\n")),
       "r.csv:3: candidate: found 'c-2', the first row says 'c-1'"},
  };
  for (const auto& [text, message] : cases) {
    v1::Scorecard scorecard;
    EXPECT_THAT(ParseRatingsCsv(text, "r.csv", &scorecard),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << text;
  }
}

TEST(RatingsCsv, StopsAtTwoHundredRows) {
  std::string rows;
  for (int i = 0; i < 300; ++i) absl::StrAppend(&rows, kOccasion, "3.1,2,x\n");
  v1::Scorecard scorecard;
  EXPECT_THAT(ParseRatingsCsv(Csv(rows), "r.csv", &scorecard),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("200")));
}

}  // namespace
}  // namespace assay::cli
