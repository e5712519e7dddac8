// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/completion_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace assay::log {
namespace {

CompletionWindow Running(Offset from, Offset to) {
  CompletionWindow window;
  window.Assign();
  for (Offset offset = from; offset < to; ++offset) {
    EXPECT_TRUE(window.Add(offset));
    window.Start(offset);
  }
  return window;
}

TEST(CompletionWindow, MovesOnlyOverWhatIsDoneWithoutAGap) {
  CompletionWindow window = Running(7, 11);
  EXPECT_TRUE(window.Finish(8));
  EXPECT_TRUE(window.Finish(10));
  EXPECT_EQ(window.watermark(), 7);
  EXPECT_EQ(window.span(), 4u);
  EXPECT_EQ(window.done(), 2u);
  EXPECT_TRUE(window.Finish(7));
  EXPECT_EQ(window.watermark(), 9);
  EXPECT_TRUE(window.Finish(9));
  EXPECT_EQ(window.watermark(), 11);
  EXPECT_EQ(window.span(), 0u);
  EXPECT_EQ(window.done(), 0u);
}

TEST(CompletionWindow, EndsInAnyOrderAtTheSamePlace) {
  std::mt19937 random(20260101);
  for (int round = 0; round < 50; ++round) {
    CompletionWindow window = Running(100, 140);
    std::vector<Offset> order;
    for (Offset offset = 100; offset < 140; ++offset) order.push_back(offset);
    std::shuffle(order.begin(), order.end(), random);
    std::vector<bool> is_done(40);
    for (const Offset offset : order) {
      EXPECT_TRUE(window.Finish(offset));
      is_done[static_cast<size_t>(offset - 100)] = true;
      const auto first = std::find(is_done.begin(), is_done.end(), false);
      EXPECT_EQ(window.watermark(), 100 + (first - is_done.begin()));
    }
  }
}

TEST(CompletionWindow, IgnoresWhatIsNotRunning) {
  CompletionWindow window = Running(0, 2);
  EXPECT_FALSE(window.Finish(2));
  EXPECT_FALSE(window.Finish(-1));
  EXPECT_TRUE(window.Finish(0));
  EXPECT_FALSE(window.Finish(0));
  EXPECT_TRUE(window.Add(2));
  EXPECT_FALSE(window.Finish(2)) << "it only waits";
}

TEST(CompletionWindow, PassesOverOffsetsTheLogSkips) {
  CompletionWindow window = Running(0, 1);
  EXPECT_TRUE(window.Add(5));
  window.Start(5);
  EXPECT_TRUE(window.Finish(0));
  EXPECT_EQ(window.watermark(), 5);
  EXPECT_TRUE(window.Finish(5));
  EXPECT_EQ(window.watermark(), 6);
}

TEST(CompletionWindow, DoesNotRunAgainWhatIsRunningAfterAReassignment) {
  CompletionWindow window = Running(0, 3);
  EXPECT_TRUE(window.Add(3));
  EXPECT_TRUE(window.Finish(1));
  window.Revoke();
  EXPECT_TRUE(window.Finish(2)) << "work goes on while the partition is elsewhere";
  window.Assign();
  EXPECT_FALSE(window.Add(0)) << "still running";
  EXPECT_FALSE(window.Add(1));
  EXPECT_FALSE(window.Add(2));
  EXPECT_TRUE(window.Add(3)) << "it waited, and was given back";
  window.Start(3);
  EXPECT_TRUE(window.Finish(0));
  EXPECT_EQ(window.watermark(), 3);
  EXPECT_TRUE(window.Finish(3));
  EXPECT_EQ(window.watermark(), 4);
}

TEST(CompletionWindow, LeavesToOthersWhatTheyCommitted) {
  CompletionWindow window = Running(0, 3);
  window.Revoke();
  window.Assign();
  EXPECT_TRUE(window.Add(8));
  EXPECT_EQ(window.watermark(), 8);
  EXPECT_FALSE(window.Finish(1));
}

TEST(CompletionWindow, IsNotHeldUpByWhatNeverComesBack) {
  CompletionWindow window = Running(0, 1);
  EXPECT_TRUE(window.Add(1));
  EXPECT_TRUE(window.Add(2));
  window.Assign();
  EXPECT_FALSE(window.Add(0));
  EXPECT_TRUE(window.Add(4)) << "1 to 3 fell out of retention";
  EXPECT_TRUE(window.Finish(0));
  EXPECT_EQ(window.watermark(), 4);
}

}  // namespace
}  // namespace assay::log
