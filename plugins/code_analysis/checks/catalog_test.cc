// SPDX-License-Identifier: Apache-2.0
// What every entry of the table of checks tells its reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "plugins/code_analysis/checks/check.h"
#include "services/common/base/testing/wording.h"

namespace assay::code_analysis {
namespace {

using assay::testing::AccusingWordIn;
using ::testing::EndsWith;

TEST(Catalog, EveryCheckTeachesAsksAndSaysWhatAGoodAnswerContains) {
  std::set<std::string_view> criteria;
  for (const Check* check : AllChecks()) {
    EXPECT_GE(check->help.size(), 80u) << check->id << " hardly teaches: " << check->help;
    EXPECT_THAT(std::string(check->help), EndsWith(".")) << check->id;
    EXPECT_THAT(std::string(check->question), EndsWith("?")) << check->id;
    EXPECT_GE(check->good_answer.size(), 40u) << check->id << ": " << check->good_answer;
    EXPECT_FALSE(check->title.empty()) << check->id;
    EXPECT_TRUE(criteria.insert(check->criterion).second) << check->id << " speaks for the criterion of another check";
  }
  EXPECT_GE(criteria.size(), 40u);
}

TEST(Catalog, NoTextOfACheckAccuses) {
  for (const Check* check : AllChecks()) {
    for (const std::string_view text : {check->title, check->help, check->question, check->good_answer})
      EXPECT_EQ(AccusingWordIn(text), "") << check->id << ": " << text;
  }
}

}  // namespace
}  // namespace assay::code_analysis
