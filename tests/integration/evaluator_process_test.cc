// SPDX-License-Identifier: Apache-2.0
// assay-evaluator as a process over real brokers; the test gives out work as an aggregator does and reads the journal.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "assay/event/v1/announcement.pb.h"
#include "assay/event/v1/event.pb.h"
#include "assay/event/v1/work.pb.h"
#include "services/common/base/folder_archive.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/blob/folder_blob_store.h"
#include "services/common/log/kafka_log.h"
#include "services/common/log/kafka_work_queue.h"
#include "services/membership/announcements.h"
#include "services/readiness/framework.h"
#include "tests/contract/kafka_cluster.h"
#include "tests/integration/testing/program.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::KafkaCluster;
using testing::Program;
using Finished = event::v1::EvaluationFinished;

constexpr absl::Duration kPatience = absl::Seconds(60);

// Waits until `found` is true; false: it did not become so.
template <typename Found>
bool Eventually(Found found, absl::Duration patience = kPatience) {
  const absl::Time deadline = absl::Now() + patience;
  while (!found()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

class EvaluatorProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* plugin : {"example_plugins/example_license", "test_plugins/misbehaving"}) {
      for (const char* end : {".so", ".json"}) {
        const std::filesystem::path file = absl::StrCat(testing::Built(plugin), end);
        std::filesystem::create_directories(folder_ / "plugins");
        std::filesystem::copy_file(file, folder_ / ("plugins/" + file.filename().string()));
      }
    }
    layout_.prefix = KafkaCluster::NewPrefix();
    layout_.shards = 2;
    layout_.fast_work_partitions = 2;
    layout_.slow_work_partitions = 2;
    layout_.replication = cluster_.replication();
    ASSAY_ASSERT_OK_AND_ASSIGN(topics_, layout_.Topics());
    ASSAY_ASSERT_OK(cluster_.topics().Create(topics_, kPatience));
    ASSAY_ASSERT_OK_AND_ASSIGN(journal_, OpenLog(layout_.journal()));
    ASSAY_ASSERT_OK_AND_ASSIGN(owners_, OpenLog(layout_.owners()));
    log::KafkaWorkQueueOptions queue;
    queue.connection = cluster_.connection();
    for (const char* lane : {"fast", "slow"}) queue.lanes.push_back({lane, Topic(layout_.work(lane))});
    ASSAY_ASSERT_OK_AND_ASSIGN(work_, log::KafkaWorkQueue::Open(queue));
    ASSAY_ASSERT_OK_AND_ASSIGN(announcements_, membership::Announcements::Open(*owners_, Clock::Real()));
    blob::FolderBlobStoreOptions blobs;
    blobs.path = folder_ / "blobs";
    blobs.shared_as = "test";
    blobs.min_free_bytes = 0;
    ASSAY_ASSERT_OK_AND_ASSIGN(blobs_, blob::FolderBlobStore::Open(blobs));
    const int32_t partition = log::PartitionOf(owner_.tenant, owner_.candidate_key, layout_.shards);
    ASSAY_ASSERT_OK_AND_ASSIGN(reader_, journal_->OpenReader(partition, 0));
  }
  void TearDown() override {
    processes_.clear();
    announcements_.reset();
    reader_.reset();
    work_.reset();
    owners_.reset();
    journal_.reset();
    for (const log::KafkaTopic& topic : topics_) ASSAY_EXPECT_OK(cluster_.topics().Delete(topic.name, kPatience));
  }

  log::KafkaTopic Topic(const std::string& name) const {
    for (const log::KafkaTopic& topic : topics_) {
      if (topic.name == name) return topic;
    }
    ADD_FAILURE() << name;
    return {};
  }
  absl::StatusOr<std::unique_ptr<log::KafkaLog>> OpenLog(const std::string& topic) {
    log::KafkaLogOptions options;
    options.connection = cluster_.connection();
    options.topic = Topic(topic);
    return log::KafkaLog::Open(options);
  }

  Program* Start(const std::string& instance) {
    std::vector<std::string> arguments = {"--exit_with_parent"};
    for (const std::string& assignment : std::vector<std::string>{
             absl::StrCat("instance=", instance), "http_listen=127.0.0.1:0",
             absl::StrCat("kafka.bootstrap_servers=", cluster_.connection().bootstrap_servers),
             absl::StrCat("kafka.topic_prefix=", layout_.prefix), absl::StrCat("kafka.shards=", layout_.shards),
             "kafka.fast_work_partitions=2", "kafka.slow_work_partitions=2",
             absl::StrCat("kafka.replication=", layout_.replication),
             absl::StrCat("blob_directory=", folder_ / "blobs"),
             absl::StrCat("cache_directory=", folder_ / ("cache-" + instance)),
             absl::StrCat("plugin_directory=", folder_ / "plugins")}) {
      arguments.push_back("--set=" + assignment);
    }
    absl::StatusOr<std::unique_ptr<Program>> process =
        Program::Start("assay-evaluator", arguments, folder_ / (instance + ".log"));
    EXPECT_THAT(process, IsOk());
    if (!process.ok()) return nullptr;
    processes_.push_back(*std::move(process));
    return processes_.back().get();
  }

  // What the evaluator says of itself, once it does.
  event::v1::Evaluator Announced(const std::string& instance) {
    event::v1::Evaluator announced;
    EXPECT_TRUE(Eventually([&] {
      const auto evaluators = announcements_->evaluators();
      const auto found = evaluators.find(instance);
      if (found == evaluators.end()) return false;
      announced = found->second.announcement.evaluator();
      return true;
    }));
    return announced;
  }

  std::string Upload(const std::vector<std::pair<std::string, std::string>>& files) {
    const testing::TempDir repository;
    for (const auto& [path, content] : files) std::ofstream(repository / path) << content;
    const UniqueFd fd(::memfd_create("archive", MFD_CLOEXEC));
    EXPECT_THAT(WriteFolderArchive(repository.path(), fd.get()), IsOk());
    std::string bytes(static_cast<size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return blob::Put(*blobs_, owner_, bytes)->ToString();
  }

  // Work for what evaluator `plugin` of `by` offers.
  event::v1::Work NewWork(const std::string& plugin, const std::string& by, const std::string& blob,
                          const std::string& evaluation) {
    event::v1::Work work;
    work.set_tenant(owner_.tenant);
    work.set_candidate_key(owner_.candidate_key);
    work.set_assessment_key("a1");
    work.set_submission_id("s-" + evaluation);
    work.set_evaluation_id(evaluation);
    work.set_attempt(1);
    work.set_evaluator(plugin);
    work.set_plugin_digest(Announced(by).plugins().at(plugin));
    work.set_lane("slow");
    work.set_kind(v1::Submission::REPOSITORY);
    work.set_blob_digest(blob);
    work.set_digest("sha256:content of " + evaluation);
    work.set_framework_digest(readiness::Catalog::BuiltIn().frameworks().front()->digest().ToString());
    work.set_capability("permit");
    return work;
  }

  void Give(const event::v1::Work& work) {
    absl::Notification delivered;
    work_->Put(work.lane(), work.evaluation_id(), work.SerializeAsString(), [&](const log::Delivery& delivery) {
      EXPECT_THAT(delivery.status, IsOk());
      delivered.Notify();
    });
    delivered.WaitForNotification();
  }

  // Everything journaled so far.
  const std::vector<event::v1::Envelope>& Facts() {
    const auto records = reader_->Read(100, absl::Milliseconds(20));
    EXPECT_THAT(records, IsOk());
    if (!records.ok()) return facts_;
    for (const log::Record& record : *records) EXPECT_TRUE(facts_.emplace_back().ParseFromString(record.value));
    return facts_;
  }
  bool IsRunning(const std::string& evaluation) {
    return Eventually([&] {
      for (const event::v1::Envelope& fact : Facts()) {
        if (fact.has_attempt_progress() && fact.attempt_progress().evaluation_id() == evaluation) return true;
      }
      return false;
    });
  }
  std::vector<Finished> FinishesOf(const std::string& evaluation) {
    std::vector<Finished> found;
    for (const event::v1::Envelope& fact : Facts()) {
      if (fact.evaluation_finished().evaluation_id() == evaluation) found.push_back(fact.evaluation_finished());
    }
    return found;
  }
  Finished FinishOf(const std::string& evaluation) {
    EXPECT_TRUE(Eventually([&] { return !FinishesOf(evaluation).empty(); })) << evaluation;
    const std::vector<Finished> found = FinishesOf(evaluation);
    return found.empty() ? Finished() : found.front();
  }
  void Cancel(const std::string& submission) {
    event::v1::Announcement announcement;
    announcement.mutable_cancellation()->set_submission_id(submission);
    announcements_->Announce("cancel/" + submission, announcement);
  }

  const blob::Owner owner_ = {"t1", "c1"};
  const testing::TempDir folder_;
  KafkaCluster& cluster_ = KafkaCluster::Shared(1);
  log::KafkaTopicLayout layout_;
  std::vector<log::KafkaTopic> topics_;
  std::unique_ptr<log::KafkaLog> journal_;
  std::unique_ptr<log::KafkaLog> owners_;
  std::unique_ptr<log::KafkaWorkQueue> work_;
  std::unique_ptr<membership::Announcements> announcements_;
  std::unique_ptr<blob::FolderBlobStore> blobs_;
  std::unique_ptr<log::Reader> reader_;
  std::vector<event::v1::Envelope> facts_;
  std::vector<std::unique_ptr<Program>> processes_;
};

TEST_F(EvaluatorProcessTest, OffersItsPluginsRunsWorkAndSaysHowItIs) {
  Program* process = Start("one");
  ASSERT_NE(process, nullptr);
  const event::v1::Evaluator announced = Announced("one");
  EXPECT_EQ(announced.slots().at("fast"), 2u);
  EXPECT_EQ(announced.slots().at("slow"), 1u);
  Give(NewWork("example_license", "one", Upload({{"package.json", "{\"license\": \"MIT\"}\n"}}), "e1"));
  const Finished finished = FinishOf("e1");
  EXPECT_EQ(finished.outcome(), Finished::SUCCEEDED) << finished.reason();
  EXPECT_EQ(finished.capability(), "permit");
  EXPECT_THAT(blobs_->Stat(owner_, *Digest::Parse(finished.result_digest())), IsOk());
  const std::string http = process->ReadyField("http");
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(testing::HttpGet(http, "/readyz"), "200 OK"); }));
  std::string metrics;
  EXPECT_TRUE(Eventually([&] {
    metrics = testing::HttpGet(http, "/metrics");
    return absl::StrContains(metrics, "assay_evaluator_attempts_total{outcome=\"SUCCEEDED\"} 1");
  })) << metrics;
  EXPECT_THAT(metrics, HasSubstr("assay_evaluator_work_capacity{lane=\"slow\"} 1"));
}

TEST_F(EvaluatorProcessTest, EndsWhatIsCancelledWithinTwoSeconds) {
  ASSERT_NE(Start("one"), nullptr);
  Give(NewWork("misbehaving", "one", Upload({{"do", "wait"}}), "e1"));
  ASSERT_TRUE(IsRunning("e1"));
  Cancel("s-e1");
  EXPECT_EQ(FinishOf("e1").outcome(), Finished::CANCELLED);
}

TEST_F(EvaluatorProcessTest, AfterAKillTheNextProcessOfItsNameDoesTheWorkAgain) {
  Program* process = Start("one");
  ASSERT_NE(process, nullptr);
  Give(NewWork("misbehaving", "one", Upload({{"do", "wait"}}), "e1"));
  ASSERT_TRUE(IsRunning("e1"));
  process->Kill();
  ASSERT_NE(Start("one"), nullptr);
  EXPECT_TRUE(Eventually([&] {
    int starts = 0;
    for (const event::v1::Envelope& fact : Facts()) starts += fact.has_attempt_started() ? 1 : 0;
    return starts == 2;
  }));
  Cancel("s-e1");
  EXPECT_EQ(FinishOf("e1").outcome(), Finished::CANCELLED);
}

TEST_F(EvaluatorProcessTest, AStopLetsRunningWorkEndAndSaysThatItLeaves) {
  Program* process = Start("one");
  ASSERT_NE(process, nullptr);
  Give(NewWork("misbehaving", "one", Upload({{"do", "wait"}}), "e1"));
  ASSERT_TRUE(IsRunning("e1"));
  process->Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return Announced("one").is_leaving(); }));
  Cancel("s-e1");
  EXPECT_EQ(process->Wait(), 0);
  EXPECT_EQ(FinishOf("e1").outcome(), Finished::CANCELLED) << "its end was journaled before the process left";
}

TEST_F(EvaluatorProcessTest, ASecondSignalStopsAtOnce) {
  Program* process = Start("one");
  ASSERT_NE(process, nullptr);
  Give(NewWork("misbehaving", "one", Upload({{"do", "wait"}}), "e1"));
  ASSERT_TRUE(IsRunning("e1"));
  process->Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return Announced("one").is_leaving(); }));
  process->Signal(SIGTERM);
  EXPECT_EQ(process->Wait(), 128 + SIGTERM);
  EXPECT_TRUE(FinishesOf("e1").empty());
}

TEST_F(EvaluatorProcessTest, ASlowEvaluationHoldsUpNoFastOne) {
  ASSERT_NE(Start("one"), nullptr);
  Give(NewWork("misbehaving", "one", Upload({{"do", "wait"}}), "slow"));
  ASSERT_TRUE(IsRunning("slow"));
  const std::string blob = Upload({{"package.json", "{\"license\": \"MIT\"}\n"}});
  for (int i = 0; i < 20; ++i) {
    event::v1::Work work = NewWork("example_license", "one", blob, absl::StrCat("fast-", i));
    work.set_lane("fast");
    Give(work);
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(FinishOf(absl::StrCat("fast-", i)).outcome(), Finished::SUCCEEDED);
  EXPECT_TRUE(FinishesOf("slow").empty());
  Cancel("s-slow");
  EXPECT_EQ(FinishOf("slow").outcome(), Finished::CANCELLED);
}

TEST(EvaluatorConfiguration, NamesTheFieldThatIsWrong) {
  const testing::TempDir folder;
  const auto start = [&](const std::vector<std::string>& arguments) {
    return Program::Start("assay-evaluator", arguments, folder / "log").status();
  };
  const std::string blobs = absl::StrCat("--set=blob_directory=", folder / "blobs");
  const std::string cache = absl::StrCat("--set=cache_directory=", folder / "cache");
  const std::string one = "--set=instance=one";
  EXPECT_THAT(start({"--set=instance=Not A Name"}).message(), HasSubstr("instance"));
  EXPECT_THAT(start({}).message(), HasSubstr("instance"));
  EXPECT_THAT(start({one}).message(), HasSubstr("blob_directory: is empty"));
  EXPECT_THAT(start({"--set=blobs=/tmp"}).message(), HasSubstr("--set blobs=/tmp"));
  EXPECT_THAT(start({one, blobs, cache}).message(), HasSubstr("kafka.bootstrap_servers: is missing"));
}

}  // namespace
}  // namespace assay
