// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/sweeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/synchronization/mutex.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/clock.h"

namespace assay::aggregator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Rows that belong to somebody else.
class BorrowedRows final : public RowReader {
 public:
  explicit BorrowedRows(const RowReader& rows) : rows_(rows) {}
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view table, absl::string_view key) const override {
    return rows_.Get(table, key);
  }
  absl::StatusOr<std::vector<store::Row>> Scan(absl::string_view table, absl::string_view prefix,
                                               absl::string_view start, size_t limit) const override {
    return rows_.Scan(table, prefix, start, limit);
  }

 private:
  const RowReader& rows_;
};

TEST(Sweeper, SweepsEveryShardAgainAndAgainAndKeepsWhatItFoundLast) {
  testing::ShardHarness sound, broken;
  for (testing::ShardHarness* shard : {&sound, &broken}) shard->Accept("s1", v1::Submission::SCORECARD);
  store::Batch batch;
  batch.Delete(kTimerTable, broken.Evaluation("s1", "rubric").pickup_timer());
  ASSERT_TRUE(broken.store().Write(batch, true).ok());

  absl::Mutex mutex;
  int sweeps = 0;
  Sweeper::Options options;
  options.first_wait = options.wait = options.pause = absl::ZeroDuration();
  Sweeper sweeper(options,
                  {[&] {
                     absl::MutexLock lock(&mutex);
                     ++sweeps;
                     return std::make_unique<BorrowedRows>(sound.rows());
                   },
                   [&] { return std::make_unique<BorrowedRows>(broken.rows()); }},
                  Clock::Real());
  EXPECT_FALSE(sweeper.Last(0).has_value());
  sweeper.Start();
  {
    absl::MutexLock lock(&mutex);
    const auto third_began = [&sweeps] { return sweeps >= 3; };
    ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&third_began), absl::Seconds(60)));
  }
  sweeper.Stop();
  EXPECT_EQ(sweeper.Last(0)->report.findings, 0u);
  EXPECT_EQ(sweeper.Last(0)->report.accounting.in_flight(), 1u);
  EXPECT_THAT(sweeper.Last(1)->report.first_findings, ElementsAre(HasSubstr("lacks its PICKUP timer")));
}

}  // namespace
}  // namespace assay::aggregator
