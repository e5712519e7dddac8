// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_topics.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/digest.h"
#include "services/common/base/status_macros.h"
#include "services/common/log/kafka_client.h"

namespace assay::log {
namespace {

using kafka::ErrorStatus;
using kafka::Milliseconds;

constexpr int32_t kMaxPartitions = 1024;
// Of what Kafka counts towards a record's size beyond key and value.
constexpr size_t kRecordOverhead = 1024;
// A topic that is never compacted does not use this setting, and it lives and dies with the topic: what was drawn for
// it when the topic was made tells it from every other topic of its name.
constexpr char kIdentitySetting[] = "max.compaction.lag.ms";
// No one sets a lag of ages by hand, so anything above was drawn.
constexpr int64_t kSmallestIdentity = int64_t{1} << 60;

using Settings = std::map<std::string, std::string>;

std::string RetentionMilliseconds(absl::Duration retention) {
  return retention == absl::InfiniteDuration() ? "-1" : absl::StrCat(absl::ToInt64Milliseconds(retention));
}

int InSyncCopies(const KafkaTopic& topic) { return std::max(1, topic.replication - 1); }

int64_t DrawIdentity() {
  const std::string bytes = RandomBytes(sizeof(int64_t));
  uint64_t drawn = 0;
  std::memcpy(&drawn, bytes.data(), sizeof(drawn));
  return static_cast<int64_t>(drawn >> 3) | kSmallestIdentity;
}

Settings CreationSettings(const KafkaTopic& topic) {
  Settings settings = {
      {"cleanup.policy", topic.compacted ? "compact" : "delete"},
      {"min.insync.replicas", absl::StrCat(InSyncCopies(topic))},
      {"unclean.leader.election.enable", "false"},
      {"max.message.bytes", "1048588"},
  };
  if (topic.compacted) {
    if (topic.retention != absl::InfiniteDuration()) {
      settings["delete.retention.ms"] = RetentionMilliseconds(topic.retention);
    }
  } else {
    settings["retention.ms"] = RetentionMilliseconds(topic.retention);
    settings["retention.bytes"] = "-1";
  }
  if (topic.has_identity) settings[kIdentitySetting] = absl::StrCat(DrawIdentity());
  return settings;
}

absl::StatusOr<int64_t> Number(const Settings& settings, const std::string& name) {
  const auto it = settings.find(name);
  int64_t value = 0;
  if (it == settings.end() || !absl::SimpleAtoi(it->second, &value)) {
    return absl::FailedPreconditionError(absl::StrCat("the brokers do not tell its ", name));
  }
  return value;
}

// What must hold of the settings a topic has.
absl::Status CheckSettings(const KafkaTopic& topic, const Settings& found) {
  ASSAY_ASSIGN_OR_RETURN(const int64_t in_sync, Number(found, "min.insync.replicas"));
  if (in_sync < InSyncCopies(topic)) {
    return absl::FailedPreconditionError(absl::StrCat("min.insync.replicas is ", in_sync, ", ", InSyncCopies(topic),
                                                      " is needed: records could be acknowledged with too few copies"));
  }
  const auto policy = found.find("cleanup.policy");
  const char* const needed = topic.compacted ? "compact" : "delete";
  if (policy == found.end() || policy->second != needed) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cleanup.policy is ", policy == found.end() ? "unknown" : policy->second, ", ", needed, " is needed"));
  }
  const auto unclean = found.find("unclean.leader.election.enable");
  if (unclean == found.end() || unclean->second != "false") {
    return absl::FailedPreconditionError(
        "unclean.leader.election.enable is true, false is needed: a broker that is behind could drop records");
  }
  ASSAY_ASSIGN_OR_RETURN(const int64_t record_bytes, Number(found, "max.message.bytes"));
  if (record_bytes < static_cast<int64_t>(Log::kMaxRecordBytes + kRecordOverhead)) {
    return absl::FailedPreconditionError(absl::StrCat("max.message.bytes is ", record_bytes, ", at least ",
                                                      Log::kMaxRecordBytes + kRecordOverhead, " is needed"));
  }
  if (topic.compacted) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(const int64_t retention, Number(found, "retention.ms"));
  const bool is_endless = topic.retention == absl::InfiniteDuration();
  if (retention != -1 && (is_endless || retention < absl::ToInt64Milliseconds(topic.retention))) {
    return absl::FailedPreconditionError(
        absl::StrCat("retention.ms is ", retention, ", at least ", RetentionMilliseconds(topic.retention),
                     " is needed (-1: for ever): records would go before they are used"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<KafkaTopic>> KafkaTopicLayout::Topics() const {
  for (const char c : prefix) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-') continue;
    return absl::InvalidArgumentError(
        absl::StrCat("prefix: \"", prefix, "\"; letters, digits, '.', '_' and '-' are allowed"));
  }
  if (prefix.size() > 100) return absl::InvalidArgumentError("prefix: at most 100 characters are allowed");
  const auto check = [](absl::string_view field, int32_t value, int32_t most) {
    if (value >= 1 && value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, "; 1 to ", most, " are allowed"));
  };
  ASSAY_RETURN_IF_ERROR(check("shards", shards, kMaxPartitions));
  ASSAY_RETURN_IF_ERROR(check("fast_work_partitions", fast_work_partitions, kMaxPartitions));
  ASSAY_RETURN_IF_ERROR(check("slow_work_partitions", slow_work_partitions, kMaxPartitions));
  ASSAY_RETURN_IF_ERROR(check("replication", replication, 9));
  const absl::Duration day = absl::Hours(24);
  const auto name = [this](absl::string_view area) { return absl::StrCat(prefix, "assay.", area, ".v1"); };
  std::vector<KafkaTopic> topics = {
      {journal(), shards, replication, false, 35 * day, true},
      {work("fast"), fast_work_partitions, replication, false, 3 * day},
      {work("slow"), slow_work_partitions, replication, false, 3 * day},
      {readiness(), 12, replication, true, 7 * day, true},
      {name("rollup"), 6, replication, true, 7 * day},
      {owners(), 1, replication, true, 7 * day, true},
      {catalog(), 1, replication, true, 7 * day, true},
      {name("dlq"), 6, replication, false, 30 * day},
      {name("audit"), shards, replication, false, 365 * day, true},
  };
  return topics;
}

class KafkaTopics::Core {
 public:
  static absl::StatusOr<std::unique_ptr<Core>> Connect(const KafkaConnection& connection, absl::Time deadline) {
    ASSAY_ASSIGN_OR_RETURN(kafka::Client client, kafka::Settings(connection).MakeClient(RD_KAFKA_PRODUCER));
    ASSAY_ASSIGN_OR_RETURN(std::string cluster_id, kafka::CheckClusterId(client.get(), connection, deadline));
    return std::make_unique<Core>(std::move(client), std::move(cluster_id));
  }
  Core(kafka::Client client, std::string cluster_id)
      : client_(std::move(client)), cluster_id_(std::move(cluster_id)) {}

  rd_kafka_t* client() { return client_.get(); }
  const std::string& cluster_id() const { return cluster_id_; }

  absl::Status CreateOne(const KafkaTopic& topic, absl::Time deadline);
  absl::Status AwaitUsable(const KafkaTopic& topic, absl::Time deadline);
  absl::StatusOr<bool> IsUsable(const KafkaTopic& topic, absl::Time deadline);
  // As `broker` knows them; less than 0: any broker.
  absl::StatusOr<Settings> DescribeSettings(const std::string& topic, absl::Time deadline, int32_t broker = -1);
  absl::Status Delete(const std::string& topic, absl::Time deadline);

 private:
  using AdminOptions = kafka::Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;

  AdminOptions Options(rd_kafka_admin_op_t operation, absl::Time deadline) {
    AdminOptions options(rd_kafka_AdminOptions_new(client_.get(), operation));
    char reason[64];
    rd_kafka_AdminOptions_set_request_timeout(options.get(), Milliseconds(deadline), reason, sizeof(reason));
    return options;
  }
  // The answer to what was asked with `queue` as its address.
  static absl::StatusOr<kafka::Event> Await(rd_kafka_queue_t* queue, absl::string_view what, absl::Time deadline) {
    kafka::Event event(rd_kafka_queue_poll(queue, Milliseconds(deadline + absl::Seconds(1))));
    if (event == nullptr) return absl::UnavailableError(absl::StrCat("kafka: ", what, ": no answer in time"));
    ASSAY_RETURN_IF_ERROR(ErrorStatus(rd_kafka_event_error(event.get()), what));
    return event;
  }
  static absl::Status ResultOf(const rd_kafka_topic_result_t** results, size_t count, absl::string_view what) {
    if (count != 1) return absl::InternalError(absl::StrCat("kafka: ", what, ": ", count, " results"));
    const absl::Status status = ErrorStatus(rd_kafka_topic_result_error(results[0]), what);
    const char* reason = rd_kafka_topic_result_error_string(results[0]);
    if (status.ok() || reason == nullptr) return status;
    return absl::Status(status.code(), absl::StrCat(status.message(), ": ", reason));
  }

  const kafka::Client client_;
  const std::string cluster_id_;
};

absl::Status KafkaTopics::Core::CreateOne(const KafkaTopic& topic, absl::Time deadline) {
  const std::string what = absl::StrCat("create topic ", topic.name);
  char reason[256];
  const kafka::Owned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy> request(
      rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replication, reason, sizeof(reason)));
  if (request == nullptr) return absl::InvalidArgumentError(absl::StrCat("kafka: ", what, ": ", reason));
  for (const auto& [name, value] : CreationSettings(topic)) {
    ASSAY_RETURN_IF_ERROR(ErrorStatus(rd_kafka_NewTopic_set_config(request.get(), name.c_str(), value.c_str()), what));
  }
  const kafka::Queue queue(rd_kafka_queue_new(client()));
  const AdminOptions options = Options(RD_KAFKA_ADMIN_OP_CREATETOPICS, deadline);
  rd_kafka_NewTopic_t* requests[] = {request.get()};
  rd_kafka_CreateTopics(client(), requests, 1, options.get(), queue.get());
  ASSAY_ASSIGN_OR_RETURN(const kafka::Event event, Await(queue.get(), what, deadline));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  if (count == 1 && rd_kafka_topic_result_error(results[0]) == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return absl::AlreadyExistsError(what);
  }
  return ResultOf(results, count, what);
}

absl::StatusOr<bool> KafkaTopics::Core::IsUsable(const KafkaTopic& topic, absl::Time deadline) {
  const absl::StatusOr<kafka::TopicDescription> found = kafka::DescribeTopic(client(), topic.name, deadline);
  if (absl::IsNotFound(found.status()) || absl::IsUnavailable(found.status())) return false;
  ASSAY_RETURN_IF_ERROR(found.status());
  if (found->partitions == 0 || !found->has_leaders) return false;
  // Brokers tell each other of a new topic; until then some would say that it does not exist.
  for (const int32_t broker : found->brokers) {
    const absl::Status status = DescribeSettings(topic.name, deadline, broker).status();
    if (absl::IsNotFound(status) || absl::IsUnavailable(status)) return false;
    ASSAY_RETURN_IF_ERROR(status);
  }
  return true;
}

absl::Status KafkaTopics::Core::AwaitUsable(const KafkaTopic& topic, absl::Time deadline) {
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const bool is_usable, IsUsable(topic, deadline));
    if (is_usable) return absl::OkStatus();
    if (absl::Now() >= deadline) {
      return absl::UnavailableError(absl::StrCat("kafka: topic ", topic.name, " cannot be used yet"));
    }
    // Nothing announces it.
    absl::SleepFor(absl::Milliseconds(20));
  }
}

absl::StatusOr<Settings> KafkaTopics::Core::DescribeSettings(const std::string& topic, absl::Time deadline,
                                                             int32_t broker) {
  const std::string what = absl::StrCat("settings of topic ", topic);
  const kafka::Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  const kafka::Queue queue(rd_kafka_queue_new(client()));
  const AdminOptions options = Options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, deadline);
  char reason[64];
  if (broker >= 0) rd_kafka_AdminOptions_set_broker(options.get(), broker, reason, sizeof(reason));
  rd_kafka_ConfigResource_t* resources[] = {resource.get()};
  rd_kafka_DescribeConfigs(client(), resources, 1, options.get(), queue.get());
  ASSAY_ASSIGN_OR_RETURN(const kafka::Event event, Await(queue.get(), what, deadline));
  size_t count = 0;
  const rd_kafka_ConfigResource_t** results =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  if (count != 1) return absl::InternalError(absl::StrCat("kafka: ", what, ": ", count, " results"));
  ASSAY_RETURN_IF_ERROR(ErrorStatus(rd_kafka_ConfigResource_error(results[0]), what));
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(results[0], &count);
  Settings settings;
  for (size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    settings[rd_kafka_ConfigEntry_name(entries[i])] = value == nullptr ? "" : value;
  }
  return settings;
}

absl::Status KafkaTopics::Core::Delete(const std::string& topic, absl::Time deadline) {
  const std::string what = absl::StrCat("delete topic ", topic);
  const kafka::Owned<rd_kafka_DeleteTopic_t, rd_kafka_DeleteTopic_destroy> request(
      rd_kafka_DeleteTopic_new(topic.c_str()));
  const kafka::Queue queue(rd_kafka_queue_new(client()));
  const AdminOptions options = Options(RD_KAFKA_ADMIN_OP_DELETETOPICS, deadline);
  rd_kafka_DeleteTopic_t* requests[] = {request.get()};
  rd_kafka_DeleteTopics(client(), requests, 1, options.get(), queue.get());
  ASSAY_ASSIGN_OR_RETURN(const kafka::Event event, Await(queue.get(), what, deadline));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  return ResultOf(results, count, what);
}

KafkaTopics::KafkaTopics(std::unique_ptr<Core> core) : core_(std::move(core)) {}
KafkaTopics::~KafkaTopics() = default;

absl::StatusOr<std::unique_ptr<KafkaTopics>> KafkaTopics::Connect(const KafkaConnection& connection,
                                                                  absl::Duration timeout) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<Core> core, Core::Connect(connection, absl::Now() + timeout));
  return std::unique_ptr<KafkaTopics>(new KafkaTopics(std::move(core)));
}

const std::string& KafkaTopics::cluster_id() const { return core_->cluster_id(); }

absl::StatusOr<std::vector<std::string>> KafkaTopics::Create(const std::vector<KafkaTopic>& topics,
                                                             absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  std::vector<std::string> made;
  for (const KafkaTopic& topic : topics) {
    const absl::Status status = core_->CreateOne(topic, deadline);
    if (status.ok()) made.push_back(topic.name);
    if (!status.ok() && !absl::IsAlreadyExists(status)) return status;
  }
  for (const KafkaTopic& topic : topics) ASSAY_RETURN_IF_ERROR(core_->AwaitUsable(topic, deadline));
  return made;
}

absl::Status KafkaTopics::Check(const KafkaTopic& topic, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const absl::StatusOr<kafka::TopicDescription> found = kafka::DescribeTopic(core_->client(), topic.name, deadline);
  if (absl::IsNotFound(found.status())) {
    return absl::NotFoundError(
        absl::StrCat("kafka: topic ", topic.name, " does not exist; `assay topics create` makes it"));
  }
  ASSAY_RETURN_IF_ERROR(found.status());
  const std::string what = absl::StrCat("kafka: topic ", topic.name);
  if (found->partitions != topic.partitions) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": wrong partition count: it has ", found->partitions, ", ", topic.partitions,
                     " are configured; the count is fixed once records are there"));
  }
  if (found->replication < topic.replication) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": replication is ", found->replication, ", at least ",
                                                      topic.replication, " is configured; reassign its replicas"));
  }
  ASSAY_ASSIGN_OR_RETURN(const Settings settings, core_->DescribeSettings(topic.name, deadline));
  ASSAY_RETURN_IF_ERROR(Annotate(CheckSettings(topic, settings), what));
  if (!topic.has_identity) return absl::OkStatus();
  return Identity(topic.name, timeout).status();
}

absl::StatusOr<std::string> KafkaTopics::Identity(const std::string& topic, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  ASSAY_ASSIGN_OR_RETURN(const kafka::TopicDescription found,
                         kafka::DescribeTopic(core_->client(), topic, deadline));
  ASSAY_ASSIGN_OR_RETURN(const Settings settings, core_->DescribeSettings(topic, deadline));
  ASSAY_ASSIGN_OR_RETURN(const int64_t drawn, Number(settings, kIdentitySetting));
  if (drawn < kSmallestIdentity || drawn == INT64_MAX) {
    return absl::FailedPreconditionError(absl::StrCat("kafka: topic ", topic, " has no identity (", kIdentitySetting,
                                                      " is ", drawn,
                                                      "), so it was not made by `assay topics create`; delete it if "
                                                      "it is empty, and let that command make it"));
  }
  return absl::StrCat("kafka/", core_->cluster_id(), "/", topic, "/", found.partitions, "/", absl::Hex(drawn));
}

absl::Status KafkaTopics::Delete(const std::string& topic, absl::Duration timeout) {
  return core_->Delete(topic, absl::Now() + timeout);
}

absl::Status CheckContinuation(Log& log, absl::string_view identity, int32_t partition, Offset applied) {
  if (!identity.empty() && identity != log.identity()) {
    const std::string now = log.identity();
    const std::vector<absl::string_view> expected = absl::StrSplit(identity, '/');
    const std::vector<absl::string_view> found = absl::StrSplit(now, '/');
    const absl::string_view reasons[] = {"another kind of log", "wrong cluster", "another topic",
                                         "wrong partition count", "the topic was deleted and created again"};
    size_t part = 0;
    while (part + 1 < std::size(reasons) && part < expected.size() && part < found.size() &&
           expected[part] == found[part]) {
      ++part;
    }
    return absl::FailedPreconditionError(absl::StrCat("log: ", reasons[part], ": it is ", now, ", positions belong to ",
                                                      identity, "; restore what belongs together"));
  }
  ASSAY_ASSIGN_OR_RETURN(const Offset end, log.EndOffset(partition));
  if (applied > end) {
    return absl::DataLossError(absl::StrCat("log: partition ", partition, " is truncated: it ends at offset ", end,
                                            " although everything before ", applied, " was read from it"));
  }
  ASSAY_ASSIGN_OR_RETURN(const Offset start, log.StartOffset(partition));
  if (applied < start) {
    return absl::OutOfRangeError(absl::StrCat("log: partition ", partition, " starts at offset ", start,
                                              ": retention dropped what lies between that and ", applied,
                                              "; restore a newer backup"));
  }
  return absl::OkStatus();
}

}  // namespace assay::log
