// SPDX-License-Identifier: Apache-2.0
// Real brokers killed and frozen while records are appended: what was acknowledged is there, once and in its place; what
// was refused is not; whatever is not known is said to be unknown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/kafka_log.h"
#include "tests/contract/kafka_cluster.h"
#include "tests/contract/kafka_harness.h"

namespace assay::log {
namespace {

using testing::KafkaCluster;

// A dead node is noticed after 6 s, and its partitions led by another soon after.
constexpr absl::Duration kRecovery = absl::Seconds(30);

// Appends numbered records to every partition in turn, up to so many at a time, and keeps what became of each.
class Appender {
 public:
  explicit Appender(Log& log) : log_(log), thread_([this] { Run(); }) {}
  ~Appender() { Stop(); }

  // Ends appending and waits for the last delivery.
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    if (thread_.joinable()) thread_.join();
    absl::MutexLock lock(&mutex_);
    const auto none_open = [this] {
      mutex_.AssertHeld();
      return open_ == 0;
    };
    mutex_.Await(absl::Condition(&none_open));
  }

  // Waits until `count` more records are acknowledged in each partition; false after `patience`.
  bool AwaitProgress(int count, absl::Duration patience) {
    absl::MutexLock lock(&mutex_);
    std::vector<int> wanted = acknowledged_;
    for (int& each : wanted) each += count;
    const auto reached = [&] {
      mutex_.AssertHeld();
      for (size_t i = 0; i < wanted.size(); ++i) {
        if (acknowledged_[i] < wanted[i]) return false;
      }
      return true;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&reached), patience);
  }

  // After Stop(): reads everything back and compares.
  void Check(Log& log) {
    std::map<std::string, std::vector<Offset>> found;
    for (int32_t partition = 0; partition < kPartitions; ++partition) ReadAll(log, partition, found);
    absl::MutexLock lock(&mutex_);
    std::vector<Offset> last(kPartitions, -1);
    for (size_t i = 0; i < fates_.size(); ++i) {
      const auto it = found.find(absl::StrCat(i));
      const Delivery& fate = fates_[i];
      if (fate.status.ok()) {
        ASSERT_NE(it, found.end()) << "record " << i << " was acknowledged at " << fate.offset << " and is gone";
        EXPECT_EQ(it->second, std::vector<Offset>{fate.offset}) << "record " << i;
        Offset& before = last[i % kPartitions];
        EXPECT_GT(fate.offset, before) << "record " << i << " stands before an earlier one";
        before = fate.offset;
      } else if (absl::IsUnavailable(fate.status)) {
        ++unknown_;
      } else {
        EXPECT_EQ(it, found.end()) << "record " << i << " was refused and is there: " << fate.status;
      }
    }
    RecordProperty();
  }

 private:
  static constexpr int kMaxOpen = 9;

  void Run() {
    for (size_t number = 0;; ++number) {
      {
        absl::MutexLock lock(&mutex_);
        const auto may_go_on = [this] {
          mutex_.AssertHeld();
          return stopping_ || open_ < kMaxOpen;
        };
        mutex_.Await(absl::Condition(&may_go_on));
        if (stopping_) return;
        ++open_;
        fates_.emplace_back();
      }
      log_.Append(static_cast<int32_t>(number % kPartitions), "k", absl::StrCat(number),
                  [this, number](const Delivery& delivery) {
                    absl::MutexLock lock(&mutex_);
                    fates_[number] = delivery;
                    --open_;
                    if (delivery.status.ok()) ++acknowledged_[number % kPartitions];
                  });
    }
  }

  static void ReadAll(Log& log, int32_t partition, std::map<std::string, std::vector<Offset>>& found) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const Offset end, log.EndOffset(partition));
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Reader> reader, log.OpenReader(partition, 0));
    for (Offset next = 0; next < end;) {
      ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<Record> records, reader->Read(1000, kPatience));
      ASSERT_FALSE(records.empty()) << "nothing came at offset " << next << " of " << end;
      for (const Record& record : records) found[record.value].push_back(record.offset);
      next = records.back().offset + 1;
    }
  }

  // The numbers of this run, for tests/fault/README.md.
  void RecordProperty() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    int acknowledged = 0;
    for (const int each : acknowledged_) acknowledged += each;
    ::testing::Test::RecordProperty("appended", static_cast<int>(fates_.size()));
    ::testing::Test::RecordProperty("acknowledged", acknowledged);
    ::testing::Test::RecordProperty("unknown", unknown_);
    std::printf("appended %zu, acknowledged %d, unknown %d\n", fates_.size(), acknowledged, unknown_);
  }

  Log& log_;
  absl::Mutex mutex_;
  std::vector<Delivery> fates_ ABSL_GUARDED_BY(mutex_);
  std::vector<int> acknowledged_ ABSL_GUARDED_BY(mutex_) = std::vector<int>(kPartitions);
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  int unknown_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

std::unique_ptr<KafkaLog> MakeLog(KafkaCluster& cluster, KafkaLogOptions& options) {
  options = JournalOptions(cluster, KafkaCluster::NewPrefix());
  EXPECT_THAT(cluster.topics().Create({options.topic}, kTopicTimeout), testing::IsOk());
  return MustOpen(options);
}

// One broker for the tests that bring it back.
class KafkaBrokerFault : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new KafkaCluster(1); }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }
  static KafkaCluster* cluster_;
};
KafkaCluster* KafkaBrokerFault::cluster_ = nullptr;

TEST_F(KafkaBrokerFault, LosesNothingWhenItIsKilledAndComesBack) {
  KafkaCluster& cluster = *cluster_;
  KafkaLogOptions options;
  const std::unique_ptr<KafkaLog> log = MakeLog(cluster, options);
  ASSERT_NE(log, nullptr);
  Appender appender(*log);
  ASSERT_TRUE(appender.AwaitProgress(100, kPatience));
  cluster.Kill(1);
  cluster.Restart(1);
  EXPECT_TRUE(appender.AwaitProgress(100, 2 * kRecovery));
  appender.Stop();
  appender.Check(*log);
}

TEST_F(KafkaBrokerFault, SaysHowLongNoBrokerHasAnswered) {
  KafkaCluster& cluster = *cluster_;
  KafkaLogOptions options = JournalOptions(cluster, KafkaCluster::NewPrefix());
  options.watch_interval = absl::Milliseconds(100);
  ASSAY_ASSERT_OK(cluster.topics().Create({options.topic}, kTopicTimeout));
  const std::unique_ptr<KafkaLog> log = MustOpen(options);
  ASSERT_NE(log, nullptr);
  const auto await = [&](absl::StatusCode code) {
    const absl::Time deadline = absl::Now() + kRecovery;
    while (log->health().code() != code && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(20));
    return log->health();
  };
  ASSAY_EXPECT_OK(log->health());
  EXPECT_EQ(log->stats().silence, absl::ZeroDuration());
  cluster.Pause(1);
  EXPECT_THAT(await(absl::StatusCode::kUnavailable), testing::StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_GT(log->stats().silence, absl::ZeroDuration());
  cluster.Resume(1);
  ASSAY_EXPECT_OK(await(absl::StatusCode::kOk));
  EXPECT_EQ(log->stats().silence, absl::ZeroDuration());
  ASSAY_EXPECT_OK(AppendAndWait(*log, 0, "k", "v").status);
}

TEST_F(KafkaBrokerFault, TellsUnknownFromRefused) {
  KafkaCluster& cluster = *cluster_;
  KafkaLogOptions options = JournalOptions(cluster, KafkaCluster::NewPrefix());
  options.delivery_timeout = absl::Seconds(3);
  ASSAY_ASSERT_OK(cluster.topics().Create({options.topic}, kTopicTimeout));
  const std::unique_ptr<KafkaLog> log = MustOpen(options);
  ASSERT_NE(log, nullptr);
  ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", "before").status);
  cluster.Pause(1);
  // It takes the bytes and never answers.
  const Delivery sent = AppendAndWait(*log, 0, "k", "sent");
  EXPECT_THAT(sent.status, testing::StatusIs(absl::StatusCode::kUnavailable));
  cluster.Resume(1);
  const absl::Time deadline = absl::Now() + kRecovery;
  Delivery after;
  do {
    after = AppendAndWait(*log, 0, "k", "after");
  } while (!after.status.ok() && absl::Now() < deadline);
  ASSAY_ASSERT_OK(after.status);
  // One that never left is refused. The last test here: the broker stays dead.
  cluster.Kill(1);
  Delivery refused;
  const absl::Time second_deadline = absl::Now() + kRecovery;
  do {
    refused = AppendAndWait(*log, 0, "k", "refused");
  } while (!absl::IsResourceExhausted(refused.status) && absl::Now() < second_deadline);
  EXPECT_THAT(refused.status, testing::StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(KafkaClusterFault, LosesNothingWhenALeaderIsKilledAndAnotherFrozen) {
  KafkaCluster cluster(3);
  KafkaLogOptions options;
  const std::unique_ptr<KafkaLog> log = MakeLog(cluster, options);
  ASSERT_NE(log, nullptr);
  Appender appender(*log);
  ASSERT_TRUE(appender.AwaitProgress(100, kPatience));
  // Each of the three leads one of the three partitions.
  cluster.Kill(1);
  EXPECT_TRUE(appender.AwaitProgress(100, kRecovery)) << "no recovery after the death of a leader";
  cluster.Restart(1);
  EXPECT_TRUE(appender.AwaitProgress(100, kRecovery));
  cluster.Pause(2);
  EXPECT_TRUE(appender.AwaitProgress(100, kRecovery)) << "no recovery after a leader froze";
  cluster.Resume(2);
  EXPECT_TRUE(appender.AwaitProgress(100, kRecovery));
  appender.Stop();
  appender.Check(*log);
}

}  // namespace
}  // namespace assay::log
