// SPDX-License-Identifier: Apache-2.0
// What every WorkQueue promises. A harness is default-constructible and has
//   WorkQueue& queue()          with the lanes "fast" and "slow"
//   static constexpr size_t kWindow   undone items one consumer may hold
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/work_queue.h"
#include "tests/contract/log_contract.h"

namespace assay::log {

template <typename Harness>
class WorkQueueContract : public ::testing::Test {
 protected:
  WorkQueue& queue() { return harness_.queue(); }

  absl::Status Put(const std::string& lane, const std::string& value) {
    struct Wait {
      absl::Notification done;
      absl::Status status;
    };
    const auto wait = std::make_shared<Wait>();
    queue().Put(lane, "key", value, [wait](const Delivery& delivery) {
      wait->status = delivery.status;
      wait->done.Notify();
    });
    wait->done.WaitForNotification();
    return wait->status;
  }

  std::unique_ptr<WorkConsumer> MustConsume(const std::string& lane, const std::string& name) {
    absl::StatusOr<std::unique_ptr<WorkConsumer>> consumer = queue().Consume(lane, name);
    EXPECT_THAT(consumer, testing::IsOk());
    return consumer.ok() ? *std::move(consumer) : nullptr;
  }

  // Exactly `count` items, or fewer when no more come.
  std::vector<WorkItem> Take(WorkConsumer& consumer, size_t count) {
    std::vector<WorkItem> taken;
    while (taken.size() < count) {
      absl::StatusOr<std::vector<WorkItem>> items = consumer.Take(count - taken.size(), kPatience);
      EXPECT_THAT(items, testing::IsOk());
      if (!items.ok() || items->empty()) break;
      taken.insert(taken.end(), items->begin(), items->end());
    }
    return taken;
  }

  static std::set<std::string> Values(const std::vector<WorkItem>& items) {
    std::set<std::string> values;
    for (const WorkItem& item : items) values.insert(item.value);
    return values;
  }

  Harness harness_;
};

TYPED_TEST_SUITE_P(WorkQueueContract);

TYPED_TEST_P(WorkQueueContract, HandsEachItemToOneConsumer) {
  const auto first = this->MustConsume("fast", "first");
  for (int i = 0; i < 10; ++i) ASSAY_ASSERT_OK(this->Put("fast", absl::StrCat(i)));
  const std::vector<WorkItem> items = this->Take(*first, 10);
  EXPECT_EQ(this->Values(items).size(), 10u);
  EXPECT_EQ(this->queue().Depth("fast"), 10u);
  for (const WorkItem& item : items) first->Done(item);
  EXPECT_EQ(this->queue().Depth("fast"), 0u);
}

TYPED_TEST_P(WorkQueueContract, KeepsLanesApart) {
  ASSAY_ASSERT_OK(this->Put("slow", "s"));
  const auto fast = this->MustConsume("fast", "c");
  const auto slow = this->MustConsume("slow", "c");
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<WorkItem> none, fast->Take(1, absl::ZeroDuration()));
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(this->Values(this->Take(*slow, 1)), std::set<std::string>{"s"});
}

TYPED_TEST_P(WorkQueueContract, RedeliversWhatWasNotDoneWhenItsConsumerGoes) {
  for (int i = 0; i < 4; ++i) ASSAY_ASSERT_OK(this->Put("fast", absl::StrCat(i)));
  std::set<std::string> undone;
  {
    const auto first = this->MustConsume("fast", "first");
    const std::vector<WorkItem> items = this->Take(*first, 4);
    ASSERT_EQ(items.size(), 4u);
    first->Done(items[0]);
    first->Done(items[1]);
    undone = {items[2].value, items[3].value};
  }
  const auto second = this->MustConsume("fast", "first");
  EXPECT_EQ(this->Values(this->Take(*second, 2)), undone);
}

TYPED_TEST_P(WorkQueueContract, TakesDoneInAnyOrderAndIgnoresRepeats) {
  const auto consumer = this->MustConsume("fast", "c");
  for (int i = 0; i < 3; ++i) ASSAY_ASSERT_OK(this->Put("fast", absl::StrCat(i)));
  const std::vector<WorkItem> items = this->Take(*consumer, 3);
  ASSERT_EQ(items.size(), 3u);
  for (const int i : {2, 0, 2, 1, 1}) consumer->Done(items[static_cast<size_t>(i)]);
  WorkItem unknown = items[0];
  unknown.offset += 1000;
  consumer->Done(unknown);
  EXPECT_EQ(this->queue().Depth("fast"), 0u);
}

TYPED_TEST_P(WorkQueueContract, StopsAtAFullWindowAndGoesOnAfterDone) {
  const auto consumer = this->MustConsume("fast", "c");
  for (size_t i = 0; i < TypeParam::kWindow + 1; ++i) ASSAY_ASSERT_OK(this->Put("fast", absl::StrCat(i)));
  const std::vector<WorkItem> items = this->Take(*consumer, TypeParam::kWindow);
  ASSERT_EQ(items.size(), TypeParam::kWindow);
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<WorkItem> none, consumer->Take(1, absl::ZeroDuration()));
  EXPECT_TRUE(none.empty());
  for (const WorkItem& item : items) consumer->Done(item);
  EXPECT_EQ(this->Take(*consumer, 1).size(), 1u);
}

TYPED_TEST_P(WorkQueueContract, WakesAWaitingConsumer) {
  const auto consumer = this->MustConsume("fast", "c");
  std::thread other([this] { ASSAY_EXPECT_OK(this->Put("fast", "late")); });
  EXPECT_EQ(this->Values(this->Take(*consumer, 1)), std::set<std::string>{"late"});
  other.join();
}

TYPED_TEST_P(WorkQueueContract, EndsAnInterruptedConsumer) {
  const auto consumer = this->MustConsume("fast", "c");
  std::thread other([&] { consumer->Interrupt(); });
  EXPECT_THAT(consumer->Take(1, absl::InfiniteDuration()), testing::StatusIs(absl::StatusCode::kCancelled));
  other.join();
}

TYPED_TEST_P(WorkQueueContract, RefusesWhatItCannotTake) {
  EXPECT_THAT(this->Put("no-such-lane", "x"), testing::StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(this->queue().Consume("no-such-lane", "c"), testing::StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(this->Put("fast", std::string(Log::kMaxRecordBytes, 'x')),
              testing::StatusIs(absl::StatusCode::kInvalidArgument));
}

TYPED_TEST_P(WorkQueueContract, RefusesWorkOnceClosedAndEndsConsumers) {
  const auto consumer = this->MustConsume("fast", "c");
  this->queue().Close();
  EXPECT_THAT(this->Put("fast", "x"), testing::StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(consumer->Take(1, absl::InfiniteDuration()), testing::StatusIs(absl::StatusCode::kFailedPrecondition));
}

REGISTER_TYPED_TEST_SUITE_P(WorkQueueContract, HandsEachItemToOneConsumer, KeepsLanesApart,
                            RedeliversWhatWasNotDoneWhenItsConsumerGoes, TakesDoneInAnyOrderAndIgnoresRepeats,
                            StopsAtAFullWindowAndGoesOnAfterDone, WakesAWaitingConsumer, EndsAnInterruptedConsumer,
                            RefusesWhatItCannotTake, RefusesWorkOnceClosedAndEndsConsumers);

}  // namespace assay::log
