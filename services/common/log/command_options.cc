// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/command_options.h"

#include "absl/strings/ascii.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::log {

int CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return kBadInput;
    case absl::StatusCode::kUnavailable:
      return kUnavailable;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
      return kNotFound;
    default:
      return kOurFault;
  }
}

void AddClusterOptions(CLI::App& command, ClusterOptions& options) {
  command.add_option("--kafka", options.connection.bootstrap_servers, "HOST:PORT[,HOST:PORT…] of any brokers")
      ->required();
  command.add_option("--cluster-id", options.connection.cluster_id, "Refuse a cluster with another id");
  command.add_option("--prefix", options.layout.prefix, "In front of every topic's name");
  command.add_option("--shards", options.layout.shards, "Partitions of the journal, fixed for ever")
      ->capture_default_str();
  command.add_option("--fast-work-partitions", options.layout.fast_work_partitions, "At most so many fast workers")
      ->capture_default_str();
  command.add_option("--slow-work-partitions", options.layout.slow_work_partitions, "At most so many slow workers")
      ->capture_default_str();
  command
      .add_option("--replication", options.layout.replication, "Copies of every record; 1 does not survive a broker")
      ->capture_default_str();
  command.add_option("--tls-ca", options.connection.tls_ca_file, "PEM file; turns TLS on");
  command.add_option("--tls-certificate", options.connection.tls_certificate_file, "PEM file: who we are");
  command.add_option("--tls-key", options.connection.tls_key_file, "PEM file");
  command.add_option("--sasl-user", options.connection.sasl_username, "For SCRAM-SHA-512");
  command.add_option("--sasl-password-file", options.sasl_password_file, "File with the password");
  command.add_option("--timeout", options.timeout_seconds, "Seconds for each step")->capture_default_str();
}

absl::Status ReadPassword(ClusterOptions& options) {
  if (options.sasl_password_file.empty()) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(const std::string password, ReadFile(options.sasl_password_file, 4096));
  options.connection.sasl_password = std::string(absl::StripTrailingAsciiWhitespace(password));
  return absl::OkStatus();
}

}  // namespace assay::log
