// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/kafka_topics.h"
#include "services/common/log/log.h"

namespace assay::log {

// A process whose brokers were silent for so long ends: a new one may reach them where this one does not.
inline constexpr absl::Duration kGiveUpAfter = absl::Seconds(60);

struct KafkaLogOptions {
  KafkaConnection connection;
  // What the topic must be; anything else is refused. `has_identity` must be set.
  KafkaTopic topic;
  // Appends accepted and not yet delivered, over all partitions; past either bound Append answers RESOURCE_EXHAUSTED.
  size_t max_queued_records = 10000;
  size_t max_queued_bytes = 64 << 20;
  // After this an append is answered as UNAVAILABLE (unknown), or as RESOURCE_EXHAUSTED if it never left.
  absl::Duration delivery_timeout = absl::Seconds(30);
  // Of Open() and of every question to the brokers.
  absl::Duration request_timeout = absl::Seconds(10);
  // How often it is looked whether the topic is still the same.
  absl::Duration watch_interval = absl::Seconds(5);
};

// A Log that is a Kafka topic. An append is delivered when all copies in sync have it, at least min.insync.replicas of
// them: it survives the loss of a broker, not of every broker's power at once. Of a compacted topic the latest record of
// each key stays, and readers pass over the offsets of those that went.
//
// While brokers are away appends wait (up to delivery_timeout) and so do readers; both go on by themselves. Append adds
// to the contract of Log: PERMISSION_DENIED, and RESOURCE_EXHAUSTED also for what the brokers did not take, e.g. for
// lack of copies: it is not there. Read adds PERMISSION_DENIED, and answers DATA_LOSS when offsets are missing. Callbacks
// run on one thread, in the order of the deliveries. Thread-safe.
//
// Identity and partition count are compared when it is opened and every watch_interval; once the topic is gone or
// another one of its name is there, appends are FAILED_PRECONDITION and readers end with DATA_LOSS, for good.
class KafkaLog final : public Log {
 public:
  struct Stats {
    uint64_t delivered = 0;
    uint64_t unknown = 0;
    uint64_t refused = 0;
    // Clients given up after a fatal error.
    uint64_t rebuilt = 0;
    size_t queued_records = 0;
    size_t queued_bytes = 0;
    absl::Duration oldest_queued;
    // How long no broker has answered whether the topic is still the same; asked every watch_interval.
    absl::Duration silence;
  };

  // Returns once the topic is checked and the brokers that lead it are known, so that the first append is quick.
  // UNAVAILABLE: no broker answers. NOT_FOUND: no such topic. FAILED_PRECONDITION: the wrong cluster, or a topic that is
  // not as it must be (see KafkaTopics::Check).
  static absl::StatusOr<std::unique_ptr<KafkaLog>> Open(KafkaLogOptions options);
  ~KafkaLog() override;

  int32_t partitions() const override;
  std::string identity() const override;
  void Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done) override;
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int32_t partition, Offset from) override;
  absl::StatusOr<Offset> StartOffset(int32_t partition) override;
  // Never less than what was delivered or read before; DATA_LOSS when the brokers have less.
  absl::StatusOr<Offset> EndOffset(int32_t partition) override;
  void Close() override;

  Stats stats() const;
  // For health checks. UNAVAILABLE: no broker answers just now; else why nothing can be appended any more.
  absl::Status health() const;
  // For tests: the producing client fails for good, as after a defect of its protocol.
  void FailProducerForTest();

 private:
  class Core;
  explicit KafkaLog(std::unique_ptr<Core> core);
  const std::unique_ptr<Core> core_;
};

}  // namespace assay::log
