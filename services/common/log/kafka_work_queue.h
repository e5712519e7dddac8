// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/kafka_topics.h"
#include "services/common/log/work_queue.h"

namespace assay::log {

struct KafkaWorkQueueOptions {
  struct Lane {
    std::string name;
    KafkaTopic topic;
  };
  KafkaConnection connection;
  std::vector<Lane> lanes;
  // Undone items one consumer may hold, and offsets of one partition that may lie between its oldest undone item and
  // its newest.
  size_t window = 512;
  // Items put and not yet delivered; past either bound Put answers RESOURCE_EXHAUSTED.
  size_t max_queued_records = 10000;
  size_t max_queued_bytes = 64 << 20;
  // How long a consumer that went away keeps its items for a successor of the same name. After it others get them.
  absl::Duration session_timeout = absl::Seconds(45);
  absl::Duration commit_interval = absl::Seconds(1);
  absl::Duration request_timeout = absl::Seconds(10);
};

// A work queue of Kafka topics, one for each lane; the consumers of a lane are a consumer group with static members.
// Items of a lane are spread over its partitions and come in no particular order.
//
// What is done is remembered every commit_interval and when a consumer is destroyed: after a crash, what was done since
// comes again, as may everything behind an undone item. Unlike in memory, what a destroyed consumer held goes to a
// successor of its name at once and to others after session_timeout, so that a restart moves nothing. Depth() asks the
// brokers, and answers what it last knew while they are away. Take adds PERMISSION_DENIED. Callbacks of Put run on a
// thread of its own, as in KafkaLog. Thread-safe.
class KafkaWorkQueue final : public WorkQueue {
 public:
  // The consumer group of a lane's topic.
  static std::string GroupOf(absl::string_view topic);

  // Checks the topics as KafkaLog::Open does.
  static absl::StatusOr<std::unique_ptr<KafkaWorkQueue>> Open(KafkaWorkQueueOptions options);
  ~KafkaWorkQueue() override;

  void Put(absl::string_view lane, absl::string_view key, absl::string_view value, DeliveryCallback done) override;
  absl::StatusOr<std::unique_ptr<WorkConsumer>> Consume(absl::string_view lane, absl::string_view consumer) override;
  uint64_t Depth(absl::string_view lane) override;
  void Close() override;

 private:
  class Core;
  explicit KafkaWorkQueue(std::unique_ptr<Core> core);
  const std::unique_ptr<Core> core_;
};

}  // namespace assay::log
