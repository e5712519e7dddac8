// SPDX-License-Identifier: Apache-2.0
//
// Watches over shards in memory, into streams that keep what they are sent.
#include "services/gateway/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/blob/testing/fake_blob_store.h"
#include "services/gateway/testing/fake_shards.h"

namespace assay::gateway {
namespace {

using testing::IsOk;
using testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using v1::Submission;

template <typename Response>
class RecordingStream final : public rpc::ServerStream<Response> {
 public:
  bool TryWrite(Response response) override {
    absl::MutexLock lock(&mutex_);
    if (end_ || sent_.size() >= room_) return false;
    sent_.push_back(std::move(response));
    return true;
  }
  absl::Status Write(Response response) override {
    return TryWrite(std::move(response)) ? absl::OkStatus() : absl::CancelledError("over");
  }
  void Finish(const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    if (!end_) end_ = status;
  }
  bool IsOver() override {
    absl::MutexLock lock(&mutex_);
    return end_.has_value();
  }
  void OnOver(std::function<void()> /*callback*/) override {}

  std::vector<Response> sent() {
    absl::MutexLock lock(&mutex_);
    return sent_;
  }
  std::optional<absl::Status> end() {
    absl::MutexLock lock(&mutex_);
    return end_;
  }
  absl::Status AwaitEnd() {
    absl::MutexLock lock(&mutex_);
    const auto ended = [this] {
      mutex_.AssertHeld();
      return end_.has_value();
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&ended), absl::Seconds(30))) return absl::OkStatus();
    return *end_;
  }
  void SetRoom(size_t room) {
    absl::MutexLock lock(&mutex_);
    room_ = room;
  }

 private:
  absl::Mutex mutex_;
  size_t room_ ABSL_GUARDED_BY(mutex_) = SIZE_MAX;
  std::vector<Response> sent_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

using Updates = RecordingStream<v1::SubmissionUpdate>;
using Readinesses = RecordingStream<v1::WatchReadinessResponse>;

// As long as the gateway's own.
const std::string kFirst(26, 'a');
const std::string kSecond(26, 'b');

class WatchTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kShards = 2;

  WatchTest() { home_ = SubjectOf(backend_, caller_.tenant, "c-1", "").value().shard; }

  void Step(const std::string& id, Submission::State state, const std::string& change) {
    Submission submission;
    submission.set_id(id);
    submission.set_candidate("c-1");
    submission.set_state(state);
    shards_.Step(home_, submission, change);
  }

  std::unique_ptr<Watch> Start(const v1::WatchSubmissionsRequest& request) {
    stream_ = std::make_shared<Updates>();
    auto watch = WatchSubmissions(backend_, caller_, request, stream_);
    EXPECT_THAT(watch, IsOk());
    return watch.ok() ? *std::move(watch) : nullptr;
  }

  v1::WatchSubmissionsRequest OfCandidate(std::vector<std::string> ids = {}) {
    v1::WatchSubmissionsRequest request;
    request.set_candidate("c-1");
    for (const std::string& id : ids) request.add_ids(id);
    return request;
  }

  // A round that was told of changes of the candidate's shard.
  WatchRound Changed() const { return {.changed = {home_}}; }

  Watch::State Pump(Watch& watch) {
    WatchRound round = Changed();
    return watch.Pump(round);
  }

  std::vector<std::string> Changes() {
    std::vector<std::string> changes;
    for (const v1::SubmissionUpdate& update : stream_->sent()) changes.push_back(update.change());
    return changes;
  }
  std::string LastToken() { return stream_->sent().back().resume_token(); }

  testing::TempDir folder_;
  SimulatedClock clock_;
  FakeShards shards_{kShards};
  const std::unique_ptr<TenantKeys> keys_ = TenantKeys::Open(folder_ / "keys", /*read_only=*/false).value();
  blob::FakeBlobStore blobs_{clock_, 1 << 20};
  ContentDigests digests_{blobs_, clock_, [](const auto&, const auto&, absl::Time) { return Digest(); }};
  AdmissionGate admission_{{}, shards_, [] { return absl::ZeroDuration(); }, clock_};
  const rpc::Identity caller_{"t", "client", "ann", rpc::Role::kReader};
  uint32_t home_ = 0;
  std::shared_ptr<Updates> stream_;
  const Backend backend_{.shards = shards_,
                         .journal = nullptr,
                         .admission = admission_,
                         .keys = *keys_,
                         .blobs = blobs_,
                         .clock = clock_,
                         .digests = digests_};
};

TEST_F(WatchTest, ShowsEveryStepAndEndsWithTheLastOne) {
  Step(kFirst, Submission::ACCEPTED, "accepted");
  const auto watch = Start(OfCandidate({kFirst}));
  EXPECT_EQ(Pump(*watch), Watch::State::kWaiting);
  Step(kFirst, Submission::RUNNING, "running");
  Step(kFirst, Submission::COMPLETED, "completed");
  EXPECT_EQ(Pump(*watch), Watch::State::kOver);
  EXPECT_THAT(Changes(), ElementsAre("accepted", "running", "completed"));
  EXPECT_THAT(*stream_->end(), IsOk());
}

TEST_F(WatchTest, AResumedWatchWithoutIdsWaitsForWhatIsNotOver) {
  Step(kFirst, Submission::RUNNING, "running");
  const auto before = Start(OfCandidate());
  Pump(*before);
  v1::WatchSubmissionsRequest again = OfCandidate();
  again.set_resume_token(LastToken());
  const auto watch = Start(again);
  EXPECT_EQ(Pump(*watch), Watch::State::kWaiting);
  EXPECT_THAT(Changes(), IsEmpty());
  Step(kFirst, Submission::COMPLETED, "completed");
  EXPECT_EQ(Pump(*watch), Watch::State::kOver);
  EXPECT_THAT(Changes(), ElementsAre("completed"));
}

TEST_F(WatchTest, ATokenOlderThanTheHistoryGoesOnWithHowThingsAre) {
  Step(kFirst, Submission::ACCEPTED, "accepted");
  Step(kSecond, Submission::ACCEPTED, "accepted");
  const auto before = Start(OfCandidate({kFirst}));
  Pump(*before);
  const std::string token = LastToken();
  Step(kFirst, Submission::RUNNING, "running");
  Step(kFirst, Submission::COMPLETED, "completed");
  shards_.Forget(home_, 4);
  v1::WatchSubmissionsRequest again = OfCandidate({kFirst});
  again.set_resume_token(token);
  const auto watch = Start(again);
  EXPECT_EQ(Pump(*watch), Watch::State::kOver);
  EXPECT_THAT(Changes(), ElementsAre("history was cut"));
  EXPECT_EQ(stream_->sent()[0].submission().state(), Submission::COMPLETED);
}

TEST_F(WatchTest, WithoutIdsACutHistoryShowsEverySubmission) {
  Step(kFirst, Submission::ACCEPTED, "accepted");
  const auto before = Start(OfCandidate());
  Pump(*before);
  const std::string token = LastToken();
  Step(kSecond, Submission::RUNNING, "running");
  shards_.Forget(home_, 2);
  v1::WatchSubmissionsRequest again = OfCandidate();
  again.set_resume_token(token);
  const auto watch = Start(again);
  EXPECT_EQ(Pump(*watch), Watch::State::kWaiting);
  EXPECT_THAT(Changes(), ElementsAre("history was cut", "history was cut"));
}

TEST_F(WatchTest, ASlowReaderLosesNothing) {
  for (int i = 0; i < 5; ++i) Step(kFirst, Submission::RUNNING, "running");
  const auto watch = Start(OfCandidate({kFirst}));
  stream_->SetRoom(2);
  EXPECT_EQ(Pump(*watch), Watch::State::kBlocked);
  stream_->SetRoom(100);
  EXPECT_EQ(Pump(*watch), Watch::State::kWaiting);
  EXPECT_EQ(Changes().size(), 5u);
}

TEST_F(WatchTest, AShardOutOfReachIsAskedOnceARoundAndWaitedFor) {
  Step(kFirst, Submission::RUNNING, "running");
  const auto one = Start(OfCandidate({kFirst}));
  const auto stream = stream_;
  const auto other = Start(OfCandidate({kFirst}));
  shards_.AnswerWith(home_, absl::UnavailableError("it moves"));
  WatchRound round = Changed();
  EXPECT_EQ(one->Pump(round), Watch::State::kWaiting);
  EXPECT_EQ(other->Pump(round), Watch::State::kWaiting);
  EXPECT_EQ(shards_.reads(home_), 1);
  shards_.AnswerWith(home_, absl::OkStatus());
  WatchRound later;
  EXPECT_EQ(one->Pump(later), Watch::State::kWaiting);
  EXPECT_EQ(stream->sent().size(), 1u);
}

TEST_F(WatchTest, AShardOutOfReachForTooLongEndsTheWatch) {
  Step(kFirst, Submission::RUNNING, "running");
  const auto watch = Start(OfCandidate({kFirst}));
  shards_.AnswerWith(home_, absl::UnavailableError("it moves"));
  EXPECT_EQ(Pump(*watch), Watch::State::kWaiting);
  clock_.AdvanceTime(absl::Minutes(1));
  EXPECT_EQ(Pump(*watch), Watch::State::kOver);
  EXPECT_THAT(*stream_->end(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(WatchTest, WhatDidNotChangeIsNotRead) {
  Step(kFirst, Submission::RUNNING, "running");
  const auto watch = Start(OfCandidate({kFirst}));
  Pump(*watch);
  const int reads = shards_.reads(home_);
  WatchRound nothing;
  EXPECT_EQ(watch->Pump(nothing), Watch::State::kWaiting);
  EXPECT_EQ(shards_.reads(home_), reads);
}

TEST_F(WatchTest, AReadinessWatchWithAnOldTokenIsSentThePresentOne) {
  const auto record = [](uint64_t version) {
    v1::ReadinessRecord made;
    made.set_epoch(1);
    made.set_version(version);
    return made;
  };
  v1::WatchReadinessRequest request;
  request.set_candidate("c-1");
  shards_.StepReadiness(home_, record(1));
  auto stream = std::make_shared<Readinesses>();
  ASSAY_ASSERT_OK_AND_ASSIGN(auto watch, WatchReadiness(backend_, caller_, request, stream));
  Pump(*watch);
  ASSERT_EQ(stream->sent().size(), 1u);
  EXPECT_EQ(stream->sent()[0].record().candidate(), "c-1");
  request.set_resume_token(stream->sent()[0].resume_token());
  shards_.StepReadiness(home_, record(2));
  shards_.StepReadiness(home_, record(3));
  shards_.Forget(home_, 3);
  stream = std::make_shared<Readinesses>();
  ASSAY_ASSERT_OK_AND_ASSIGN(watch, WatchReadiness(backend_, caller_, request, stream));
  EXPECT_EQ(Pump(*watch), Watch::State::kWaiting);
  ASSERT_EQ(stream->sent().size(), 1u);
  EXPECT_EQ(stream->sent()[0].record().version(), 3u);
}

TEST_F(WatchTest, AServerThatStopsEndsRunningAndLaterWatchesWithUnavailable) {
  Step(kFirst, Submission::RUNNING, "running");
  WatchHub hub(backend_);
  auto running = Start(OfCandidate({kFirst}));
  const auto first = stream_;
  hub.Add(std::move(running));
  auto later = Start(OfCandidate({kFirst}));
  hub.Stop();
  EXPECT_THAT(first->AwaitEnd(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("resume_token")));
  hub.Add(std::move(later));
  EXPECT_THAT(stream_->AwaitEnd(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace assay::gateway
