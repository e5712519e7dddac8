// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/claim_policy.h"

#include <gtest/gtest.h>

namespace assay::aggregator {
namespace {

// Shard 1 of three aggregators: b is preferred, then c, then a.
ClaimQuestion Ask(const std::string& self, const std::string& owner) {
  ClaimQuestion question;
  question.shard = 1;
  question.self = self;
  question.aggregators = {"a", "b", "c"};
  question.owner = owner;
  question.running = absl::Hours(1);
  for (const char* instance : {"a", "b", "c"}) question.heard[instance] = {absl::Seconds(1), false};
  return question;
}

TEST(ClaimPolicy, ThePreferredOneClaimsFromAnybody) {
  EXPECT_TRUE(MayClaim(Ask("b", "")));
  EXPECT_TRUE(MayClaim(Ask("b", "a")));
  // Its own earlier process.
  EXPECT_TRUE(MayClaim(Ask("b", "b")));
}

TEST(ClaimPolicy, AStandbyLeavesAnOwnerAloneThatIsHeard) {
  EXPECT_FALSE(MayClaim(Ask("c", "b")));
  EXPECT_FALSE(MayClaim(Ask("c", "a")));
}

TEST(ClaimPolicy, StandbysClaimFromASilentOwnerOneAfterTheOther) {
  ClaimQuestion first = Ask("c", "b");
  ClaimQuestion second = Ask("a", "b");
  first.heard["b"].silence = second.heard["b"].silence = absl::Seconds(10);
  EXPECT_TRUE(MayClaim(first));
  EXPECT_FALSE(MayClaim(second));
  second.heard["b"].silence = absl::Seconds(20);
  EXPECT_TRUE(MayClaim(second));
}

TEST(ClaimPolicy, AnOwnerThatLeavesIsFollowedAtOnce) {
  ClaimQuestion question = Ask("c", "b");
  question.heard["b"].is_leaving = true;
  EXPECT_TRUE(MayClaim(question));
  ClaimQuestion second = Ask("a", "b");
  second.heard["b"].is_leaving = true;
  EXPECT_FALSE(MayClaim(second));
}

TEST(ClaimPolicy, AnOwnerNeverHeardOfIsSilentSinceThisProcessStarted) {
  ClaimQuestion question = Ask("c", "gone");
  question.running = absl::Seconds(9);
  EXPECT_FALSE(MayClaim(question));
  question.running = absl::Seconds(10);
  EXPECT_TRUE(MayClaim(question));
}

TEST(ClaimPolicy, WhatItsOwnEarlierProcessHeldIsTakenUpUnlessABetterOneIsThere) {
  ClaimQuestion question = Ask("c", "c");
  question.running = absl::Seconds(1);
  EXPECT_FALSE(MayClaim(question));
  question.heard["b"].silence = absl::Minutes(1);
  EXPECT_TRUE(MayClaim(question));
}

TEST(ClaimPolicy, OneAloneClaimsEverything) {
  ClaimQuestion question = Ask("a", "b");
  question.aggregators.clear();
  EXPECT_TRUE(MayClaim(question));
}

}  // namespace
}  // namespace assay::aggregator
