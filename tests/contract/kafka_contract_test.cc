// SPDX-License-Identifier: Apache-2.0
// The promises of Log and WorkQueue over real brokers, and those that only Kafka makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/kafka_log.h"
#include "services/common/log/kafka_topics.h"
#include "services/common/log/kafka_work_queue.h"
#include "services/common/log/testing/fake_log.h"
#include "tests/contract/kafka_cluster.h"
#include "tests/contract/kafka_harness.h"
#include "tests/contract/log_contract.h"
#include "tests/contract/work_queue_contract.h"

namespace assay::log {
namespace {

using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::KafkaCluster;
using testing::StatusIs;

INSTANTIATE_TYPED_TEST_SUITE_P(OneBroker, LogContract, KafkaLogHarness<1>);
INSTANTIATE_TYPED_TEST_SUITE_P(OneBroker, WorkQueueContract, KafkaWorkQueueHarness<1>);
INSTANTIATE_TYPED_TEST_SUITE_P(ThreeBrokers, LogContract, KafkaLogHarness<3>);
INSTANTIATE_TYPED_TEST_SUITE_P(ThreeBrokers, WorkQueueContract, KafkaWorkQueueHarness<3>);

class KafkaLogTest : public ::testing::Test {
 protected:
  void TearDown() override { (void)cluster_.topics().Delete(options_.topic.name, kTopicTimeout); }
  void Create() { ASSAY_ASSERT_OK(cluster_.topics().Create({options_.topic}, kTopicTimeout)); }
  void Delete() { ASSAY_ASSERT_OK(cluster_.topics().Delete(options_.topic.name, kTopicTimeout)); }
  // Deleting takes the brokers a moment.
  void Recreate() {
    Delete();
    const absl::Time deadline = absl::Now() + kPatience;
    for (;;) {
      const absl::StatusOr<std::vector<std::string>> made = cluster_.topics().Create({options_.topic}, kTopicTimeout);
      if (made.ok() && !made->empty()) return;
      ASSERT_LT(absl::Now(), deadline) << made.status();
    }
  }
  absl::Status OpenStatus() { return KafkaLog::Open(options_).status(); }

  KafkaCluster& cluster_ = KafkaCluster::Shared(1);
  KafkaLogOptions options_ = JournalOptions(cluster_, KafkaCluster::NewPrefix());
};

TEST_F(KafkaLogTest, RefusesATopicThatIsNotThere) {
  options_.request_timeout = absl::Seconds(1);
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("does not exist")));
}

TEST_F(KafkaLogTest, RefusesAnotherPartitionCount) {
  Create();
  ++options_.topic.partitions;
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("wrong partition count")));
}

TEST_F(KafkaLogTest, RefusesFewerCopiesThanConfigured) {
  Create();
  ++options_.topic.replication;
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("replication is")));
}

TEST_F(KafkaLogTest, RefusesAnotherClusterThanConfigured) {
  Create();
  options_.connection.cluster_id = "another";
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("wrong cluster")));
  options_.connection.cluster_id = cluster_.topics().cluster_id();
  ASSAY_EXPECT_OK(OpenStatus());
}

TEST_F(KafkaLogTest, RefusesATopicThatWasNotMadeForIt) {
  options_.topic.has_identity = false;
  Create();
  options_.topic.has_identity = true;
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has no identity")));
}

TEST_F(KafkaLogTest, RefusesATopicThatForgetsTooEarly) {
  options_.topic.retention = absl::Hours(1);
  Create();
  options_.topic.retention = absl::Hours(2);
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("retention.ms")));
  options_.topic.retention = absl::InfiniteDuration();
  options_.topic.compacted = true;
  options_.topic.has_identity = false;
  EXPECT_THAT(cluster_.topics().Check(options_.topic),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("cleanup.policy")));
}

TEST_F(KafkaLogTest, SaysWhenNoBrokerAnswers) {
  options_.connection.bootstrap_servers = "127.0.0.1:1";
  options_.request_timeout = absl::Milliseconds(200);
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("127.0.0.1:1 does not answer")));
}

TEST_F(KafkaLogTest, TellsARecreatedTopicFromTheOldOne) {
  Create();
  std::unique_ptr<KafkaLog> log = MustOpen(options_);
  ASSERT_NE(log, nullptr);
  const std::string identity = log->identity();
  ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", "v").status);
  ASSAY_EXPECT_OK(CheckContinuation(*log, identity, 0, 1));
  log.reset();
  Recreate();
  log = MustOpen(options_);
  ASSERT_NE(log, nullptr);
  EXPECT_NE(log->identity(), identity);
  // Even when it has grown past the old position.
  for (int i = 0; i < 3; ++i) ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", "v").status);
  EXPECT_THAT(CheckContinuation(*log, identity, 0, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("deleted and created again")));
}

TEST_F(KafkaLogTest, EndsForGoodWhenItsTopicIsDeletedOrCreatedAgain) {
  Create();
  options_.watch_interval = absl::Milliseconds(100);
  const std::unique_ptr<KafkaLog> log = MustOpen(options_);
  ASSERT_NE(log, nullptr);
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, log->OpenReader(0, 0));
  Recreate();
  EXPECT_THAT(reader->Read(1, kPatience), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("was deleted")));
  EXPECT_THAT(AppendAndWait(*log, 0, "k", "v").status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(log->health(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(KafkaLogTest, AnswersWhatAFailedClientHeldAsUnknownAndGoesOn) {
  Create();
  const std::unique_ptr<KafkaLog> log = MustOpen(options_);
  ASSERT_NE(log, nullptr);
  constexpr int kCount = 200;
  absl::Mutex mutex;
  std::vector<Delivery> deliveries(kCount);
  absl::BlockingCounter left(kCount);
  for (int i = 0; i < kCount; ++i) {
    if (i == kCount / 2) log->FailProducerForTest();
    log->Append(0, "k", absl::StrCat(i), [&, i](const Delivery& delivery) {
      {
        absl::MutexLock lock(&mutex);
        deliveries[static_cast<size_t>(i)] = delivery;
      }
      left.DecrementCount();
    });
  }
  left.Wait();
  // The next one waits for nothing but the new client.
  Delivery next;
  const absl::Time deadline = absl::Now() + kPatience;
  do {
    next = AppendAndWait(*log, 0, "k", "next");
  } while (!next.status.ok() && absl::Now() < deadline);
  ASSAY_ASSERT_OK(next.status);
  EXPECT_EQ(log->stats().rebuilt, 1u);
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, log->OpenReader(0, 0));
  std::map<std::string, Offset> found;
  while (found.count("next") == 0) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<Record> records, reader->Read(100, kPatience));
    ASSERT_FALSE(records.empty());
    for (const Record& record : records) EXPECT_TRUE(found.emplace(record.value, record.offset).second);
  }
  for (int i = 0; i < kCount; ++i) {
    const Delivery& delivery = deliveries[static_cast<size_t>(i)];
    const auto it = found.find(absl::StrCat(i));
    if (delivery.status.ok()) {
      ASSERT_NE(it, found.end()) << i << " was acknowledged";
      EXPECT_EQ(it->second, delivery.offset);
    } else if (!absl::IsUnavailable(delivery.status)) {
      EXPECT_EQ(it, found.end()) << i << " was refused: " << delivery.status;
    }
  }
}

TEST_F(KafkaLogTest, RefusesAppendsPastItsQueue) {
  Create();
  options_.max_queued_records = 3;
  const std::unique_ptr<KafkaLog> log = MustOpen(options_);
  ASSERT_NE(log, nullptr);
  std::vector<absl::StatusCode> refused;
  absl::BlockingCounter accepted(1);
  // Delivered on another thread, so the callback that fills the queue holds it full.
  log->Append(0, "k", "first", [&](const Delivery& delivery) {
    ASSAY_EXPECT_OK(delivery.status);
    for (int i = 0; i < 5; ++i) {
      log->Append(0, "k", "more", [&](const Delivery& later) {
        if (!later.status.ok()) refused.push_back(later.status.code());
      });
    }
    accepted.DecrementCount();
  });
  accepted.Wait();
  log->Close();
  EXPECT_THAT(refused, ::testing::ElementsAre(absl::StatusCode::kResourceExhausted,
                                              absl::StatusCode::kResourceExhausted));
}

TEST_F(KafkaLogTest, SendsRecordsCompressed) {
  // Needs the broker's own files.
  KafkaCluster* cluster = &cluster_;
  std::unique_ptr<KafkaCluster> own;
  if (cluster->data_folder(1).empty()) {
    own = std::make_unique<KafkaCluster>(1);
    cluster = own.get();
  }
  options_.connection = cluster->connection();
  ASSAY_ASSERT_OK(cluster->topics().Create({options_.topic}, kTopicTimeout));
  const std::unique_ptr<KafkaLog> log = MustOpen(options_);
  ASSERT_NE(log, nullptr);
  const std::string value(20000, 'x');
  for (int i = 0; i < 10; ++i) ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", value).status);
  // Brokers keep what they were sent as it was sent.
  uintmax_t stored = 0;
  const std::string folder = absl::StrCat(cluster->data_folder(1), "/", options_.topic.name, "-0");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".log") stored += entry.file_size();
  }
  EXPECT_GT(stored, 0u);
  EXPECT_LT(stored, value.size());
}

TEST_F(KafkaLogTest, SharesAPartitionAmongReaders) {
  Create();
  const std::unique_ptr<KafkaLog> log = MustOpen(options_);
  ASSERT_NE(log, nullptr);
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 3; ++i) {
    ASSAY_ASSERT_OK_AND_ASSIGN(std::unique_ptr<Reader> reader, log->OpenReader(0, 0));
    readers.push_back(std::move(reader));
  }
  ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", "for all").status);
  for (const std::unique_ptr<Reader>& reader : readers) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<Record> records, reader->Read(1, kPatience));
    EXPECT_EQ(records.size(), 1u);
  }
  readers.clear();
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> again, log->OpenReader(0, 0));
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<Record> records, again->Read(1, kPatience));
  EXPECT_EQ(records.size(), 1u);
}

TEST(CheckContinuation, SaysWhichDifferenceItIs) {
  FakeLog log(4, "kafka/cluster/topic/4/aa");
  for (int i = 0; i < 5; ++i) ASSAY_ASSERT_OK(AppendAndWait(log, 0, "k", "v").status);
  const auto check = [&](const std::string& identity, Offset applied) {
    return CheckContinuation(log, identity, 0, applied);
  };
  ASSAY_EXPECT_OK(check("", 0));
  ASSAY_EXPECT_OK(check("kafka/cluster/topic/4/aa", 5));
  constexpr auto kRefused = absl::StatusCode::kFailedPrecondition;
  EXPECT_THAT(check("embedded-1", 5), StatusIs(kRefused, HasSubstr("another kind of log")));
  EXPECT_THAT(check("kafka/other/topic/4/aa", 5), StatusIs(kRefused, HasSubstr("wrong cluster")));
  EXPECT_THAT(check("kafka/cluster/t/4/aa", 5), StatusIs(kRefused, HasSubstr("another topic")));
  EXPECT_THAT(check("kafka/cluster/topic/8/aa", 5), StatusIs(kRefused, HasSubstr("wrong partition count")));
  EXPECT_THAT(check("kafka/cluster/topic/4/bb", 5), StatusIs(kRefused, HasSubstr("created again")));
  EXPECT_THAT(check("kafka/cluster/topic/4/aa", 6), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("truncated")));
  log.DropBefore(0, 3);
  EXPECT_THAT(check("kafka/cluster/topic/4/aa", 2), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("retention")));
}

TEST(KafkaTopicLayout, NamesEveryTopicUnderItsPrefix) {
  KafkaCluster& cluster = KafkaCluster::Shared(3);
  KafkaTopicLayout layout;
  layout.prefix = KafkaCluster::NewPrefix();
  layout.shards = 2;
  layout.fast_work_partitions = 2;
  layout.slow_work_partitions = 2;
  layout.replication = cluster.replication();
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<KafkaTopic> topics, layout.Topics());
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> made, cluster.topics().Create(topics, kTopicTimeout));
  EXPECT_EQ(made.size(), topics.size());
  for (const KafkaTopic& topic : topics) {
    EXPECT_TRUE(absl::StartsWith(topic.name, layout.prefix + "assay."));
    ASSAY_EXPECT_OK(cluster.topics().Check(topic, kTopicTimeout));
  }
  EXPECT_THAT(cluster.topics().Create(topics, kTopicTimeout), IsOkAndHolds(::testing::IsEmpty()));
  for (const KafkaTopic& topic : topics) ASSAY_EXPECT_OK(cluster.topics().Delete(topic.name, kTopicTimeout));
  layout.prefix = "a/b";
  EXPECT_THAT(layout.Topics(), StatusIs(absl::StatusCode::kInvalidArgument));
}

// Runs `assay-topics` and returns its exit code; its output goes to `output`.
int RunTopics(const std::string& arguments, std::string& output) {
  const char* build = std::getenv("ASSAY_BUILD_DIR");
  std::FILE* pipe =
      popen(absl::StrCat(build == nullptr ? "build/release" : build, "/bin/assay-topics ", arguments, " 2>&1").c_str(), "r");
  if (pipe == nullptr) return -1;
  output.clear();
  char buffer[4096];
  for (size_t got = 0; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) output.append(buffer, got);
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(TopicsCommand, CreatesChecksAndSaysWhatDiffers) {
  KafkaCluster& cluster = KafkaCluster::Shared(1);
  const std::string prefix = KafkaCluster::NewPrefix();
  const std::string common =
      absl::StrCat(" --kafka ", cluster.connection().bootstrap_servers, " --replication ", cluster.replication(),
                   " --fast-work-partitions 2 --slow-work-partitions 2 --prefix ", prefix);
  std::string output;
  EXPECT_EQ(RunTopics("check --shards 2" + common, output), 1) << output;
  EXPECT_THAT(output, HasSubstr(absl::StrCat("wrong  ", prefix, "assay.journal.v1")));
  EXPECT_EQ(RunTopics("create --shards 2" + common, output), 0) << output;
  EXPECT_THAT(output, HasSubstr(absl::StrCat("created  ", prefix, "assay.catalog.v1")));
  EXPECT_EQ(RunTopics("check --shards 2 --json" + common, output), 0) << output;
  EXPECT_THAT(output, HasSubstr(absl::StrCat(R"({"name": ")", prefix, R"(assay.work.fast.v1", "state": "ok")")));
  EXPECT_EQ(RunTopics("check --shards 3" + common, output), 1) << output;
  EXPECT_THAT(output, HasSubstr("wrong partition count: it has 2, 3 are configured"));
  EXPECT_EQ(RunTopics("check --shards 2 --cluster-id other" + common, output), 3) << output;
  EXPECT_EQ(RunTopics("create --shards 0" + common, output), 3) << output;
  EXPECT_EQ(RunTopics("create --no-such-option", output), 2) << output;
  EXPECT_EQ(RunTopics("check --kafka 127.0.0.1:1 --timeout 0.2", output), 4) << output;
}

class KafkaWorkQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // The least that brokers allow.
    options_.session_timeout = absl::Seconds(6);
    for (const auto& lane : options_.lanes) ASSAY_ASSERT_OK(cluster_.topics().Create({lane.topic}, kTopicTimeout));
    ASSAY_ASSERT_OK_AND_ASSIGN(queue_, KafkaWorkQueue::Open(options_));
  }
  void TearDown() override {
    queue_.reset();
    for (const auto& lane : options_.lanes) ASSAY_EXPECT_OK(cluster_.topics().Delete(lane.topic.name, kTopicTimeout));
  }
  void Put(int count) {
    absl::BlockingCounter left(count);
    for (int i = 0; i < count; ++i) {
      queue_->Put("fast", "k", absl::StrCat(i), [&](const Delivery& delivery) {
        ASSAY_EXPECT_OK(delivery.status);
        left.DecrementCount();
      });
    }
    left.Wait();
  }
  std::unique_ptr<WorkConsumer> MustConsume(const std::string& name) {
    absl::StatusOr<std::unique_ptr<WorkConsumer>> consumer = queue_->Consume("fast", name);
    EXPECT_THAT(consumer, testing::IsOk());
    return consumer.ok() ? *std::move(consumer) : nullptr;
  }
  std::vector<WorkItem> Take(WorkConsumer& consumer, size_t count) {
    std::vector<WorkItem> taken;
    while (taken.size() < count) {
      absl::StatusOr<std::vector<WorkItem>> items = consumer.Take(count - taken.size(), 2 * kPatience);
      EXPECT_THAT(items, testing::IsOk());
      if (!items.ok() || items->empty()) break;
      taken.insert(taken.end(), items->begin(), items->end());
    }
    return taken;
  }

  KafkaCluster& cluster_ = KafkaCluster::Shared(1);
  KafkaWorkQueueOptions options_ = WorkOptions(cluster_, KafkaCluster::NewPrefix());
  std::unique_ptr<KafkaWorkQueue> queue_;
};

TEST_F(KafkaWorkQueueTest, GivesEachItemOfAFloodOutOnceAlthoughItPauses) {
  constexpr int kCount = 400;
  static_assert(kCount > 16 * 3, "more than the window holds, many times over");
  Put(kCount);
  const auto consumer = MustConsume("worker");
  std::set<std::string> seen;
  std::vector<WorkItem> held;
  while (seen.size() < kCount) {
    const std::vector<WorkItem> items = Take(*consumer, 1);
    ASSERT_EQ(items.size(), 1u);
    EXPECT_TRUE(seen.insert(items[0].value).second) << items[0].value << " came twice";
    held.push_back(items[0]);
    // Half of the time the oldest is not the one that ends.
    if (held.size() < 6) continue;
    consumer->Done(held.back());
    consumer->Done(held.front());
    held.pop_back();
    held.erase(held.begin());
  }
  for (const WorkItem& item : held) consumer->Done(item);
  EXPECT_EQ(queue_->Depth("fast"), 0u);
}

TEST_F(KafkaWorkQueueTest, FencesTheConsumerWhoseNameAnotherTakes) {
  Put(1);
  const auto first = MustConsume("worker");
  const std::vector<WorkItem> items = Take(*first, 1);
  ASSERT_EQ(items.size(), 1u);
  const auto second = MustConsume("worker");
  EXPECT_THAT(first->Take(1, 2 * kPatience), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("worker")));
  // Too late to count.
  first->Done(items[0]);
  EXPECT_EQ(Take(*second, 1).size(), 1u);
}

TEST_F(KafkaWorkQueueTest, GivesToOthersWhatAConsumerThatStaysAwayHeld) {
  Put(6);
  {
    const auto first = MustConsume("first");
    const std::vector<WorkItem> items = Take(*first, 6);
    ASSERT_EQ(items.size(), 6u);
    for (size_t i = 0; i < 3; ++i) first->Done(items[i]);
  }
  const auto second = MustConsume("second");
  const std::vector<WorkItem> items = Take(*second, 3);
  EXPECT_EQ(items.size(), 3u);
  for (const WorkItem& item : items) second->Done(item);
  EXPECT_EQ(queue_->Depth("fast"), 0u);
}

}  // namespace
}  // namespace assay::log
