// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/shard_owner.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/log/testing/fake_log.h"
#include "services/common/store/testing/fake_store.h"

namespace assay::aggregator {
namespace {

using testing::FakeDomain;

class ShardOwnerTest : public ::testing::Test {
 protected:
  ShardOwnerTest() {
    for (int i = 0; i < kRecords; ++i) {
      event::v1::Envelope envelope;
      envelope.mutable_ownership_claimed()->set_instance(absl::StrCat("a", i));
      log::AppendAndWait(log_, 0, "", SerializeRow(envelope));
    }
  }

  absl::StatusOr<std::unique_ptr<ShardOwner>> Open(store::Store& store) {
    ShardOwner::Options options;
    options.context = context_;
    options.witness_path = dir_ / "witness";
    return ShardOwner::Create(std::move(options), log_, store, Clock::Real());
  }
  void ApplyAll(ShardOwner& owner) {
    owner.Start();
    ASSAY_EXPECT_OK(owner.WaitForApplied(kRecords - 1, absl::Now() + absl::Seconds(30)));
    owner.Stop();
  }

  static constexpr int kRecords = 10;
  assay::testing::TempDir dir_;
  FakeDomain domain_;
  log::FakeLog log_{1};
  const ShardContext context_{&domain_, "a key", "fake-log", 1};
};

TEST_F(ShardOwnerTest, AStateBehindItsWitnessIsCountedAndMended) {
  store::FakeStore whole(ShardTables());
  {
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto owner, Open(whole));
    EXPECT_EQ(owner->rolled_back(), 0);
    ApplyAll(*owner);
  }
  // What a store is after its write-ahead log was cut: a prefix.
  store::FakeStore cut(ShardTables());
  const std::vector<log::Record> records = log_.Records(0);
  ASSAY_ASSERT_OK_AND_ASSIGN(const store::Batch batch,
                             ApplyGroup(context_, StoreRows(cut), absl::MakeConstSpan(records).first(7)));
  ASSAY_ASSERT_OK(cut.Write(batch, true));

  ASSAY_ASSERT_OK_AND_ASSIGN(const auto owner, Open(cut));
  EXPECT_EQ(owner->rolled_back(), 3);
  ApplyAll(*owner);
  EXPECT_EQ(*cut.StateHash(ShardTables()), *whole.StateHash(ShardTables()));
}

TEST_F(ShardOwnerTest, AWholeStateIsNoLoss) {
  store::FakeStore store(ShardTables());
  for (int start = 0; start < 2; ++start) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto owner, Open(store));
    EXPECT_EQ(owner->rolled_back(), 0);
    ApplyAll(*owner);
  }
}

}  // namespace
}  // namespace assay::aggregator
