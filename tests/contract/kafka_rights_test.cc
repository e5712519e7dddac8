// SPDX-License-Identifier: Apache-2.0
// A broker that asks everybody for a certificate and has an authorizer: what each service needs is allowed, and no
// more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/log/kafka_log.h"
#include "services/common/log/kafka_rights.h"
#include "services/common/log/kafka_topics.h"
#include "services/common/log/kafka_work_queue.h"
#include "tests/contract/kafka_cluster.h"
#include "tests/contract/kafka_harness.h"

namespace assay::log {
namespace {

using testing::IsOk;
using testing::StatusIs;
constexpr auto kDenied = absl::StatusCode::kPermissionDenied;

class KafkaRightsTest : public ::testing::Test {
 protected:
  // One broker for all tests of the file.
  struct Broker {
    Broker() {
      const std::string command =
          absl::StrCat("tools/certificates.py ", tls / "tls", " kafka operator gateway aggregator evaluator stranger");
      EXPECT_EQ(std::system(command.c_str()), 0);
      cluster = std::make_unique<testing::KafkaCluster>(1, tls / "tls");
      layout.shards = 2;
      layout.fast_work_partitions = 2;
      layout.slow_work_partitions = 2;
      layout.replication = 1;
      topics = layout.Topics().value();
      EXPECT_THAT(cluster->topics().Create(topics, kTopicTimeout), IsOk());
      const KafkaPrincipals principals = {"User:CN=gateway", "User:CN=aggregator", "User:CN=evaluator"};
      EXPECT_THAT(Allow(cluster->connection(), LeastRights(layout, principals), kTopicTimeout), IsOk());
    }
    testing::TempDir tls;
    std::unique_ptr<testing::KafkaCluster> cluster;
    KafkaTopicLayout layout;
    std::vector<KafkaTopic> topics;
  };
  static void SetUpTestSuite() { broker_ = new Broker; }
  static void TearDownTestSuite() { delete std::exchange(broker_, nullptr); }

  absl::StatusOr<std::unique_ptr<KafkaLog>> OpenLog(const std::string& service, const std::string& topic) {
    KafkaLogOptions options;
    options.connection = broker_->cluster->connection(service);
    for (const KafkaTopic& known : broker_->topics) {
      if (known.name == topic) options.topic = known;
    }
    options.request_timeout = kTopicTimeout;
    return KafkaLog::Open(options);
  }
  absl::StatusOr<std::unique_ptr<KafkaWorkQueue>> OpenWork(const std::string& service) {
    KafkaWorkQueueOptions options;
    options.connection = broker_->cluster->connection(service);
    options.request_timeout = kTopicTimeout;
    for (const char* lane : {"fast", "slow"}) {
      for (const KafkaTopic& topic : broker_->topics) {
        if (topic.name == layout().work(lane)) options.lanes.push_back({lane, topic});
      }
    }
    return KafkaWorkQueue::Open(options);
  }
  // What happens to a service that reads the first record of a log.
  static absl::Status ReadFirst(Log& log) {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, log.OpenReader(0, 0));
    return reader->Read(1, kPatience).status();
  }
  static absl::Status Put(KafkaWorkQueue& queue) {
    absl::Status status;
    absl::Notification delivered;
    queue.Put("fast", "k", "v", [&](const Delivery& delivery) {
      status = delivery.status;
      delivered.Notify();
    });
    delivered.WaitForNotification();
    return status;
  }
  static absl::Status TakeOne(KafkaWorkQueue& queue) {
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<WorkConsumer> consumer, queue.Consume("fast", "worker"));
    ASSAY_ASSIGN_OR_RETURN(const std::vector<WorkItem> items, consumer->Take(1, kPatience));
    for (const WorkItem& item : items) consumer->Done(item);
    return items.size() == 1 ? absl::OkStatus() : absl::DeadlineExceededError("nothing came");
  }
  const KafkaTopicLayout& layout() const { return broker_->layout; }

  static Broker* broker_;
};

KafkaRightsTest::Broker* KafkaRightsTest::broker_ = nullptr;

TEST_F(KafkaRightsTest, AnAggregatorFollowsTheJournalAndHandsOutWork) {
  for (const std::string& topic : {layout().journal(), layout().owners(), layout().readiness()}) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto log, OpenLog("aggregator", topic));
    ASSAY_EXPECT_OK(AppendAndWait(*log, 0, "k", "v").status);
    ASSAY_EXPECT_OK(ReadFirst(*log));
  }
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto queue, OpenWork("aggregator"));
  ASSAY_EXPECT_OK(Put(*queue));
  EXPECT_GE(queue->Depth("fast"), 1u);
  EXPECT_THAT(TakeOne(*queue), StatusIs(kDenied));
}

TEST_F(KafkaRightsTest, AnEvaluatorTakesWorkAndWritesTheJournalItCannotRead) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto by_aggregator, OpenWork("aggregator"));
  ASSAY_ASSERT_OK(Put(*by_aggregator));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto queue, OpenWork("evaluator"));
  ASSAY_EXPECT_OK(TakeOne(*queue));
  EXPECT_THAT(Put(*queue), StatusIs(kDenied));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto journal, OpenLog("evaluator", layout().journal()));
  ASSAY_EXPECT_OK(AppendAndWait(*journal, 0, "k", "v").status);
  EXPECT_THAT(ReadFirst(*journal), StatusIs(kDenied));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto owners, OpenLog("evaluator", layout().owners()));
  ASSAY_EXPECT_OK(AppendAndWait(*owners, 0, "k", "v").status);
  ASSAY_EXPECT_OK(ReadFirst(*owners));
  EXPECT_THAT(OpenLog("evaluator", layout().readiness()), StatusIs(kDenied));
}

TEST_F(KafkaRightsTest, AGatewayWritesTheJournalAndOnlyHearsWhoIsThere) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto journal, OpenLog("gateway", layout().journal()));
  ASSAY_EXPECT_OK(AppendAndWait(*journal, 0, "k", "v").status);
  EXPECT_THAT(ReadFirst(*journal), StatusIs(kDenied));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto by_aggregator, OpenLog("aggregator", layout().owners()));
  ASSAY_ASSERT_OK(AppendAndWait(*by_aggregator, 0, "k", "v").status);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto owners, OpenLog("gateway", layout().owners()));
  ASSAY_EXPECT_OK(ReadFirst(*owners));
  EXPECT_THAT(AppendAndWait(*owners, 0, "k", "v").status, StatusIs(kDenied));
  EXPECT_THAT(OpenWork("gateway"), StatusIs(kDenied));
}

TEST_F(KafkaRightsTest, NobodyButTheOperatorMakesTopicsAndStrangersSeeNone) {
  KafkaTopic topic;
  topic.name = "another";
  topic.replication = 1;
  for (const char* service : {"gateway", "aggregator", "evaluator"}) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto topics,
                               KafkaTopics::Connect(broker_->cluster->connection(service), kTopicTimeout));
    EXPECT_THAT(topics->Create({topic}, kTopicTimeout), StatusIs(kDenied)) << service;
    EXPECT_THAT(topics->Delete(layout().journal(), kTopicTimeout), StatusIs(kDenied)) << service;
  }
  EXPECT_THAT(OpenLog("stranger", layout().journal()), StatusIs(kDenied));
}

TEST_F(KafkaRightsTest, WhoShowsNoCertificateIsNotServed) {
  KafkaConnection connection = broker_->cluster->connection("gateway");
  connection.tls_certificate_file.clear();
  connection.tls_key_file.clear();
  EXPECT_THAT(KafkaTopics::Connect(connection, absl::Seconds(2)), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace assay::log
