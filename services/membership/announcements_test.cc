// SPDX-License-Identifier: Apache-2.0
#include "services/membership/announcements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/testing/fake_log.h"
#include "services/membership/offered_plugins.h"

namespace assay::membership {
namespace {

using event::v1::Announcement;

Announcement Evaluator(const std::string& instance, uint32_t fast) {
  Announcement announcement;
  announcement.set_instance(instance);
  (*announcement.mutable_evaluator()->mutable_slots())["fast"] = fast;
  return announcement;
}

class AnnouncementsTest : public ::testing::Test {
 protected:
  // Waits until `reader` has heard `count` records since `seen` was made.
  struct Seen {
    absl::Mutex mutex;
    size_t count ABSL_GUARDED_BY(mutex) = 0;
    void Wait(size_t wanted) {
      absl::MutexLock lock(&mutex);
      const auto enough = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return count >= wanted; };
      ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(30)));
    }
  };

  SimulatedClock clock_;
  log::FakeLog log_{1};
};

TEST_F(AnnouncementsTest, TheLatestOfAnInstanceSpeaksToThoseWhoComeLater) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto writer, Announcements::Open(log_, clock_));
  writer->Announce("evaluator/e1", Evaluator("e1", 1));
  writer->Announce("evaluator/e1", Evaluator("e1", 4));
  writer->Announce("evaluator/e2", Evaluator("e2", 2));

  ASSAY_ASSERT_OK_AND_ASSIGN(const auto reader, Announcements::Open(log_, clock_));
  const auto evaluators = reader->evaluators();
  ASSERT_EQ(evaluators.size(), 2u);
  EXPECT_EQ(evaluators.at("e1").announcement.evaluator().slots().at("fast"), 4u);
  EXPECT_TRUE(reader->aggregators().empty());
}

TEST_F(AnnouncementsTest, ListenersHearWhatArrivesUntilTheyLetGo) {
  Seen seen;
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto reader, Announcements::Open(log_, clock_));
  auto handle = reader->Subscribe([&](const Announcement&) {
    absl::MutexLock lock(&seen.mutex);
    ++seen.count;
  });
  reader->Announce("evaluator/e1", Evaluator("e1", 1));
  seen.Wait(1);
  handle.reset();
  Seen later;
  const auto second = reader->Subscribe([&](const Announcement&) {
    absl::MutexLock lock(&later.mutex);
    ++later.count;
  });
  reader->Announce("evaluator/e1", Evaluator("e1", 2));
  later.Wait(1);
  absl::MutexLock lock(&seen.mutex);
  EXPECT_EQ(seen.count, 1u);
}

TEST_F(AnnouncementsTest, SilenceAndLeavingEndPresence) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto writer, Announcements::Open(log_, clock_));
  writer->Announce("evaluator/e1", Evaluator("e1", 1));
  Announcement leaving = Evaluator("e2", 1);
  leaving.mutable_evaluator()->set_is_leaving(true);
  writer->Announce("evaluator/e2", leaving);

  ASSAY_ASSERT_OK_AND_ASSIGN(const auto reader, Announcements::Open(log_, clock_));
  EXPECT_TRUE(reader->IsPresent(reader->evaluators().at("e1")));
  EXPECT_FALSE(reader->IsPresent(reader->evaluators().at("e2")));
  clock_.AdvanceTime(kSilence);
  EXPECT_FALSE(reader->IsPresent(reader->evaluators().at("e1")));
}

TEST_F(AnnouncementsTest, BytesThatAreNoAnnouncementArePassedOver) {
  log::AppendAndWait(log_, 0, "evaluator/x", "\xff\xff\xff");
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto writer, Announcements::Open(log_, clock_));
  writer->Announce("evaluator/e1", Evaluator("e1", 1));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto reader, Announcements::Open(log_, clock_));
  EXPECT_EQ(reader->evaluators().size(), 1u);
}

TEST_F(AnnouncementsTest, RefusesATopicOfSeveralPartitions) {
  log::FakeLog wide(2);
  EXPECT_THAT(Announcements::Open(wide, clock_).status(), assay::testing::StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(OfferedPlugins, TheDigestThatMostOfThoseWhoArePresentOfferIsTheOne) {
  const auto offering = [](const char* digest, bool is_leaving = false) {
    Heard heard;
    (*heard.announcement.mutable_evaluator()->mutable_plugins())["rubric"] = digest;
    heard.announcement.mutable_evaluator()->set_is_leaving(is_leaving);
    return heard;
  };
  const auto is_present = [](const Heard& heard) { return !heard.announcement.evaluator().is_leaving(); };
  EXPECT_EQ(MostOffered({{"e1", offering("b")}, {"e2", offering("b")}, {"e3", offering("a")}}, is_present).at("rubric"), "b");
  EXPECT_EQ(MostOffered({{"e1", offering("b")}, {"e2", offering("a")}}, is_present).at("rubric"), "a");
  EXPECT_EQ(MostOffered({{"e1", offering("b")}, {"e2", offering("a", true)}}, is_present).at("rubric"), "b");
  EXPECT_TRUE(MostOffered({}, is_present).empty());
}

}  // namespace
}  // namespace assay::membership
