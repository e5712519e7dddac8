// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/log.h"

namespace assay::log {

struct KafkaTopic {
  std::string name;
  int32_t partitions = 1;
  // Copies of each partition. The brokers acknowledge when all but one have it: 3 survive a broker, 1 none.
  int replication = 3;
  bool compacted = false;
  // Infinite: records stay. Of a compacted topic: how long a deletion is remembered.
  absl::Duration retention = absl::InfiniteDuration();
  // Consumers keep positions in it outside of Kafka, so a re-created topic must not be taken for it.
  bool has_identity = false;
};

// The topics of an installation. Partition counts never change afterwards.
struct KafkaTopicLayout {
  // In front of every name: several installations may share a cluster. Letters, digits, '.', '_' and '-'.
  std::string prefix;
  // Of the journal; a shard each.
  int32_t shards = 24;
  int32_t fast_work_partitions = 24;
  int32_t slow_work_partitions = 48;
  int replication = 3;

  std::string journal() const { return prefix + "assay.journal.v1"; }
  std::string work(absl::string_view lane) const { return prefix + "assay.work." + std::string(lane) + ".v1"; }
  std::string readiness() const { return prefix + "assay.readiness.v1"; }
  std::string owners() const { return prefix + "assay.owners.v1"; }
  std::string catalog() const { return prefix + "assay.catalog.v1"; }
  // All of them. INVALID_ARGUMENT names the field that is out of range.
  absl::StatusOr<std::vector<KafkaTopic>> Topics() const;
};

// Creates topics and compares those that are there with what they must be. Blocks; thread-safe.
class KafkaTopics {
 public:
  // UNAVAILABLE: no broker answered within `timeout`. FAILED_PRECONDITION: the wrong cluster.
  static absl::StatusOr<std::unique_ptr<KafkaTopics>> Connect(const KafkaConnection& connection,
                                                              absl::Duration timeout = absl::Seconds(10));
  ~KafkaTopics();

  const std::string& cluster_id() const;

  // Creates what is missing and waits until it can be used; what is there already is left as it is. Returns the names
  // of those it made.
  absl::StatusOr<std::vector<std::string>> Create(const std::vector<KafkaTopic>& topics, absl::Duration timeout);

  // OK: the topic is there and as it must be. NOT_FOUND: it is not there. FAILED_PRECONDITION: another number of
  // partitions, fewer copies, fewer acknowledged copies, another clean-up, shorter retention, too small records, or no
  // identity; the message says what was found, what is needed and what to do.
  absl::Status Check(const KafkaTopic& topic, absl::Duration timeout = absl::Seconds(10));

  // "kafka/<cluster id>/<topic>/<partitions>/<what was drawn when it was created>": see Log::identity().
  absl::StatusOr<std::string> Identity(const std::string& topic, absl::Duration timeout = absl::Seconds(10));

  // For tests and for `assay topics`: removes a topic and all that is in it.
  absl::Status Delete(const std::string& topic, absl::Duration timeout = absl::Seconds(10));

 private:
  class Core;
  explicit KafkaTopics(std::unique_ptr<Core> core);
  const std::unique_ptr<Core> core_;
};

// Why a consumer that has applied everything before `applied` of `log`'s partition under the name `identity` may not go
// on, each with a message of its own: another cluster, another topic, another number of partitions, a re-created topic
// (all FAILED_PRECONDITION); acknowledged records gone from the end (DATA_LOSS); records gone from the start before
// they were applied (OUT_OF_RANGE). An empty `identity` is a consumer's first start.
absl::Status CheckContinuation(Log& log, absl::string_view identity, int32_t partition, Offset applied);

}  // namespace assay::log
