// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/content_digests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/blob/testing/fake_blob_store.h"

namespace assay::gateway {
namespace {

using testing::IsOkAndHolds;
using testing::StatusIs;

class ContentDigestsTest : public ::testing::Test {
 protected:
  Digest Store(const blob::Owner& owner, const std::string& content) {
    return blob::Put(blobs_, owner, content).value();
  }

  SimulatedClock clock_;
  blob::FakeBlobStore blobs_{clock_, 1 << 20};
  const blob::Owner owner_{"alpha", "alice"};
  const Digest content_ = Digest::Of("content");
};

TEST_F(ContentDigestsTest, DecodesAnArchiveOnceAndNotForThoseWhoDoNotHaveIt) {
  int decoded = 0;
  ContentDigests digests(blobs_, clock_, [&](const auto&, const auto&, absl::Time) {
    ++decoded;
    return content_;
  });
  const Digest archive = Store(owner_, "archive");
  EXPECT_THAT(digests.Find(owner_, archive, absl::InfiniteFuture()), IsOkAndHolds(content_));
  EXPECT_THAT(digests.Find(owner_, archive, absl::InfiniteFuture()), IsOkAndHolds(content_));
  EXPECT_EQ(decoded, 1);
  EXPECT_THAT(digests.Find({"alpha", "bob"}, archive, absl::InfiniteFuture()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ContentDigestsTest, WhatTheDeadlineEndedIsNotTheArchivesFault) {
  ContentDigests digests(blobs_, clock_, [&](const auto&, const auto&, absl::Time deadline) -> absl::StatusOr<Digest> {
    clock_.AdvanceTime(deadline - clock_.TimeNow());
    return absl::ResourceExhaustedError("archive: the decoder's time is over");
  });
  const Digest archive = Store(owner_, "archive");
  EXPECT_THAT(digests.Find(owner_, archive, clock_.TimeNow() + absl::Seconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(ContentDigestsTest, AnArchiveOverTheLimitsIsToldAsItIs) {
  ContentDigests digests(blobs_, clock_, [&](const auto&, const auto&, absl::Time) -> absl::StatusOr<Digest> {
    return absl::ResourceExhaustedError("archive: too many entries");
  });
  const Digest archive = Store(owner_, "archive");
  EXPECT_THAT(digests.Find(owner_, archive, clock_.TimeNow() + absl::Seconds(1)),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(ContentDigestsTest, ACallThatGetsNoPlaceEndsAtItsDeadline) {
  absl::Notification release;
  std::atomic<int> decoding = 0;
  ContentDigests digests(blobs_, Clock::Real(), [&](const auto&, const auto&, absl::Time) -> absl::StatusOr<Digest> {
    ++decoding;
    release.WaitForNotification();
    return content_;
  });
  std::vector<std::thread> busy;
  for (const char* name : {"one", "two"}) {
    busy.emplace_back([&, archive = Store(owner_, name)] {
      EXPECT_THAT(digests.Find(owner_, archive, absl::InfiniteFuture()), IsOkAndHolds(content_));
    });
  }
  while (decoding < 2) std::this_thread::yield();
  const Digest third = Store(owner_, "three");
  EXPECT_THAT(digests.Find(owner_, third, absl::Now() + absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  release.Notify();
  for (std::thread& thread : busy) thread.join();
}

}  // namespace
}  // namespace assay::gateway
