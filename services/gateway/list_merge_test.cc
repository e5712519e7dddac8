// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/list_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace assay::gateway {
namespace {

using shard::v1::ListPosition;
using shard::v1::ListSubmissionsResponse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ListPosition At(int64_t time, uint32_t shard, int64_t offset = 0) {
  ListPosition position;
  position.set_time_micros(time);
  position.set_shard(shard);
  position.set_offset(offset);
  return position;
}

// What a shard has at these times, newest first.
ListSubmissionsResponse Of(uint32_t shard, const std::vector<int64_t>& times) {
  ListSubmissionsResponse answer;
  for (const int64_t time : times) {
    auto& entry = *answer.add_entries();
    entry.mutable_submission()->set_id(std::to_string(time));
    *entry.mutable_position() = At(time, shard);
  }
  return answer;
}

std::vector<std::string> Ids(const MergedPage& page) {
  std::vector<std::string> ids;
  for (const auto& entry : page.entries) ids.push_back(entry.submission().id());
  return ids;
}

TEST(MergePages, SortsNewestFirstAndEndsWhereEveryShardEnds) {
  const MergedPage page = MergePages({Of(0, {9, 3}), Of(1, {7, 5})}, 10);
  EXPECT_THAT(Ids(page), ElementsAre("9", "7", "5", "3"));
  EXPECT_FALSE(page.next.has_value());
}

TEST(MergePages, AFullPageGoesOnAfterItsLastEntry) {
  const MergedPage page = MergePages({Of(0, {9, 3}), Of(1, {7, 5})}, 2);
  EXPECT_THAT(Ids(page), ElementsAre("9", "7"));
  ASSERT_TRUE(page.next.has_value());
  EXPECT_EQ(page.next->time_micros(), 7);
  EXPECT_EQ(page.next->shard(), 1u);
}

TEST(MergePages, OneShardThatHasMoreThanItGaveIsNoLastPage) {
  ListSubmissionsResponse answer = Of(0, {9, 8});
  answer.set_more(true);
  *answer.mutable_next() = At(8, 0);
  const MergedPage page = MergePages({answer}, 2);
  EXPECT_THAT(Ids(page), ElementsAre("9", "8"));
  ASSERT_TRUE(page.next.has_value());
  EXPECT_EQ(page.next->time_micros(), 8);
}

TEST(MergePages, WhatLiesBeyondAShardsLastLookWaits) {
  ListSubmissionsResponse stopped = Of(0, {9});
  stopped.set_more(true);
  *stopped.mutable_next() = At(6, 0);
  const MergedPage page = MergePages({stopped, Of(1, {7, 5})}, 10);
  EXPECT_THAT(Ids(page), ElementsAre("9", "7")) << "shard 0 may still have something between 6 and 5";
  ASSERT_TRUE(page.next.has_value());
  EXPECT_EQ(page.next->time_micros(), 6);
}

TEST(MergePages, AnEmptyPageCanStillGoOn) {
  ListSubmissionsResponse stopped;
  stopped.set_more(true);
  *stopped.mutable_next() = At(6, 0);
  const MergedPage page = MergePages({stopped}, 10);
  EXPECT_THAT(Ids(page), IsEmpty());
  EXPECT_TRUE(page.next.has_value());
}

}  // namespace
}  // namespace assay::gateway
