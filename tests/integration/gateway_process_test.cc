// SPDX-License-Identifier: Apache-2.0
//
// What a caller of a real assay-gateway can rely on: over a real broker, with aggregators that answer by script.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "assay/event/v1/event.pb.h"
#include "assay/shard/v1/shard_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/log/kafka_log.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/status.h"
#include "services/membership/announcements.h"
#include "tests/contract/kafka_cluster.h"
#include "tests/integration/testing/program.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using testing::Client;
using testing::IsOk;
using testing::KafkaCluster;
using testing::Program;
using testing::ScorecardRequest;
using testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int32_t kShards = 4;
constexpr absl::Duration kPatience = absl::Seconds(30);
// grpc.health.v1.HealthCheckResponse{status: SERVING} and {status: NOT_SERVING}.
const std::string kServing = "\x08\x01";
const std::string kNotServing = "\x08\x02";

// Knows no request and no assessment, and every submission.
class FakeAggregator final : public shard::v1::ShardService::Service {
 public:
  FakeAggregator() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~FakeAggregator() override { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

  const std::string& address() const { return address_; }
  int64_t waited_for() const { return waited_for_; }

  grpc::Status FindRequest(grpc::ServerContext* /*context*/, const shard::v1::FindRequestRequest* /*request*/,
                           shard::v1::FindRequestResponse* /*response*/) override {
    return {grpc::StatusCode::NOT_FOUND, "no such request"};
  }
  grpc::Status GetAssessment(grpc::ServerContext* /*context*/, const shard::v1::GetAssessmentRequest* /*request*/,
                             shard::v1::AssessmentEntry* /*response*/) override {
    return {grpc::StatusCode::NOT_FOUND, "no such assessment"};
  }
  grpc::Status GetSubmission(grpc::ServerContext* /*context*/, const shard::v1::GetSubmissionRequest* request,
                             shard::v1::GetSubmissionResponse* response) override {
    waited_for_ = request->scope().wait_for_offset();
    response->mutable_submission()->set_id(request->id());
    return grpc::Status::OK;
  }

 private:
  std::string address_;
  std::atomic<int64_t> waited_for_ = -1;
  std::unique_ptr<grpc::Server> server_;
};

class GatewayProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    layout_.prefix = KafkaCluster::NewPrefix();
    layout_.shards = kShards;
    layout_.fast_work_partitions = layout_.slow_work_partitions = 2;
    layout_.replication = cluster().replication();
    ASSAY_ASSERT_OK_AND_ASSIGN(topics_, layout_.Topics());
    ASSAY_ASSERT_OK(cluster().topics().Create(topics_, absl::Seconds(60)));
    owners_ = Open(layout_.owners());
    announcements_ = membership::Announcements::Open(*owners_, Clock::Real()).value();
    heartbeat_ = std::thread([this] { Announce(); });
  }

  void TearDown() override { StopHeartbeat(); }

  std::unique_ptr<log::KafkaLog> Open(const std::string& topic) {
    log::KafkaLogOptions options;
    options.connection = cluster().connection();
    for (const log::KafkaTopic& known : topics_) {
      if (known.name == topic) options.topic = known;
    }
    return log::KafkaLog::Open(options).value();
  }

  // One aggregator owns every shard; one evaluator offers the rubric.
  void Announce() {
    absl::MutexLock lock(&mutex_);
    do {
      event::v1::Announcement aggregator;
      aggregator.set_instance("a");
      aggregator.mutable_aggregator()->set_address(aggregator_.address());
      for (int32_t shard = 0; shard < kShards; ++shard) {
        event::v1::ShardReplica& replica = *aggregator.mutable_aggregator()->add_replicas();
        replica.set_shard(static_cast<uint32_t>(shard));
        replica.set_is_owner(true);
        replica.set_epoch(1);
      }
      announcements_->Announce("aggregator/a", aggregator);
      event::v1::Announcement evaluator;
      evaluator.set_instance("e");
      (*evaluator.mutable_evaluator()->mutable_plugins())["rubric"] = "sha256:0123";
      announcements_->Announce("evaluator/e", evaluator);
    } while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), membership::kHeartbeat));
  }

  absl::StatusOr<std::unique_ptr<Program>> Start(const std::string& instance, std::vector<std::string> set = {}) {
    std::vector<std::string> arguments = {
        absl::StrCat("--set=instance=", instance),
        "--set=listen=127.0.0.1:0",
        "--set=http_listen=127.0.0.1:0",
        absl::StrCat("--set=kafka.bootstrap_servers=", cluster().connection().bootstrap_servers),
        absl::StrCat("--set=kafka.topic_prefix=", layout_.prefix),
        absl::StrCat("--set=kafka.shards=", kShards),
        "--set=kafka.fast_work_partitions=2",
        "--set=kafka.slow_work_partitions=2",
        absl::StrCat("--set=kafka.replication=", layout_.replication),
        absl::StrCat("--set=blob_directory=", folder_ / "blobs"),
        absl::StrCat("--set=keys_directory=", folder_ / "keys"),
        "--set=limits.reserved_disk_bytes=1048576"};
    for (const std::string& assignment : set) arguments.push_back(absl::StrCat("--set=", assignment));
    return Program::Start("assay-gateway", std::move(arguments), folder_ / absl::StrCat(instance, ".log"));
  }

  // What grpc.health.v1 says of the whole server, as its message in wire form.
  static std::string HealthOf(const Program& gateway) {
    grpc::GenericStub stub(rpc::ConnectTo(gateway.ReadyField("grpc")));
    grpc::ClientContext context;
    rpc::PrepareContext(context, absl::Now() + kPatience, "");
    grpc::CompletionQueue queue;
    const grpc::Slice nothing("");
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (!status.ok() || !response.Dump(&slices).ok()) return "no answer";
    for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return bytes;
  }

  static void AwaitHealth(const Program& gateway, const std::string& health) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (HealthOf(gateway) != health) {
      ASSERT_LT(absl::Now(), deadline);
      std::this_thread::yield();
    }
  }
  static void AwaitServing(const Program& gateway) { AwaitHealth(gateway, kServing); }

  // What was journaled of the submission.
  absl::StatusOr<event::v1::Envelope> Journaled(const std::string& submission_id) {
    const auto journal = Open(layout_.journal());
    for (int32_t partition = 0; partition < kShards; ++partition) {
      ASSAY_ASSIGN_OR_RETURN(const auto reader, journal->OpenReader(partition, 0));
      ASSAY_ASSIGN_OR_RETURN(const log::Offset end, journal->EndOffset(partition));
      for (log::Offset next = 0; next < end;) {
        ASSAY_ASSIGN_OR_RETURN(const std::vector<log::Record> records, reader->Read(100, kPatience));
        for (const log::Record& record : records) {
          event::v1::Envelope envelope;
          if (envelope.ParseFromString(record.value) &&
              envelope.submission_accepted().submission_id() == submission_id) {
            return envelope;
          }
          next = record.offset + 1;
        }
      }
    }
    return absl::NotFoundError(submission_id);
  }

  virtual KafkaCluster& cluster() { return KafkaCluster::Shared(1); }
  void StopHeartbeat() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    if (heartbeat_.joinable()) heartbeat_.join();
  }

  log::KafkaTopicLayout layout_;
  std::vector<log::KafkaTopic> topics_;
  testing::TempDir folder_;
  FakeAggregator aggregator_;
  std::unique_ptr<log::KafkaLog> owners_;
  std::unique_ptr<membership::Announcements> announcements_;
  absl::Mutex mutex_;
  bool stopping_ = false;
  std::thread heartbeat_;
};

TEST_F(GatewayProcessTest, WhatItAcceptsIsJournaledWithThePluginsThatAreThere) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto gateway, Start("one"));
  AwaitServing(*gateway);
  Client client(gateway->ReadyField("grpc"));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto accepted, client.Create(ScorecardRequest("r-1", "c-1", "rater", 3)));
  ASSAY_ASSERT_OK_AND_ASSIGN(const event::v1::Envelope envelope, Journaled(accepted.submission().id()));
  EXPECT_EQ(envelope.writer(), "gateway-one");
  EXPECT_EQ(envelope.submission_accepted().plugins().at("rubric"), "sha256:0123");
}

TEST_F(GatewayProcessTest, AReaderWithATokenWaitsForItAtTheOwner) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto gateway, Start("one"));
  AwaitServing(*gateway);
  Client client(gateway->ReadyField("grpc"));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto accepted, client.Create(ScorecardRequest("r-1", "c-1", "rater", 3)));
  ASSAY_ASSERT_OK_AND_ASSIGN(const v1::Submission found,
                             client.GetSubmission("c-1", accepted.submission().id(), accepted.read_token()));
  EXPECT_EQ(found.id(), accepted.submission().id());
  EXPECT_GE(aggregator_.waited_for(), 0);
}

TEST_F(GatewayProcessTest, TwoGatewaysGiveTheSameRequestTheSameId) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto first, Start("one"));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto second, Start("two"));
  AwaitServing(*first);
  AwaitServing(*second);
  const auto create = [](const Program& gateway) {
    return Client(gateway.ReadyField("grpc")).Create(ScorecardRequest("r-1", "c-1", "rater", 3));
  };
  absl::StatusOr<v1::CreateSubmissionResponse> of_first, of_second;
  // Both make the tenant's key.
  std::thread other([&] { of_second = create(*second); });
  of_first = create(*first);
  other.join();
  ASSAY_ASSERT_OK(of_first);
  ASSAY_ASSERT_OK(of_second);
  EXPECT_EQ(of_first->submission().id(), of_second->submission().id());
}

TEST_F(GatewayProcessTest, ArchivesAreOpenedApartAndRefusedByTheirFault) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto gateway, Start("one"));
  AwaitServing(*gateway);
  Client client(gateway->ReadyField("grpc"));
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string good,
                             client.Upload("c-1", testing::Tar({{"package.json", "{}"}, {"app.js", "1"}})));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto accepted, client.Create(testing::RepositoryRequest("r-1", "c-1", good)));
  EXPECT_THAT(accepted.submission().digest(), HasSubstr("sha256:"));
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string bad, client.Upload("c-1", "no archive at all"));
  EXPECT_THAT(client.Create(testing::RepositoryRequest("r-2", "c-1", bad)),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(GatewayProcessTest, ServesOnceAnAggregatorIsThereAndNoMoreWhenItIsGone) {
  StopHeartbeat();
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto gateway, Start("one"));
  // Those that were heard of before may still be there.
  AwaitHealth(*gateway, kServing);
  event::v1::Announcement leaving;
  leaving.set_instance("a");
  leaving.mutable_aggregator()->set_is_leaving(true);
  announcements_->Announce("aggregator/a", leaving);
  AwaitHealth(*gateway, kNotServing);
  Client client(gateway->ReadyField("grpc"));
  const absl::Status refused = client.Create(ScorecardRequest("r-1", "c-1", "rater", 3)).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no aggregator is present")));
  EXPECT_GT(rpc::RetryDelay(refused), absl::ZeroDuration());
}

// With a cluster that it may pause.
class GatewayWithoutBrokerTest : public GatewayProcessTest {
 protected:
  KafkaCluster& cluster() override { return own_; }
  KafkaCluster own_{1};
};

TEST_F(GatewayWithoutBrokerTest, RefusesAtOnceWhatTheJournalWouldNotTakeInTime) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto gateway, Start("one"));
  AwaitServing(*gateway);
  Client client(gateway->ReadyField("grpc"));
  const auto create = [&](const std::string& request_id, absl::Duration timeout) {
    return client
        .Call<v1::CreateSubmissionRequest, v1::CreateSubmissionResponse>(
            *client.submissions, &v1::SubmissionService::Stub::CreateSubmission,
            ScorecardRequest(request_id, "c-1", "rater", 3), timeout)
        .status();
  };
  ASSERT_THAT(create("r-1", kPatience), IsOk());
  own_.Pause(1);
  EXPECT_THAT(create("r-2", absl::Seconds(3)), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("unknown")));
  const absl::Status refused = create("r-3", kPatience);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("nothing was accepted")));
  EXPECT_GT(rpc::RetryDelay(refused), absl::ZeroDuration());
  // Reading goes on.
  EXPECT_THAT(client.GetSubmission("c-1", std::string(26, 'a')), IsOk());
  own_.Resume(1);
  const absl::Time deadline = absl::Now() + kPatience;
  absl::Status again = create("r-3", kPatience);
  while (absl::IsUnavailable(again) && absl::Now() < deadline) again = create("r-3", kPatience);
  EXPECT_THAT(again, IsOk());
}

TEST_F(GatewayProcessTest, StopsInOrderWhenAsked) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto gateway, Start("one"));
  EXPECT_EQ(gateway->Terminate(), 0);
}

TEST_F(GatewayProcessTest, RefusesAJournalOfAnotherShape) {
  EXPECT_THAT(Start("one", {"kafka.shards=5"}),
              StatusIs(absl::StatusCode::kUnavailable, AllOf(HasSubstr("assay.journal.v1"), HasSubstr("partition count"))));
}

TEST_F(GatewayProcessTest, RefusesAConfigurationByItsField) {
  EXPECT_THAT(Start("No Name"), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("instance")));
  EXPECT_THAT(Start("one", {"blob_directory="}), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("blob_directory")));
  EXPECT_THAT(Start("one", {"peer_tls.key_file=key.pem"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("peer_tls")));
}

}  // namespace
}  // namespace assay
