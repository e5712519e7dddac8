// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/journal_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/testing/fake_log.h"

namespace assay::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;
constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;

void Fill(Log& log, int32_t partition, int records, const std::string& what = "value ") {
  for (int i = 0; i < records; ++i) {
    ASSAY_ASSERT_OK(AppendAndWait(log, partition, absl::StrCat("key ", i), absl::StrCat(what, i)).status);
  }
}

void ExpectEqual(const FakeLog& from, const FakeLog& to) {
  for (int32_t partition = 0; partition < from.partitions(); ++partition) {
    const std::vector<Record> expected = from.Records(partition), found = to.Records(partition);
    ASSERT_EQ(found.size(), expected.size()) << partition;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(found[i].key, expected[i].key);
      EXPECT_EQ(found[i].value, expected[i].value);
      EXPECT_EQ(found[i].offset, expected[i].offset);
    }
  }
}

TEST(JournalCopy, HoldsEveryRecordAtItsOffset) {
  FakeLog from(3), to(3);
  Fill(from, 0, 1200);
  Fill(from, 2, 3);
  int64_t told = 0;
  ASSAY_ASSERT_OK_AND_ASSIGN(const JournalCopy copy, CopyJournal(from, to, [&](int64_t records) { told = records; }));
  EXPECT_THAT(copy.records, ElementsAre(1200, 0, 3));
  EXPECT_EQ(copy.added, 1203);
  EXPECT_EQ(told, 2 * 1203) << "each was copied and compared";
  ExpectEqual(from, to);
}

TEST(JournalCopy, GoesOnWhereItStopped) {
  FakeLog from(2), to(2);
  Fill(from, 0, 700);
  Fill(from, 1, 10);
  Fill(to, 0, 600);
  ASSAY_ASSERT_OK_AND_ASSIGN(const JournalCopy copy, CopyJournal(from, to, nullptr));
  EXPECT_EQ(copy.added, 110);
  ExpectEqual(from, to);
  ASSAY_ASSERT_OK_AND_ASSIGN(const JournalCopy again, CopyJournal(from, to, nullptr));
  EXPECT_EQ(again.added, 0);
  EXPECT_THAT(again.records, ElementsAre(700, 10));
}

TEST(JournalCopy, StopsAtAnAppendThatFailsAndCanBeCalledAgain) {
  FakeLog from(1), to(1);
  Fill(from, 0, 20);
  to.FailNext(absl::UnavailableError("away"), 20);
  EXPECT_THAT(CopyJournal(from, to, nullptr), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("partition 0")));
  ASSAY_ASSERT_OK(CopyJournal(from, to, nullptr));
  ExpectEqual(from, to);
}

TEST(JournalCopy, RefusesWhatWouldBeNoCopy) {
  FakeLog from(2), fewer(1), other(2), longer(2);
  Fill(from, 1, 5);
  EXPECT_THAT(CopyJournal(from, fewer, nullptr), StatusIs(kRefused, HasSubstr("2 partitions")));
  Fill(other, 1, 3, "another ");
  EXPECT_THAT(CopyJournal(from, other, nullptr), StatusIs(kRefused, HasSubstr("partition 1: offset 0")));
  Fill(longer, 1, 6);
  EXPECT_THAT(CopyJournal(from, longer, nullptr), StatusIs(kRefused, HasSubstr("holds 6 records, the journal 5")));
  from.DropBefore(1, 2);
  FakeLog empty(2);
  EXPECT_THAT(CopyJournal(from, empty, nullptr), StatusIs(kRefused, HasSubstr("begins at offset 2")));
  EXPECT_TRUE(empty.Records(1).empty());
}

}  // namespace
}  // namespace assay::log
