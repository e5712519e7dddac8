// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_configuration.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::log {
namespace {

constexpr size_t kMaxInstanceBytes = 64;
constexpr uint64_t kMaxPasswordBytes = 4096;
constexpr absl::Duration kPauseBetweenTries = absl::Milliseconds(200);

absl::Status CheckIdentity(const config::v1::Kafka& config) {
  if (config.tls_certificate_file().empty() != config.tls_key_file().empty()) {
    return absl::InvalidArgumentError(
        "kafka.tls_certificate_file and kafka.tls_key_file belong together; give both or neither");
  }
  if (!config.tls_key_file().empty() && config.tls_ca_file().empty()) {
    return absl::InvalidArgumentError("kafka.tls_ca_file: is missing, and a client certificate needs it");
  }
  if (config.sasl_username().empty() != config.sasl_password_file().empty()) {
    return absl::InvalidArgumentError(
        "kafka.sasl_username and kafka.sasl_password_file belong together; give both or neither");
  }
  if (!config.sasl_username().empty() && config.tls_ca_file().empty()) {
    return absl::InvalidArgumentError("kafka.tls_ca_file: is missing; a password is sent over TLS alone");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadPassword(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("kafka.sasl_password_file: ", path));
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("kafka.sasl_password_file: others may read ", path, "; chmod 600 it"));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string password, ReadFile(path, kMaxPasswordBytes));
  return std::string(absl::StripTrailingAsciiWhitespace(password));
}

// `fallback` for 0. What does not fit becomes too large to pass the check of the layout.
int32_t Count(uint32_t value, int32_t fallback) {
  return value == 0 ? fallback : static_cast<int32_t>(std::min<uint32_t>(value, INT32_MAX));
}

template <typename Opened, typename Options>
absl::StatusOr<std::unique_ptr<Opened>> OpenPatiently(const Options& options, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  bool said = false;
  for (;;) {
    absl::StatusOr<std::unique_ptr<Opened>> opened = Opened::Open(options);
    if (!absl::IsUnavailable(opened.status()) || absl::Now() >= deadline) return opened;
    if (!said) LogWarning("waiting for Kafka", {{"status", opened.status().ToString()}});
    said = true;
    absl::SleepFor(kPauseBetweenTries);
  }
}

}  // namespace

absl::StatusOr<KafkaConfiguration> KafkaConfiguration::Create(const config::v1::Kafka& config,
                                                              absl::string_view client) {
  if (config.bootstrap_servers().empty()) {
    return absl::InvalidArgumentError("kafka.bootstrap_servers: is missing; \"host:port\" of any broker is needed");
  }
  ASSAY_RETURN_IF_ERROR(CheckIdentity(config));
  KafkaConnection connection;
  connection.bootstrap_servers = config.bootstrap_servers();
  connection.client_id = absl::StrCat("assay-", client);
  connection.cluster_id = config.cluster_id();
  connection.tls_ca_file = config.tls_ca_file();
  connection.tls_certificate_file = config.tls_certificate_file();
  connection.tls_key_file = config.tls_key_file();
  connection.sasl_username = config.sasl_username();
  if (!config.sasl_password_file().empty()) {
    ASSAY_ASSIGN_OR_RETURN(connection.sasl_password, ReadPassword(config.sasl_password_file()));
  }
  KafkaTopicLayout topics;
  topics.prefix = config.topic_prefix();
  topics.shards = Count(config.shards(), topics.shards);
  topics.fast_work_partitions = Count(config.fast_work_partitions(), topics.fast_work_partitions);
  topics.slow_work_partitions = Count(config.slow_work_partitions(), topics.slow_work_partitions);
  topics.replication = Count(config.replication(), topics.replication);
  const absl::Status checked = topics.Topics().status();
  // The layout calls our topic_prefix its prefix; all other fields have one name.
  const char* const group = absl::StartsWith(checked.message(), "prefix:") ? "kafka.topic_" : "kafka.";
  if (!checked.ok()) return absl::InvalidArgumentError(absl::StrCat(group, checked.message()));
  return KafkaConfiguration(std::move(connection), std::move(topics));
}

KafkaTopic KafkaConfiguration::FindTopic(absl::string_view name) const {
  // Create() saw that they are sound.
  const std::vector<KafkaTopic> all = topics_.Topics().value();
  return *std::find_if(all.begin(), all.end(), [name](const KafkaTopic& topic) { return topic.name == name; });
}

KafkaLogOptions KafkaConfiguration::LogOptions(absl::string_view topic) const {
  KafkaLogOptions options;
  options.connection = connection_;
  options.topic = FindTopic(topic);
  return options;
}

KafkaWorkQueueOptions KafkaConfiguration::work_queue() const {
  KafkaWorkQueueOptions options;
  options.connection = connection_;
  for (const char* lane : {"fast", "slow"}) options.lanes.push_back({lane, FindTopic(topics_.work(lane))});
  return options;
}

absl::StatusOr<std::unique_ptr<KafkaLog>> OpenWhenServed(const KafkaLogOptions& options, absl::Duration patience) {
  return OpenPatiently<KafkaLog>(options, patience);
}

absl::StatusOr<std::unique_ptr<KafkaWorkQueue>> OpenWhenServed(const KafkaWorkQueueOptions& options,
                                                               absl::Duration patience) {
  return OpenPatiently<KafkaWorkQueue>(options, patience);
}

absl::Status CheckInstanceName(absl::string_view instance) {
  const bool has_right_letters = std::all_of(instance.begin(), instance.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '-';
  });
  if (has_right_letters && !instance.empty() && instance.size() <= kMaxInstanceBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("instance: \"", instance, "\"; 1 to ", kMaxInstanceBytes, " of a-z, 0-9 and - are allowed"));
}

}  // namespace assay::log
