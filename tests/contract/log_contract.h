// SPDX-License-Identifier: Apache-2.0
// What every Log promises. An implementation instantiates the suite with a harness: a default-constructible class with
//   static constexpr bool kReopens          whether what was written is there after Reopen()
//   Log& log()                              a log of kPartitions partitions
//   void Reopen()                           closes it and opens the same log again
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/log.h"
#include "tests/contract/contract_limits.h"

namespace assay::log {

template <typename Harness>
class LogContract : public ::testing::Test {
 protected:
  Log& log() { return harness_.log(); }

  Offset MustAppend(int32_t partition, const std::string& value) {
    const Delivery delivery = AppendAndWait(log(), partition, "key", value);
    EXPECT_THAT(delivery.status, testing::IsOk());
    return delivery.offset;
  }

  // The values from `from` to the end.
  std::vector<std::string> ReadAll(int32_t partition, Offset from) {
    std::vector<std::string> values;
    absl::StatusOr<std::unique_ptr<Reader>> reader = log().OpenReader(partition, from);
    const absl::StatusOr<Offset> end = log().EndOffset(partition);
    if (!reader.ok() || !end.ok()) return {"no reader"};
    for (Offset expected = from; expected < *end;) {
      const absl::StatusOr<std::vector<Record>> records = (*reader)->Read(100, kPatience);
      if (!records.ok()) return {records.status().ToString()};
      for (const Record& record : *records) {
        EXPECT_EQ(record.offset, expected++);
        EXPECT_EQ(record.partition, partition);
        values.push_back(record.value);
      }
    }
    return values;
  }

  Harness harness_;
};

TYPED_TEST_SUITE_P(LogContract);

TYPED_TEST_P(LogContract, KeepsTheOrderOfEachPartition) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(this->MustAppend(0, absl::StrCat("a", i)), i);
    EXPECT_EQ(this->MustAppend(2, absl::StrCat("b", i)), i);
  }
  EXPECT_THAT(this->ReadAll(0, 0), ::testing::ElementsAre("a0", "a1", "a2", "a3", "a4"));
  EXPECT_THAT(this->ReadAll(2, 3), ::testing::ElementsAre("b3", "b4"));
  EXPECT_THAT(this->log().EndOffset(1), testing::IsOkAndHolds(0));
}

TYPED_TEST_P(LogContract, DeliversEachAppendOnceAndInOrder) {
  constexpr int kCount = 500;
  absl::Mutex mutex;
  std::vector<Offset> offsets;
  absl::BlockingCounter left(kCount);
  for (int i = 0; i < kCount; ++i) {
    this->log().Append(1, "k", absl::StrCat(i), [&](const Delivery& delivery) {
      ASSAY_EXPECT_OK(delivery.status);
      absl::MutexLock lock(&mutex);
      offsets.push_back(delivery.offset);
      left.DecrementCount();
    });
  }
  left.Wait();
  absl::MutexLock lock(&mutex);
  ASSERT_EQ(offsets.size(), static_cast<size_t>(kCount));
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(offsets[static_cast<size_t>(i)], i);
}

TYPED_TEST_P(LogContract, GivesConcurrentWritersDistinctOffsets) {
  constexpr int kWriters = 8;
  constexpr int kEach = 50;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([this, writer] {
      Offset last = -1;
      for (int i = 0; i < kEach; ++i) {
        const Offset offset = this->MustAppend(0, absl::StrCat(writer, "/", i));
        EXPECT_GT(offset, last);
        last = offset;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::vector<std::string> values = this->ReadAll(0, 0);
  ASSERT_EQ(values.size(), static_cast<size_t>(kWriters * kEach));
  std::vector<int> next(kWriters);
  for (const std::string& value : values) {
    const size_t writer = static_cast<size_t>(value[0] - '0');
    EXPECT_EQ(value, absl::StrCat(writer, "/", next[writer]++)) << "a writer's order was broken";
  }
}

TYPED_TEST_P(LogContract, WakesAWaitingReader) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, this->log().OpenReader(0, 0));
  std::thread writer([this] { this->MustAppend(0, "late"); });
  absl::StatusOr<std::vector<Record>> records = reader->Read(10, kPatience);
  writer.join();
  ASSAY_ASSERT_OK(records);
  ASSERT_EQ(records->size(), 1u);
  EXPECT_EQ(records->at(0).value, "late");
  EXPECT_EQ(records->at(0).key, "key");
}

TYPED_TEST_P(LogContract, ReturnsNothingWhenNothingCame) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, this->log().OpenReader(0, 0));
  const absl::StatusOr<std::vector<Record>> records = reader->Read(10, absl::ZeroDuration());
  ASSAY_ASSERT_OK(records);
  EXPECT_TRUE(records->empty());
}

TYPED_TEST_P(LogContract, ReadsAtMostWhatIsAskedFor) {
  for (int i = 0; i < 5; ++i) this->MustAppend(0, absl::StrCat(i));
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, this->log().OpenReader(0, 0));
  const absl::StatusOr<std::vector<Record>> records = reader->Read(2, kPatience);
  ASSAY_ASSERT_OK(records);
  EXPECT_EQ(records->size(), 2u);
}

TYPED_TEST_P(LogContract, EndsAnInterruptedReader) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, this->log().OpenReader(0, 0));
  std::thread other([&] { reader->Interrupt(); });
  const absl::StatusOr<std::vector<Record>> records = reader->Read(10, absl::InfiniteDuration());
  other.join();
  EXPECT_THAT(records, testing::StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(reader->Read(10, absl::ZeroDuration()), testing::StatusIs(absl::StatusCode::kCancelled));
}

TYPED_TEST_P(LogContract, RefusesPositionsItDoesNotHave) {
  this->MustAppend(0, "only");
  EXPECT_THAT(this->log().OpenReader(0, 2), testing::StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(this->log().OpenReader(0, -1), testing::StatusIs(absl::StatusCode::kOutOfRange));
  ASSAY_EXPECT_OK(this->log().OpenReader(0, 1));
}

TYPED_TEST_P(LogContract, RefusesPartitionsThatDoNotExist) {
  for (const int32_t partition : {-1, kPartitions}) {
    EXPECT_THAT(AppendAndWait(this->log(), partition, "k", "v").status,
                testing::StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_FALSE(this->log().OpenReader(partition, 0).ok());
    EXPECT_FALSE(this->log().EndOffset(partition).ok());
    EXPECT_FALSE(this->log().StartOffset(partition).ok());
  }
}

TYPED_TEST_P(LogContract, TakesTheLargestRecordAndNoLarger) {
  const std::string largest(Log::kMaxRecordBytes - 3, 'x');
  EXPECT_EQ(this->MustAppend(0, largest), 0);
  EXPECT_THAT(AppendAndWait(this->log(), 0, "1234", largest).status,
              testing::StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(this->ReadAll(0, 0), ::testing::ElementsAre(largest));
}

TYPED_TEST_P(LogContract, KeepsBytesAsTheyAre) {
  const std::string bytes("\0\xff\n", 3);
  ASSAY_ASSERT_OK(AppendAndWait(this->log(), 0, bytes, bytes).status);
  ASSAY_ASSERT_OK(AppendAndWait(this->log(), 0, "", "").status);
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, this->log().OpenReader(0, 0));
  absl::StatusOr<std::vector<Record>> records = reader->Read(2, kPatience);
  ASSAY_ASSERT_OK(records);
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ(records->at(0).key, bytes);
  EXPECT_EQ(records->at(0).value, bytes);
  EXPECT_EQ(records->at(1).value, "");
}

TYPED_TEST_P(LogContract, KeepsEverythingAcknowledgedOverAReopen) {
  if constexpr (TypeParam::kReopens) {
    const std::string identity = this->log().identity();
    for (int i = 0; i < 20; ++i) this->MustAppend(i % 2, absl::StrCat(i));
    this->harness_.Reopen();
    EXPECT_EQ(this->log().identity(), identity);
    EXPECT_EQ(this->log().partitions(), kPartitions);
    EXPECT_EQ(this->ReadAll(0, 0).size(), 10u);
    EXPECT_EQ(this->MustAppend(1, "next"), 10);
    EXPECT_EQ(this->ReadAll(1, 9), (std::vector<std::string>{"19", "next"}));
  }
}

TYPED_TEST_P(LogContract, RefusesAppendsOnceClosedAndEndsReaders) {
  this->MustAppend(0, "before");
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, this->log().OpenReader(0, 0));
  this->log().Close();
  this->log().Close();
  EXPECT_THAT(AppendAndWait(this->log(), 0, "k", "after").status,
              testing::StatusIs(absl::StatusCode::kFailedPrecondition));
  const absl::StatusOr<std::vector<Record>> records = reader->Read(10, absl::InfiniteDuration());
  ASSAY_ASSERT_OK(records);
  EXPECT_EQ(records->size(), 1u);
  EXPECT_THAT(reader->Read(10, absl::InfiniteDuration()), testing::StatusIs(absl::StatusCode::kFailedPrecondition));
}

REGISTER_TYPED_TEST_SUITE_P(LogContract, KeepsTheOrderOfEachPartition, DeliversEachAppendOnceAndInOrder,
                            GivesConcurrentWritersDistinctOffsets, WakesAWaitingReader, ReturnsNothingWhenNothingCame,
                            ReadsAtMostWhatIsAskedFor, EndsAnInterruptedReader, RefusesPositionsItDoesNotHave,
                            RefusesPartitionsThatDoNotExist, TakesTheLargestRecordAndNoLarger, KeepsBytesAsTheyAre,
                            KeepsEverythingAcknowledgedOverAReopen, RefusesAppendsOnceClosedAndEndsReaders);

}  // namespace assay::log
