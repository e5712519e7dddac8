// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/dispatch_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/keys.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/store/rocks_store.h"
#include "services/common/store/testing/fake_store.h"

namespace assay::aggregator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr size_t kNoLimit = 1000;

// Counts what is read.
class CountedRows final : public RowReader {
 public:
  explicit CountedRows(const RowReader& rows) : rows_(rows) {}
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view table, absl::string_view key) const override {
    ++read_;
    return rows_.Get(table, key);
  }
  absl::StatusOr<std::vector<store::Row>> Scan(absl::string_view table, absl::string_view prefix,
                                               absl::string_view start, size_t limit) const override {
    auto page = rows_.Scan(table, prefix, start, limit);
    read_ += 1 + (page.ok() ? page->size() : 0);
    return page;
  }
  size_t read() const { return read_; }

 private:
  const RowReader& rows_;
  mutable size_t read_ = 0;
};

class DispatchPlanTest : public ::testing::Test {
 protected:
  void Add(const std::string& tenant, uint64_t first, uint64_t last, const std::string& lane = "fast") {
    store::Batch batch;
    for (uint64_t place = first; place <= last; ++place) {
      storage::v1::OutboxRow row;
      row.mutable_work()->set_tenant(tenant);
      row.mutable_work()->set_lane(lane);
      row.mutable_work()->set_evaluation_id(absl::StrCat(tenant, place));
      batch.Put(kOutboxTable, WorkKey(lane, tenant, place), SerializeRow(row));
    }
    ASSERT_TRUE(store_.Write(batch, false).ok());
  }
  void End(const std::string& tenant, uint64_t place) {
    store::Batch batch;
    batch.Delete(kOutboxTable, WorkKey("fast", tenant, place));
    ASSERT_TRUE(store_.Write(batch, false).ok());
    plan_.Notice(tenant);
  }
  void SetWeight(const std::string& tenant, uint32_t weight) {
    storage::v1::TenantRow row;
    row.mutable_quota()->set_weight(weight);
    store::Batch batch;
    batch.Put(kTenantTable, tenant, SerializeRow(row));
    ASSERT_TRUE(store_.Write(batch, false).ok());
  }
  // What is handed out next, by evaluation.
  std::vector<std::string> Next(size_t credit, size_t limit = kNoLimit) {
    const auto items = plan_.Next(rows_, credit, limit);
    EXPECT_TRUE(items.ok()) << items.status();
    std::vector<std::string> names;
    for (const DispatchPlan::Item& item : *items) names.push_back(item.work.evaluation_id());
    last_ = *items;
    return names;
  }

  store::FakeStore store_{ShardTables()};
  StoreRows rows_{store_};
  DispatchPlan plan_{"fast"};
  std::vector<DispatchPlan::Item> last_;
};

TEST_F(DispatchPlanTest, TenantsTakeTurnsAndEachOnesOldestGoesFirst) {
  Add("a", 1, 4);
  Add("b", 7, 8);
  Add("c", 3, 3);
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_THAT(Next(100), ElementsAre("a1", "b7", "c3", "a2", "b8", "a3", "a4"));
  EXPECT_THAT(Next(100), IsEmpty());
  EXPECT_EQ(plan_.outstanding(), 7u);
}

TEST_F(DispatchPlanTest, NoMoreThanTheCreditIsOutstandingAndWhatEndsMakesRoom) {
  Add("a", 1, 9);
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_THAT(Next(3), ElementsAre("a1", "a2", "a3"));
  EXPECT_THAT(Next(3), IsEmpty());
  End("a", 2);
  EXPECT_THAT(Next(3), ElementsAre("a4"));
  EXPECT_THAT(Next(2), IsEmpty()) << "a credit that shrank takes nothing back and gives nothing more";
}

TEST_F(DispatchPlanTest, AGreedyTenantDelaysAnothersSingleRowByOneTurn) {
  Add("greedy", 1, 10'000);
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_THAT(Next(8), SizeIs(8));
  Add("modest", 1, 1);
  Add("zealous", 1, 1);
  plan_.Notice("modest");
  plan_.Notice("zealous");
  for (uint64_t place = 1; place <= 4; ++place) End("greedy", place);
  EXPECT_THAT(Next(8), ElementsAre("modest1", "zealous1", "greedy9", "greedy10"))
      << "each of the others within one round of the tenants";
}

TEST_F(DispatchPlanTest, AWeightIsTheRowsOfATurnAlsoWhenCreditEndsWithinIt) {
  SetWeight("a", 3);
  Add("a", 1, 10);
  Add("b", 1, 10);
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_THAT(Next(2), ElementsAre("a1", "a2"));
  EXPECT_THAT(Next(6), ElementsAre("a3", "b1", "a4", "a5"));
  EXPECT_THAT(Next(9, 2), ElementsAre("a6", "b2"));
}

TEST_F(DispatchPlanTest, WhatCouldNotBeHandedOutKeepsItsPlace) {
  Add("a", 1, 5);
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  ASSERT_THAT(Next(4), ElementsAre("a1", "a2", "a3", "a4"));
  plan_.PutBack(last_[1]);
  plan_.PutBack(last_[2]);
  EXPECT_EQ(plan_.outstanding(), 2u);
  EXPECT_THAT(Next(5), ElementsAre("a2", "a3", "a5"));
}

TEST_F(DispatchPlanTest, AnotherLanesWorkIsNoneOfItsBusiness) {
  Add("a", 1, 2, "slow");
  Add("a", 1, 1);
  Add("b", 1, 1, "slow");
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_THAT(Next(100), ElementsAre("a1"));
}

TEST_F(DispatchPlanTest, ATenantWhoseNameBeginsLikeAnothersHasAQueueOfItsOwn) {
  Add("acme", 1, 1);
  Add("acme-2", 1, 1);
  Add("acme2", 1, 1);
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_THAT(Next(100), ElementsAre("acme1", "acme-21", "acme21"));
}

TEST_F(DispatchPlanTest, ARestartHandsEverythingOutAgain) {
  Add("a", 1, 2);
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  ASSERT_THAT(Next(100), SizeIs(2));
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_EQ(plan_.outstanding(), 0u);
  EXPECT_THAT(Next(100), ElementsAre("a1", "a2"));
}

TEST_F(DispatchPlanTest, WorkOfATenantNotSeenBeforeIsFoundByItsNotice) {
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_THAT(Next(100), IsEmpty());
  Add("late", 12, 13);
  EXPECT_THAT(Next(100), IsEmpty());
  plan_.Notice("late");
  EXPECT_THAT(Next(100), ElementsAre("late12", "late13"));
}

TEST_F(DispatchPlanTest, WhatItReadsGrowsWithWhatItHandsOutAndNotWithWhatWaits) {
  for (int tenant = 0; tenant < 100; ++tenant) Add(absl::StrCat("t", tenant), 1, 1000);
  const CountedRows counted(rows_);
  ASSERT_TRUE(plan_.Restart(counted).ok());
  EXPECT_LE(counted.read(), 2u * 101);
  const size_t before = counted.read();
  const auto items = plan_.Next(counted, 64, kNoLimit);
  ASSERT_TRUE(items.ok()) << items.status();
  EXPECT_THAT(*items, SizeIs(64));
  EXPECT_LE(counted.read() - before, 3u * 64) << "of a hundred thousand";
}

// The times go into the test's report; what is read is bounded by the test above.
TEST(DispatchPlanOnDisk, FindsTheSingleRowBesideAHundredThousand) {
  assay::testing::TempDir folder;
  store::RocksStoreOptions options;
  options.path = folder / "store";
  for (const store::Table& table : ShardTables()) options.tables.push_back({table, 0});
  auto store = store::RocksStore::Open(std::move(options)).value();
  constexpr uint64_t kRows = 100'000;
  storage::v1::OutboxRow row;
  row.mutable_work()->set_capability(std::string(400, 'x'));
  for (uint64_t place = 1; place <= kRows;) {
    store::Batch batch;
    for (int i = 0; i < 1000; ++i, ++place) {
      batch.Put(kOutboxTable, WorkKey("fast", "greedy", place), SerializeRow(row));
    }
    ASSERT_TRUE(store->Write(batch, false).ok());
  }
  const StoreRows rows(*store);
  DispatchPlan plan("fast");
  ASSERT_TRUE(plan.Restart(rows).ok());
  ASSERT_THAT(*plan.Next(rows, 8, kNoLimit), SizeIs(8));
  // What was at the head of the queue is gone, as after a busy hour.
  for (uint64_t place = 9; place <= kRows / 2;) {
    store::Batch batch;
    for (int i = 0; i < 1000; ++i, ++place) batch.Delete(kOutboxTable, WorkKey("fast", "greedy", place));
    ASSERT_TRUE(store->Write(batch, false).ok());
  }
  store::Batch batch;
  batch.Put(kOutboxTable, WorkKey("fast", "modest", 1), SerializeRow(row));
  batch.Delete(kOutboxTable, WorkKey("fast", "greedy", 1));
  ASSERT_TRUE(store->Write(batch, false).ok());
  plan.Notice("greedy");
  plan.Notice("modest");
  const absl::Time begin = absl::Now();
  const auto items = plan.Next(rows, 8, kNoLimit);
  RecordProperty("next_micros", static_cast<int>(absl::ToInt64Microseconds(absl::Now() - begin)));
  ASSERT_THAT(*items, SizeIs(1));
  EXPECT_EQ(items->front().tenant, "modest");
}

TEST_F(DispatchPlanTest, ARowThatCannotBeReadIsNamed) {
  store::Batch batch;
  batch.Put(kOutboxTable, WorkKey("fast", "a", 1), "no row");
  ASSERT_TRUE(store_.Write(batch, false).ok());
  ASSERT_TRUE(plan_.Restart(rows_).ok());
  EXPECT_THAT(plan_.Next(rows_, 1, 1).status(),
              assay::testing::StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr(WorkKey("fast", "a", 1))));
}

}  // namespace
}  // namespace assay::aggregator
