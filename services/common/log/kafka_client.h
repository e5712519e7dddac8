// SPDX-License-Identifier: Apache-2.0
// What the Kafka adapters share: handles of librdkafka, their common settings, and the questions they ask a cluster.
// Internal to this folder: nothing else includes librdkafka.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/log.h"

namespace assay::log::kafka {

template <typename T, void (*Destroy)(T*)>
struct Destroyer {
  void operator()(T* object) const { Destroy(object); }
};
template <typename T, void (*Destroy)(T*)>
using Owned = std::unique_ptr<T, Destroyer<T, Destroy>>;

using Client = Owned<rd_kafka_t, rd_kafka_destroy>;
using Topic = Owned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using Queue = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using Message = Owned<rd_kafka_message_t, rd_kafka_message_destroy>;
using Event = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using Partitions = Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;

// Collects settings and remembers the first that is refused. Give it to Make*() or let it go.
class Settings {
 public:
  // Those every client of ours has, and how it proves who it is.
  explicit Settings(const KafkaConnection& connection);

  Settings& Set(const char* name, const std::string& value);
  rd_kafka_conf_t* conf() { return conf_.get(); }
  // A client of these settings. INVALID_ARGUMENT names the setting that was refused.
  absl::StatusOr<Client> MakeClient(rd_kafka_type_t type) &&;

 private:
  Owned<rd_kafka_conf_t, rd_kafka_conf_destroy> conf_;
  absl::Status status_;
};

// The settings of everything that reads.
Settings ConsumerSettings(const KafkaConnection& connection);

// `error` as a status: UNAVAILABLE where trying again may help, PERMISSION_DENIED where the brokers refuse us.
absl::Status ErrorStatus(rd_kafka_resp_err_t error, absl::string_view what);

// What is left until `deadline`, for librdkafka: at least 1 ms.
int Milliseconds(absl::Time deadline);

// The cluster's id. FAILED_PRECONDITION: it is not the one `connection` demands.
absl::StatusOr<std::string> CheckClusterId(rd_kafka_t* client, const KafkaConnection& connection, absl::Time deadline);

struct TopicDescription {
  int32_t partitions = 0;
  // The fewest copies any partition has.
  int replication = 0;
  // Every partition has a leader just now.
  bool has_leaders = true;
  // Ids of the cluster's living brokers.
  std::vector<int32_t> brokers;
};
// NOT_FOUND: no such topic.
absl::StatusOr<TopicDescription> DescribeTopic(rd_kafka_t* client, const std::string& topic, absl::Time deadline);

enum class Edge { kStart, kEnd };
// The first offset kept, or the one the next record gets, of each of `partitions`. Asks the leaders, and goes on asking
// over a change of leader until `deadline`.
absl::StatusOr<std::vector<Offset>> QueryOffsets(rd_kafka_t* client, const std::string& topic,
                                                 const std::vector<int32_t>& partitions, Edge edge,
                                                 absl::Time deadline);

// A client that asks about a group and is no member of it.
absl::StatusOr<Client> MakeGroupClient(const KafkaConnection& connection, const std::string& group);

// What the client's group has committed of each of `partitions`; -1 where nothing is.
absl::StatusOr<std::vector<Offset>> QueryCommitted(rd_kafka_t* client, const std::string& topic,
                                                   const std::vector<int32_t>& partitions, absl::Time deadline);

}  // namespace assay::log::kafka
