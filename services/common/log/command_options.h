// SPDX-License-Identifier: Apache-2.0
// What the programs of this folder (`assay topics`, `assay journal`) have in common on the command line.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "absl/status/status.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/kafka_topics.h"

namespace assay::log {

// As everywhere in `assay`.
enum ExitCode { kDone = 0, kNo = 1, kWrongUsage = 2, kBadInput = 3, kUnavailable = 4, kNotFound = 5, kOurFault = 70 };
int CodeOf(const absl::Status& status);

struct ClusterOptions {
  KafkaConnection connection;
  KafkaTopicLayout layout;
  std::string sasl_password_file;
  double timeout_seconds = 60;
};

// Where the cluster is, as whom it is used, and which topics are meant.
void AddClusterOptions(CLI::App& command, ClusterOptions& options);
// Fills in the password, if there is a file of it.
absl::Status ReadPassword(ClusterOptions& options);

}  // namespace assay::log
