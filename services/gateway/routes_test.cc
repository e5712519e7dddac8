// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

class RoutesTest : public ::testing::Test {
 protected:
  event::v1::ShardReplica& Announce(const std::string& instance, uint32_t shard, bool is_owner, uint64_t epoch) {
    event::v1::Announcement& announcement = aggregators_[instance].announcement;
    announcement.mutable_aggregator()->set_address(instance + ":1");
    event::v1::ShardReplica& replica = *announcement.mutable_aggregator()->add_replicas();
    replica.set_shard(shard);
    replica.set_is_owner(is_owner);
    replica.set_epoch(epoch);
    return replica;
  }

  Route RouteOf(uint32_t shard) {
    return RoutesOf(
        aggregators_, [](const membership::Heard& heard) { return !heard.announcement.aggregator().is_leaving(); },
        4)[shard];
  }

  std::vector<std::string> Order(v1::Consistency consistency) {
    ReadPlan plan(RouteOf(0), consistency);
    std::vector<std::string> order;
    while (const auto target = plan.Next()) order.push_back(target->address);
    return order;
  }

  std::map<std::string, membership::Heard> aggregators_;
};

TEST_F(RoutesTest, TheHighestClaimOwnsAShard) {
  Announce("a", 0, true, 10);
  Announce("b", 0, true, 12);
  EXPECT_EQ(RouteOf(0).owner->address, "b:1");
  EXPECT_THAT(RouteOf(0).standbys, ElementsAre(Field(&Replica::address, "a:1")));
}

TEST_F(RoutesTest, WhoLeavesIsNotAsked) {
  Announce("a", 0, true, 10);
  aggregators_["a"].announcement.mutable_aggregator()->set_is_leaving(true);
  EXPECT_FALSE(RouteOf(0).owner.has_value());
  EXPECT_THAT(RouteOf(0).standbys, IsEmpty());
}

TEST_F(RoutesTest, AnOwnerThatStoppedFollowingIsAStandby) {
  Announce("a", 0, true, 10).set_stopped("the disk is full");
  EXPECT_FALSE(RouteOf(0).owner.has_value());
  EXPECT_THAT(RouteOf(0).standbys, ElementsAre(Field(&Replica::address, "a:1")));
}

TEST_F(RoutesTest, ShardsBeyondTheLayoutAreIgnored) {
  Announce("a", 4, true, 10);
  for (uint32_t shard = 0; shard < 4; ++shard) EXPECT_FALSE(RouteOf(shard).owner.has_value());
}

TEST_F(RoutesTest, StandbysThatLagLessComeFirstAndStrongReadsAskNone) {
  Announce("a", 0, true, 10);
  Announce("b", 0, false, 10).set_lag_records(50);
  Announce("c", 0, false, 10).set_lag_records(5);
  EXPECT_THAT(Order(v1::SESSION), ElementsAre("a:1", "c:1", "b:1"));
  EXPECT_THAT(Order(v1::STALE_OK), ElementsAre("a:1", "c:1", "b:1"));
  EXPECT_THAT(Order(v1::STRONG), ElementsAre("a:1"));
}

TEST_F(RoutesTest, AWrongOwnersHintIsFollowedOnce) {
  Announce("a", 0, true, 10);
  Announce("b", 0, false, 10);
  ReadPlan plan(RouteOf(0), v1::STRONG);
  EXPECT_EQ(plan.Next()->address, "a:1");
  plan.Redirect("b:1");
  const auto second = plan.Next();
  EXPECT_EQ(second->address, "b:1");
  EXPECT_TRUE(second->is_owner);
  plan.Redirect("c:1");
  EXPECT_FALSE(plan.Next().has_value());
}

TEST_F(RoutesTest, AnOwnerLeavesTimeForAStandby) {
  Announce("a", 0, true, 10);
  Announce("b", 0, false, 10);
  const absl::Time now = absl::UnixEpoch();
  const absl::Time deadline = now + absl::Seconds(10);
  ReadPlan plan(RouteOf(0), v1::SESSION);
  plan.Next();
  EXPECT_LT(plan.PatienceFor(now, deadline), deadline);
  plan.Next();
  EXPECT_EQ(plan.PatienceFor(now, deadline), deadline);
}

}  // namespace
}  // namespace assay::gateway
