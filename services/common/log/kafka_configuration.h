// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "assay/config/v1/kafka.pb.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/kafka_log.h"
#include "services/common/log/kafka_topics.h"
#include "services/common/log/kafka_work_queue.h"

namespace assay::log {

// What a service's configuration says of Kafka: checked, and with its defaults filled in. Immutable, thread-safe.
class KafkaConfiguration {
 public:
  // `client` names the process in the brokers' logs. INVALID_ARGUMENT names the field ("kafka.shards"), what was found
  // and what is allowed; FAILED_PRECONDITION: others may read the password file; else as ReadFile.
  static absl::StatusOr<KafkaConfiguration> Create(const config::v1::Kafka& config, absl::string_view client);

  const KafkaConnection& connection() const { return connection_; }
  const KafkaTopicLayout& topics() const { return topics_; }

  KafkaLogOptions journal() const { return LogOptions(topics_.journal()); }
  KafkaLogOptions owners() const { return LogOptions(topics_.owners()); }
  KafkaLogOptions readiness() const { return LogOptions(topics_.readiness()); }
  // The lanes "fast" and "slow".
  KafkaWorkQueueOptions work_queue() const;

 private:
  KafkaConfiguration(KafkaConnection connection, KafkaTopicLayout topics)
      : connection_(std::move(connection)), topics_(std::move(topics)) {}
  // `name` is one of topics_.Topics().
  KafkaTopic FindTopic(absl::string_view name) const;
  KafkaLogOptions LogOptions(absl::string_view topic) const;

  KafkaConnection connection_;
  KafkaTopicLayout topics_;
};

// How long a service that starts waits for brokers that do not answer yet.
inline constexpr absl::Duration kBrokerPatience = absl::Seconds(60);

// KafkaLog::Open and KafkaWorkQueue::Open, tried again for `patience` while no broker answers.
absl::StatusOr<std::unique_ptr<KafkaLog>> OpenWhenServed(const KafkaLogOptions& options,
                                                         absl::Duration patience = kBrokerPatience);
absl::StatusOr<std::unique_ptr<KafkaWorkQueue>> OpenWhenServed(const KafkaWorkQueueOptions& options,
                                                               absl::Duration patience = kBrokerPatience);

// INVALID_ARGUMENT unless `instance` is 1 to 64 of [a-z0-9-]: it stands in keys, file names and metrics.
absl::Status CheckInstanceName(absl::string_view instance);

}  // namespace assay::log
