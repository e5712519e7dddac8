// SPDX-License-Identifier: Apache-2.0
// The contract suites over Kafka: each harness makes topics of its own on the cluster that the process shares.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/kafka_log.h"
#include "services/common/log/kafka_work_queue.h"
#include "tests/contract/contract_limits.h"
#include "tests/contract/kafka_cluster.h"

namespace assay::log {

inline constexpr absl::Duration kTopicTimeout = absl::Seconds(60);

inline KafkaTopic JournalTopic(const testing::KafkaCluster& cluster, const std::string& prefix) {
  KafkaTopic topic;
  topic.name = prefix + "journal";
  topic.partitions = kPartitions;
  topic.replication = cluster.replication();
  topic.has_identity = true;
  return topic;
}

inline KafkaLogOptions JournalOptions(const testing::KafkaCluster& cluster, const std::string& prefix) {
  KafkaLogOptions options;
  options.connection = cluster.connection();
  options.topic = JournalTopic(cluster, prefix);
  options.request_timeout = kTopicTimeout;
  return options;
}

inline std::unique_ptr<KafkaLog> MustOpen(const KafkaLogOptions& options) {
  absl::StatusOr<std::unique_ptr<KafkaLog>> log = KafkaLog::Open(options);
  EXPECT_THAT(log, testing::IsOk());
  return log.ok() ? *std::move(log) : nullptr;
}

template <int kNodes>
class KafkaLogHarness {
 public:
  static constexpr bool kReopens = true;
  KafkaLogHarness() {
    EXPECT_THAT(cluster_.topics().Create({options_.topic}, kTopicTimeout), testing::IsOk());
    Reopen();
  }
  ~KafkaLogHarness() {
    log_.reset();
    EXPECT_THAT(cluster_.topics().Delete(options_.topic.name, kTopicTimeout), testing::IsOk());
  }
  Log& log() { return *log_; }
  void Reopen() {
    log_.reset();
    log_ = MustOpen(options_);
  }

 private:
  testing::KafkaCluster& cluster_ = testing::KafkaCluster::Shared(kNodes);
  const KafkaLogOptions options_ = JournalOptions(cluster_, testing::KafkaCluster::NewPrefix());
  std::unique_ptr<KafkaLog> log_;
};

inline KafkaWorkQueueOptions WorkOptions(const testing::KafkaCluster& cluster, const std::string& prefix) {
  KafkaWorkQueueOptions options;
  options.connection = cluster.connection();
  options.request_timeout = kTopicTimeout;
  options.window = 16;
  for (const char* lane : {"fast", "slow"}) {
    options.lanes.push_back({lane, {prefix + "work." + lane, 3, cluster.replication()}});
  }
  return options;
}

template <int kNodes>
class KafkaWorkQueueHarness {
 public:
  static constexpr size_t kWindow = 16;
  KafkaWorkQueueHarness() {
    for (const auto& lane : options_.lanes) {
      EXPECT_THAT(cluster_.topics().Create({lane.topic}, kTopicTimeout), testing::IsOk());
    }
    absl::StatusOr<std::unique_ptr<KafkaWorkQueue>> queue = KafkaWorkQueue::Open(options_);
    EXPECT_THAT(queue, testing::IsOk());
    if (queue.ok()) queue_ = *std::move(queue);
  }
  ~KafkaWorkQueueHarness() {
    queue_.reset();
    for (const auto& lane : options_.lanes) {
      EXPECT_THAT(cluster_.topics().Delete(lane.topic.name, kTopicTimeout), testing::IsOk());
    }
  }
  WorkQueue& queue() { return *queue_; }

 private:
  testing::KafkaCluster& cluster_ = testing::KafkaCluster::Shared(kNodes);
  const KafkaWorkQueueOptions options_ = WorkOptions(cluster_, testing::KafkaCluster::NewPrefix());
  std::unique_ptr<KafkaWorkQueue> queue_;
};

}  // namespace assay::log
