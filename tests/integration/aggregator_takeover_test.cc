// SPDX-License-Identifier: Apache-2.0
// Two aggregators as real processes over a real broker: who owns a shard, and who answers for it, while they die.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "assay/event/v1/event.pb.h"
#include "assay/event/v1/readiness_published.pb.h"
#include "assay/shard/v1/shard_service.grpc.pb.h"
#include "services/common/base/digest.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "services/common/log/kafka_log.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/status.h"
#include "services/readiness/framework.h"
#include "tests/contract/kafka_cluster.h"

namespace assay::testing {
namespace {

using shard::v1::GetReplicasResponse;
using shard::v1::ShardService;

constexpr int32_t kShards = 2;
constexpr absl::Duration kPatience = absl::Seconds(60);
// What an installation promises after the death of an owner.
constexpr absl::Duration kTakeover = absl::Seconds(15);

// One assay-aggregator; killed with this object.
class Aggregator {
 public:
  Aggregator(std::string name, std::vector<std::string> arguments)
      : name_(std::move(name)), arguments_(std::move(arguments)) {}
  ~Aggregator() { Signal(SIGKILL); }

  // Does not wait for anything.
  void Launch(int ready_fd) {
    std::vector<std::string> arguments = arguments_;
    arguments.insert(arguments.begin(), absl::StrCat(getenv("ASSAY_BUILD_DIR"), "/bin/assay-aggregator"));
    arguments.push_back(absl::StrCat("--ready_fd=", ready_fd));
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }

  // Waits until it serves.
  void Start() {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    UniqueFd read_end(ends[0]), write_end(ends[1]);
    Launch(write_end.get());
    write_end.reset();
    std::string line;
    char byte = 0;
    while (read(read_end.get(), &byte, 1) == 1 && byte != '\n') line.push_back(byte);
    const std::string key = "\"grpc\":\"";
    ASSERT_NE(line.find(key), std::string::npos) << name_ << " did not start";
    const size_t begin = line.find(key) + key.size();
    address_ = line.substr(begin, line.find('"', begin) - begin);
    stub_ = ShardService::NewStub(rpc::ConnectTo(address_));
  }

  void Signal(int signal) {
    if (pid_ < 0) return;
    kill(pid_, signal);
    if (signal != SIGKILL) return;
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  // SIGTERM, and its exit code.
  int Terminate() {
    Signal(SIGTERM);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const std::string& address() const { return address_; }

  absl::StatusOr<shard::v1::GetSubmissionResponse> GetSubmission(uint32_t shard, const std::string& candidate_key,
                                                                const std::string& id, v1::Consistency consistency) {
    grpc::ClientContext context;
    rpc::PrepareContext(context, absl::Now() + absl::Seconds(6), "");
    shard::v1::GetSubmissionRequest request;
    request.mutable_scope()->set_tenant("acme");
    request.mutable_scope()->set_candidate_key(candidate_key);
    request.mutable_scope()->set_shard(shard);
    request.mutable_scope()->set_wait_for_offset(-1);
    request.mutable_scope()->set_consistency(consistency);
    request.set_id(id);
    shard::v1::GetSubmissionResponse response;
    const grpc::Status status = stub_->GetSubmission(&context, request, &response);
    was_stale = context.GetServerInitialMetadata().count("assay-stale") > 0;
    if (!status.ok()) return rpc::FromGrpcStatus(status);
    return response;
  }

  // By shard; empty when it does not answer.
  std::map<uint32_t, GetReplicasResponse::Replica> Replicas() {
    grpc::ClientContext context;
    rpc::PrepareContext(context, absl::Now() + absl::Seconds(6), "");
    GetReplicasResponse response;
    std::map<uint32_t, GetReplicasResponse::Replica> replicas;
    if (!stub_->GetReplicas(&context, {}, &response).ok()) return replicas;
    for (const auto& replica : response.replicas()) replicas[replica.state().shard()] = replica;
    return replicas;
  }

  bool Owns(uint32_t shard) {
    const auto replicas = Replicas();
    const auto found = replicas.find(shard);
    return found != replicas.end() && found->second.state().is_owner();
  }

  // Of the last GetSubmission.
  bool was_stale = false;

 private:
  const std::string name_;
  const std::vector<std::string> arguments_;
  pid_t pid_ = -1;
  std::string address_;
  std::unique_ptr<ShardService::Stub> stub_;
};

// Until `condition` holds; whether it did within `patience`.
template <typename Condition>
bool Await(Condition condition, absl::Duration patience = kPatience) {
  for (const absl::Time deadline = absl::Now() + patience; absl::Now() < deadline;) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return condition();
}

TEST(AggregatorProcessTest, EndsWhenToldToWhileItWaitsForBrokers) {
  const TempDir folder;
  Aggregator aggregator("a1", {"--set=instance=a1", "--set=listen=127.0.0.1:0", "--set=kafka.bootstrap_servers=127.0.0.1:1",
                               absl::StrCat("--set=data_directory=", folder / "data"),
                               absl::StrCat("--set=blob_directory=", folder / "blobs"),
                               absl::StrCat("--set=keys_directory=", folder / "keys"),
                               "--set=reserved_disk_bytes=1048576"});
  aggregator.Launch(-1);
  // Far enough to have its folders, and so on its way to the brokers.
  ASSERT_TRUE(Await([&] { return access((folder / "blobs").c_str(), F_OK) == 0; }));
  EXPECT_EQ(aggregator.Terminate(), 128 + SIGTERM);
}

class AggregatorTakeoverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    log::KafkaTopicLayout& layout = layout_;
    layout.prefix = KafkaCluster::NewPrefix();
    layout.shards = kShards;
    layout.fast_work_partitions = layout.slow_work_partitions = 2;
    layout.replication = kafka_.replication();
    const std::vector<log::KafkaTopic> topics = layout.Topics().value();
    ASSAY_ASSERT_OK(kafka_.topics().Create(topics, absl::Seconds(60)).status());
    for (const log::KafkaTopic& topic : topics) {
      log::KafkaLogOptions options;
      options.connection = kafka_.connection();
      options.topic = topic;
      if (topic.name == layout.journal()) {
        ASSAY_ASSERT_OK_AND_ASSIGN(journal_, log::KafkaLog::Open(options));
      }
      if (topic.name == layout.readiness()) {
        ASSAY_ASSERT_OK_AND_ASSIGN(readiness_, log::KafkaLog::Open(options));
      }
    }
    a1_ = Make("a1");
    a2_ = Make("a2");
    a1_->Start();
    a2_->Start();
    if (HasFatalFailure()) return;
    ASSERT_TRUE(Await([&] { return a1_->Owns(0) && a2_->Owns(1); }));
  }

  std::unique_ptr<Aggregator> Make(const std::string& name, const std::vector<std::string>& more = {}) {
    const auto set = [](const std::string& field, const std::string& value) {
      return absl::StrCat("--set=", field, "=", value);
    };
    std::vector<std::string> arguments = {
        set("instance", name),
        set("listen", "127.0.0.1:0"),
        set("aggregators", "[a1, a2]"),
        set("kafka.bootstrap_servers", kafka_.connection().bootstrap_servers),
        set("kafka.topic_prefix", layout_.prefix),
        set("kafka.shards", absl::StrCat(kShards)),
        set("kafka.fast_work_partitions", "2"),
        set("kafka.slow_work_partitions", "2"),
        set("kafka.replication", absl::StrCat(layout_.replication)),
        set("data_directory", folder_ / name),
        set("blob_directory", folder_ / "blobs"),
        set("keys_directory", folder_ / "keys"),
        // Test machines have small disks.
        set("reserved_disk_bytes", "1048576")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<Aggregator>(name, std::move(arguments));
  }

  // A candidate of that shard.
  static std::string CandidateOf(uint32_t shard) {
    for (int i = 0;; ++i) {
      const std::string key = absl::StrCat("candidate-", i);
      if (log::PartitionOf("acme", key, kShards) == static_cast<int32_t>(shard)) return key;
    }
  }

  void Submit(uint32_t shard, const std::string& id) {
    const auto& framework = readiness::Catalog::BuiltIn().frameworks().front();
    event::v1::Envelope envelope;
    envelope.set_schema(1);
    envelope.set_event_id(id);
    envelope.set_tenant("acme");
    envelope.set_candidate_key(CandidateOf(shard));
    envelope.set_assessment_key("main");
    envelope.mutable_event_time()->set_seconds(absl::ToUnixSeconds(absl::Now()));
    event::v1::SubmissionAccepted& accepted = *envelope.mutable_submission_accepted();
    accepted.set_submission_id(id);
    accepted.set_kind(v1::Submission::SCORECARD);
    accepted.set_framework("senior-express-engineer@1");
    accepted.set_framework_digest(framework->digest_text());
    accepted.set_source_key(id);
    (*accepted.mutable_plugins())["rubric"] = "plugin";
    ASSAY_ASSERT_OK(log::AppendAndWait(*journal_, static_cast<int32_t>(shard), "", envelope.SerializeAsString()).status);
  }

  // Every record is applied by both, and at the same place they hold the same.
  void ExpectEqualReplicas() {
    EXPECT_TRUE(Await([&] {
      const auto one = a1_->Replicas(), other = a2_->Replicas();
      if (one.size() != kShards || other.size() != kShards) return false;
      for (const auto& [shard, replica] : one) {
        const auto& fellow = other.at(shard);
        const auto end = journal_->EndOffset(static_cast<int32_t>(shard));
        if (!end.ok() || replica.state().applied_offset() != *end - 1) return false;
        if (fellow.state().applied_offset() != *end - 1 || replica.state_hash().empty()) return false;
        EXPECT_EQ(replica.state_hash(), fellow.state_hash()) << "shard " << shard << " at " << *end - 1;
      }
      return true;
    }));
  }

  TempDir folder_;
  log::KafkaTopicLayout layout_;
  KafkaCluster& kafka_ = KafkaCluster::Shared(1);
  std::unique_ptr<log::KafkaLog> journal_, readiness_;
  std::unique_ptr<Aggregator> a1_, a2_;
};

TEST_F(AggregatorTakeoverTest, TheOwnerAnswersAndAStandbySaysWhoThatIs) {
  Submit(0, "s1");
  const std::string candidate = CandidateOf(0);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto answer, a1_->GetSubmission(0, candidate, "s1", v1::STRONG));
  EXPECT_EQ(answer.submission().id(), "s1");
  EXPECT_FALSE(a1_->was_stale);
  for (const v1::Consistency consistency : {v1::STRONG, v1::SESSION}) {
    const absl::Status refused = a2_->GetSubmission(0, candidate, "s1", consistency).status();
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_EQ(rpc::ReasonOf(refused), "NOT_OWNER");
  }
  EXPECT_TRUE(Await([&] { return a2_->GetSubmission(0, candidate, "s1", v1::STALE_OK).ok(); }));
  EXPECT_TRUE(a2_->was_stale);
  ExpectEqualReplicas();
}

TEST_F(AggregatorTakeoverTest, AStandbyAnswersSoonAfterTheOwnerIsKilled) {
  constexpr int kBefore = 50;
  for (int i = 0; i < kBefore; ++i) Submit(0, absl::StrCat("before-", i));
  a1_->Signal(SIGKILL);
  Submit(0, "meanwhile");
  const std::string candidate = CandidateOf(0);
  ASSERT_TRUE(Await([&] { return a2_->GetSubmission(0, candidate, "meanwhile", v1::STRONG).ok(); }, kTakeover));
  for (int i = 0; i < kBefore; ++i) {
    ASSAY_EXPECT_OK(a2_->GetSubmission(0, candidate, absl::StrCat("before-", i), v1::STRONG).status());
  }
  // The one that the shard prefers takes it back once it has caught up.
  a1_->Start();
  EXPECT_TRUE(Await([&] { return a1_->Owns(0) && a2_->Owns(1); }));
  ASSAY_EXPECT_OK(a1_->GetSubmission(0, candidate, "meanwhile", v1::STRONG).status());
  ExpectEqualReplicas();
}

TEST_F(AggregatorTakeoverTest, AnOwnerThatWasPausedNeverAnswersWithWhatIsOld) {
  const std::string candidate = CandidateOf(0);
  a1_->Signal(SIGSTOP);
  ASSERT_TRUE(Await([&] { return a2_->Owns(0); }));
  Submit(0, "meanwhile");
  ASSERT_TRUE(Await([&] { return a2_->GetSubmission(0, candidate, "meanwhile", v1::STRONG).ok(); }));
  a1_->Signal(SIGCONT);
  // It is refused, or answered when it owns the shard again; never told that there is no such submission.
  EXPECT_TRUE(Await([&] {
    const absl::Status status = a1_->GetSubmission(0, candidate, "meanwhile", v1::STRONG).status();
    EXPECT_FALSE(absl::IsNotFound(status)) << status;
    return status.ok();
  }));
  ExpectEqualReplicas();
}

TEST_F(AggregatorTakeoverTest, OneThatLeavesInOrderIsFollowedAtOnce) {
  Submit(1, "s1");
  EXPECT_EQ(a2_->Terminate(), 0);
  const std::string candidate = CandidateOf(1);
  EXPECT_TRUE(Await([&] { return a1_->GetSubmission(1, candidate, "s1", v1::STRONG).ok(); }, absl::Seconds(5)));
}

TEST_F(AggregatorTakeoverTest, WhatAFormerOwnerPublishesLateIsOverwritten) {
  Submit(0, "s1");
  const std::string candidate = CandidateOf(0);
  const int32_t partition = log::PartitionOf("acme", candidate, readiness_->partitions());
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto reader, readiness_->OpenReader(partition, 0));
  const auto next = [&] {
    event::v1::ReadinessPublished published;
    const auto records = reader->Read(1, kPatience);
    EXPECT_TRUE(records.ok() && records->size() == 1 && published.ParseFromString(records->front().value));
    return published;
  };
  const event::v1::ReadinessPublished newest = next();
  EXPECT_EQ(newest.candidate_key(), candidate);
  EXPECT_FALSE(newest.record().empty());

  event::v1::ReadinessPublished late = newest;
  v1::ReadinessRecord record;
  record.set_epoch(1);
  late.set_record(record.SerializeAsString());
  late.set_writer_epoch(1);
  ASSAY_ASSERT_OK(log::AppendAndWait(*readiness_, partition, absl::StrCat("acme/", candidate, "/main"),
                                     late.SerializeAsString())
                      .status);
  EXPECT_EQ(next().record(), late.record());
  EXPECT_EQ(next().record(), newest.record());
}

TEST_F(AggregatorTakeoverTest, OnlyHoldersOfACertificateOfTheInstallationMayAsk) {
  const std::string tls = folder_ / "tls";
  ASSERT_EQ(std::system(absl::StrCat("tools/certificates.py ", tls, " aggregator gateway").c_str()), 0);
  const auto file = [&](const std::string& name) { return absl::StrCat(tls, "/", name); };
  EXPECT_EQ(a1_->Terminate(), 0);
  a1_ = Make("a1", {absl::StrCat("--set=peer_tls.authority_file=", file("authority.pem")),
                    absl::StrCat("--set=peer_tls.certificate_file=", file("aggregator.pem")),
                    absl::StrCat("--set=peer_tls.key_file=", file("aggregator.key"))});
  a1_->Start();
  const auto ask = [&](const rpc::ChannelOptions& options) {
    const auto channel = rpc::ConnectTo(a1_->address(), options);
    if (!channel.ok()) return channel.status();
    grpc::ClientContext context;
    rpc::PrepareContext(context, absl::Now() + absl::Seconds(10), "");
    GetReplicasResponse response;
    return rpc::FromGrpcStatus(ShardService::NewStub(*channel)->GetReplicas(&context, {}, &response));
  };
  rpc::ChannelOptions options;
  EXPECT_THAT(ask(options), StatusIs(absl::StatusCode::kUnavailable));
  options.tls_authority_file = file("authority.pem");
  EXPECT_THAT(ask(options), StatusIs(absl::StatusCode::kUnavailable));
  options.tls_certificate_file = file("gateway.pem");
  options.tls_key_file = file("gateway.key");
  ASSAY_EXPECT_OK(ask(options));
}

}  // namespace
}  // namespace assay::testing
