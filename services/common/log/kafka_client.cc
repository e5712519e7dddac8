// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::log::kafka {
namespace {

void WriteLog(const rd_kafka_t*, int level, const char* facility, const char* text) {
  // Its levels are those of syslog.
  ::assay::Log(level <= 3 ? LogSeverity::kWarning : LogSeverity::kInfo, "kafka client",
               {{"facility", facility}, {"text", text}});
}

bool MayRecover(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
      return true;
    default:
      return false;
  }
}

}  // namespace

Settings::Settings(const KafkaConnection& connection) : conf_(rd_kafka_conf_new()) {
  rd_kafka_conf_set_log_cb(conf_.get(), WriteLog);
  Set("bootstrap.servers", connection.bootstrap_servers).Set("client.id", connection.client_id);
  // Small requests must leave at once, and a half-open connection must be noticed.
  Set("socket.nagle.disable", "true").Set("socket.keepalive.enable", "true").Set("socket.timeout.ms", "10000");
  Set("socket.connection.setup.timeout.ms", "5000");
  Set("reconnect.backoff.ms", "50").Set("reconnect.backoff.max.ms", "1000").Set("log.connection.close", "false");
  Set("topic.metadata.refresh.fast.interval.ms", "100").Set("allow.auto.create.topics", "false");
  const bool tls = !connection.tls_ca_file.empty();
  const bool sasl = !connection.sasl_username.empty();
  if (sasl && !tls && !connection.allow_sasl_without_tls) {
    status_ = absl::InvalidArgumentError("kafka: sasl_username is set without tls_ca_file; passwords go over TLS only");
    return;
  }
  Set("security.protocol", absl::StrCat(sasl ? "sasl_" : "", tls ? "ssl" : "plaintext"));
  if (tls) Set("ssl.ca.location", connection.tls_ca_file).Set("ssl.endpoint.identification.algorithm", "https");
  if (!connection.tls_certificate_file.empty()) Set("ssl.certificate.location", connection.tls_certificate_file);
  if (!connection.tls_key_file.empty()) Set("ssl.key.location", connection.tls_key_file);
  if (sasl) {
    Set("sasl.mechanisms", "SCRAM-SHA-512").Set("sasl.username", connection.sasl_username);
    Set("sasl.password", connection.sasl_password);
  }
}

Settings& Settings::Set(const char* name, const std::string& value) {
  char reason[256];
  if (rd_kafka_conf_set(conf_.get(), name, value.c_str(), reason, sizeof(reason)) != RD_KAFKA_CONF_OK && status_.ok()) {
    status_ = absl::InvalidArgumentError(absl::StrCat("kafka: ", name, ": ", reason));
  }
  return *this;
}

absl::StatusOr<Client> Settings::MakeClient(rd_kafka_type_t type) && {
  ASSAY_RETURN_IF_ERROR(status_);
  char reason[256];
  rd_kafka_t* client = rd_kafka_new(type, conf_.get(), reason, sizeof(reason));
  // It keeps the settings only when it succeeds.
  if (client == nullptr) return absl::InvalidArgumentError(absl::StrCat("kafka: ", reason));
  (void)conf_.release();
  return Client(client);
}

Settings ConsumerSettings(const KafkaConnection& connection) {
  Settings settings(connection);
  settings.Set("enable.auto.commit", "false").Set("enable.auto.offset.store", "false").Set("check.crcs", "true");
  settings.Set("fetch.wait.max.ms", "10").Set("fetch.error.backoff.ms", "50");
  return settings;
}

absl::Status ErrorStatus(rd_kafka_resp_err_t error, absl::string_view what) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  const std::string message = absl::StrCat("kafka: ", what, ": ", rd_kafka_err2str(error));
  if (MayRecover(error)) return absl::UnavailableError(message);
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return absl::NotFoundError(message);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return absl::PermissionDeniedError(message);
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
      return absl::InvalidArgumentError(message);
    default:
      return absl::FailedPreconditionError(message);
  }
}

int Milliseconds(absl::Time deadline) {
  constexpr absl::Duration kLongest = absl::Hours(1);
  return static_cast<int>(
      absl::ToInt64Milliseconds(std::clamp(deadline - absl::Now(), absl::Milliseconds(1), kLongest)));
}

absl::StatusOr<std::string> CheckClusterId(rd_kafka_t* client, const KafkaConnection& connection, absl::Time deadline) {
  char* found = rd_kafka_clusterid(client, Milliseconds(deadline));
  if (found == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("kafka: ", connection.bootstrap_servers, " does not answer; is it a broker, and is it up?"));
  }
  std::string id = found;
  rd_kafka_mem_free(client, found);
  if (connection.cluster_id.empty() || id == connection.cluster_id) return id;
  return absl::FailedPreconditionError(absl::StrCat("kafka: wrong cluster: ", connection.bootstrap_servers,
                                                    " belongs to cluster ", id, ", expected ", connection.cluster_id));
}

absl::StatusOr<TopicDescription> DescribeTopic(rd_kafka_t* client, const std::string& topic, absl::Time deadline) {
  const Topic handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
  if (handle == nullptr) return ErrorStatus(rd_kafka_last_error(), absl::StrCat("topic ", topic));
  const rd_kafka_metadata_t* raw = nullptr;
  ASSAY_RETURN_IF_ERROR(ErrorStatus(rd_kafka_metadata(client, 0, handle.get(), &raw, Milliseconds(deadline)),
                                    absl::StrCat("topic ", topic)));
  const std::unique_ptr<const rd_kafka_metadata_t, void (*)(const rd_kafka_metadata_t*)> metadata(
      raw, rd_kafka_metadata_destroy);
  if (metadata->topic_cnt != 1) return absl::NotFoundError(absl::StrCat("kafka: topic ", topic, ": it does not exist"));
  const rd_kafka_metadata_topic_t& found = metadata->topics[0];
  ASSAY_RETURN_IF_ERROR(ErrorStatus(found.err, absl::StrCat("topic ", topic)));
  TopicDescription description;
  for (int i = 0; i < metadata->broker_cnt; ++i) description.brokers.push_back(metadata->brokers[i].id);
  description.partitions = found.partition_cnt;
  for (int i = 0; i < found.partition_cnt; ++i) {
    const rd_kafka_metadata_partition_t& partition = found.partitions[i];
    description.replication =
        i == 0 ? partition.replica_cnt : std::min(description.replication, partition.replica_cnt);
    if (partition.leader < 0) description.has_leaders = false;
  }
  return description;
}

absl::StatusOr<std::vector<Offset>> QueryOffsets(rd_kafka_t* client, const std::string& topic,
                                                 const std::vector<int32_t>& partitions, Edge edge,
                                                 absl::Time deadline) {
  // The watermark query of this librdkafka ignores its time limit and keeps asking a leader that is gone.
  for (;;) {
    const Partitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
    for (const int32_t partition : partitions) {
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset =
          edge == Edge::kStart ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
    }
    const absl::Time attempt_deadline = std::min(deadline, absl::Now() + absl::Seconds(5));
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, list.get(), Milliseconds(attempt_deadline));
    std::vector<Offset> offsets;
    for (int i = 0; i < list->cnt; ++i) {
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = list->elems[i].err;
      // Without an answer the question stays there.
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset < 0) error = RD_KAFKA_RESP_ERR__TIMED_OUT;
      offsets.push_back(list->elems[i].offset);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return offsets;
    const absl::Status status = ErrorStatus(error, absl::StrCat("offsets of ", topic));
    if (!absl::IsUnavailable(status) || absl::Now() >= deadline) return status;
    // Also renews what is known of the leaders.
    ASSAY_RETURN_IF_ERROR(DescribeTopic(client, topic, deadline).status());
  }
}

absl::StatusOr<Client> MakeGroupClient(const KafkaConnection& connection, const std::string& group) {
  Settings settings = ConsumerSettings(connection);
  settings.Set("group.id", group);
  return std::move(settings).MakeClient(RD_KAFKA_CONSUMER);
}

absl::StatusOr<std::vector<Offset>> QueryCommitted(rd_kafka_t* client, const std::string& topic,
                                                   const std::vector<int32_t>& partitions, absl::Time deadline) {
  // Not rd_kafka_ListConsumerGroupOffsets: in this librdkafka a group whose coordinator is not ready yet, as in a new
  // cluster, ends the process there.
  const Partitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const int32_t partition : partitions) rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
  const std::string what = absl::StrCat("committed offsets of ", topic);
  ASSAY_RETURN_IF_ERROR(ErrorStatus(rd_kafka_committed(client, list.get(), Milliseconds(deadline)), what));
  std::vector<Offset> committed;
  for (int i = 0; i < list->cnt; ++i) {
    ASSAY_RETURN_IF_ERROR(ErrorStatus(list->elems[i].err, what));
    committed.push_back(std::max<Offset>(list->elems[i].offset, -1));
  }
  return committed;
}

}  // namespace assay::log::kafka
