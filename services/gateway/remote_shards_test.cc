// SPDX-License-Identifier: Apache-2.0
//
// Over announcements in a fake log and aggregators that answer by script, on real sockets.
#include "services/gateway/remote_shards.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/testing/fake_log.h"
#include "services/common/rpc/status.h"

namespace assay::gateway {
namespace {

using testing::IsOk;
using testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

// An aggregator that names itself in what it answers.
class FakeAggregator final : public shard::v1::ShardService::Service {
 public:
  explicit FakeAggregator(std::string name) : name_(std::move(name)) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~FakeAggregator() override { Stop(); }

  void Stop() {
    stopping_ = true;
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now()));
    server_.reset();
  }
  // What every call is answered with.
  void AnswerWith(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    status_ = std::move(status);
  }
  void SayStale(uint64_t lag) { stale_lag_ = static_cast<int64_t>(lag); }
  void Change() { ++changes_; }
  const std::string& address() const { return address_; }
  shard::v1::Scope last_scope() {
    absl::MutexLock lock(&mutex_);
    return last_scope_;
  }
  int calls() const { return calls_; }
  int watchers() const { return watchers_; }

  grpc::Status GetSubmission(grpc::ServerContext* context, const shard::v1::GetSubmissionRequest* request,
                             shard::v1::GetSubmissionResponse* response) override {
    ++calls_;
    if (stale_lag_ >= 0) {
      context->AddTrailingMetadata("assay-stale", "1");
      context->AddTrailingMetadata("assay-lag", absl::StrCat(stale_lag_.load()));
    }
    response->mutable_submission()->set_id(name_);
    absl::MutexLock lock(&mutex_);
    last_scope_ = request->scope();
    return rpc::ToGrpcStatus(status_);
  }

  grpc::Status WatchShard(grpc::ServerContext* context, const shard::v1::WatchShardRequest* /*request*/,
                          grpc::ServerWriter<shard::v1::WatchShardResponse>* writer) override {
    ++watchers_;
    int told = -1;
    while (!stopping_ && !context->IsCancelled()) {
      if (told == changes_) {
        std::this_thread::yield();
        continue;
      }
      told = changes_;
      writer->Write({});
    }
    --watchers_;
    return grpc::Status::OK;
  }

 private:
  const std::string name_;
  std::string address_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> stale_lag_ = -1;
  std::atomic<int> changes_ = 0;
  std::atomic<int> calls_ = 0;
  std::atomic<int> watchers_ = 0;
  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  shard::v1::Scope last_scope_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

absl::Status NotOwner(const std::string& owner) {
  return rpc::WithReason(absl::FailedPreconditionError("not mine"), "NOT_OWNER", {{"address", owner}});
}

class RemoteShardsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    announcements_ = membership::Announcements::Open(log_, Clock::Real()).value();
    shards_ = std::make_unique<RemoteShards>(2, rpc::ChannelOptions(), *announcements_, Clock::Real());
  }

  // `instance` announces shard 0, and it is known when this returns.
  void Announce(const std::string& instance, const std::string& address, bool is_owner, uint64_t epoch,
                uint64_t lag = 0) {
    event::v1::Announcement announcement;
    announcement.set_instance(instance);
    announcement.mutable_aggregator()->set_address(address);
    event::v1::ShardReplica& replica = *announcement.mutable_aggregator()->add_replicas();
    replica.set_is_owner(is_owner);
    replica.set_epoch(epoch);
    replica.set_lag_records(lag);
    announcements_->Announce(absl::StrCat("aggregator/", instance), announcement);
    Await([&] {
      const Route route = shards_->RouteOf(0);
      const auto has = [&](const Replica& known) { return known.address == address && known.epoch == epoch; };
      return is_owner ? route.owner && has(*route.owner)
                      : std::any_of(route.standbys.begin(), route.standbys.end(), has);
    });
  }

  template <typename Condition>
  void Await(Condition condition) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!condition()) {
      ASSERT_LT(absl::Now(), deadline);
      std::this_thread::yield();
    }
  }

  absl::StatusOr<std::string> Read(v1::Consistency consistency, int64_t token = -1, Staleness* staleness = nullptr) {
    shard::v1::GetSubmissionRequest request;
    request.mutable_scope()->set_consistency(consistency);
    request.mutable_scope()->set_wait_for_offset(token);
    const auto response = shards_->GetSubmission(0, request, {absl::Now() + absl::Seconds(10), staleness});
    if (!response.ok()) return response.status();
    return response->submission().id();
  }

  log::FakeLog log_{1};
  FakeAggregator a_{"a"}, b_{"b"};
  std::unique_ptr<membership::Announcements> announcements_;
  std::unique_ptr<RemoteShards> shards_;
};

TEST_F(RemoteShardsTest, AsksTheOwnerAndNamesTheShard) {
  Announce("a", a_.address(), false, 5);
  Announce("b", b_.address(), true, 5);
  Staleness staleness;
  EXPECT_THAT(Read(v1::SESSION, 7, &staleness), testing::IsOkAndHolds("b"));
  EXPECT_FALSE(staleness.is_stale);
  EXPECT_EQ(b_.last_scope().wait_for_offset(), 7);
  EXPECT_EQ(b_.last_scope().consistency(), v1::SESSION);
  EXPECT_EQ(a_.calls(), 0);
}

TEST_F(RemoteShardsTest, FollowsTheHintOfAWrongOwner) {
  Announce("a", a_.address(), true, 5);
  a_.AnswerWith(NotOwner(b_.address()));
  EXPECT_THAT(Read(v1::STRONG), testing::IsOkAndHolds("b"));
  EXPECT_EQ(b_.last_scope().consistency(), v1::STRONG);
}

TEST_F(RemoteShardsTest, WithoutAnOwnerAStandbyAnswersAndIsToldToBeStale) {
  Announce("a", a_.address(), false, 5, /*lag=*/40);
  Staleness staleness;
  EXPECT_THAT(Read(v1::SESSION, 7, &staleness), testing::IsOkAndHolds("a"));
  EXPECT_TRUE(staleness.is_stale);
  EXPECT_EQ(staleness.lag_records, 40u);
  // What the caller saw before is applied there, or it does not answer.
  EXPECT_EQ(a_.last_scope().wait_for_offset(), 7);
  EXPECT_EQ(a_.last_scope().consistency(), v1::STALE_OK);
}

TEST_F(RemoteShardsTest, WhatAReplicaSaysOfItselfIsBelievedBeforeItsAnnouncement) {
  Announce("a", a_.address(), true, 5);
  a_.SayStale(3);
  Staleness staleness;
  EXPECT_THAT(Read(v1::SESSION, -1, &staleness), IsOk());
  EXPECT_TRUE(staleness.is_stale);
  EXPECT_EQ(staleness.lag_records, 3u);
}

TEST_F(RemoteShardsTest, AnOwnerThatIsGoneIsReplacedByAStandbyButNotForStrongReads) {
  Announce("a", a_.address(), true, 5);
  Announce("b", b_.address(), false, 5);
  a_.Stop();
  EXPECT_THAT(Read(v1::SESSION), testing::IsOkAndHolds("b"));
  EXPECT_THAT(Read(v1::STALE_OK), testing::IsOkAndHolds("b"));
  EXPECT_THAT(Read(v1::STRONG), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RemoteShardsTest, NobodyToAskIsUnavailableWithADelayAndNeverNotFound) {
  const absl::Status nobody = Read(v1::SESSION).status();
  EXPECT_THAT(nobody, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shard 0: nobody owns it")));
  EXPECT_GT(rpc::RetryDelay(nobody), absl::ZeroDuration());
  EXPECT_THAT(shards_->health(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RemoteShardsTest, AnAnswerAboutTheRequestIsNotAskedTwice) {
  Announce("a", a_.address(), true, 5);
  Announce("b", b_.address(), false, 5);
  a_.AnswerWith(absl::NotFoundError("no such submission"));
  EXPECT_THAT(Read(v1::SESSION), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(b_.calls(), 0);
}

TEST_F(RemoteShardsTest, AddressesOfOtherMachinesNeedTls) {
  Announce("a", "192.0.2.1:1", true, 5);
  EXPECT_THAT(Read(v1::STRONG), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         AllOf(HasSubstr("192.0.2.1:1"), HasSubstr("peer_tls"))));
}

TEST_F(RemoteShardsTest, ListenersHearOfChangesAlsoAfterTheShardMoved) {
  std::atomic<int> heard = 0;
  const auto subscription = shards_->Subscribe(0, [&] { ++heard; });
  Announce("a", a_.address(), true, 5);
  Await([&] { return heard >= 1; });
  a_.Change();
  Await([&] { return heard >= 2; });
  Announce("b", b_.address(), true, 6);
  Await([&] { return b_.watchers() == 1 && a_.watchers() == 0; });
  const int before = heard;
  b_.Change();
  Await([&] { return heard > before; });
}

TEST_F(RemoteShardsTest, AStreamThatEndsIsOpenedAgain) {
  std::atomic<int> heard = 0;
  const auto subscription = shards_->Subscribe(0, [&] { ++heard; });
  auto third = std::make_unique<FakeAggregator>("c");
  Announce("c", third->address(), true, 5);
  Await([&] { return heard >= 1; });
  third.reset();
  Announce("a", a_.address(), true, 6);
  Await([&] { return a_.watchers() == 1; });
}

}  // namespace
}  // namespace assay::gateway
