// SPDX-License-Identifier: Apache-2.0
// `assay topics`: creates an installation's topics, compares those that are there with what they must be, or lets
// services use them. A program of its own, because nothing but this folder may speak to Kafka.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/log/command_options.h"
#include "services/common/log/kafka_rights.h"
#include "services/common/log/kafka_topics.h"

namespace assay::log {
namespace {

struct TopicsOptions : ClusterOptions {
  KafkaPrincipals principals;
  bool json = false;
};

struct Finding {
  std::string topic;
  // "created", "ok" or "wrong".
  std::string state;
  std::string reason;
};

void Print(const std::vector<Finding>& findings, bool json) {
  if (!json) {
    for (const Finding& finding : findings) {
      std::cout << finding.state << "  " << finding.topic << (finding.reason.empty() ? "" : ": ") << finding.reason << "\n";
    }
    return;
  }
  std::cout << "{\"topics\": [";
  const char* separator = "";
  for (const Finding& finding : findings) {
    std::cout << separator << "{\"name\": " << JsonQuote(finding.topic) << ", \"state\": " << JsonQuote(finding.state)
              << ", \"reason\": " << JsonQuote(finding.reason) << "}";
    separator = ", ";
  }
  std::cout << "]}\n";
}

// Creates what is missing if asked to, then compares all of it. Says whether everything is as it must be.
absl::StatusOr<bool> Run(TopicsOptions options, bool create) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<KafkaTopic> topics, options.layout.Topics());
  ASSAY_RETURN_IF_ERROR(ReadPassword(options));
  const absl::Duration timeout = absl::Seconds(options.timeout_seconds);
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaTopics> kafka, KafkaTopics::Connect(options.connection, timeout));
  std::vector<std::string> made;
  if (create) {
    ASSAY_ASSIGN_OR_RETURN(made, kafka->Create(topics, timeout));
  }
  std::vector<Finding> findings;
  bool is_right = true;
  for (const KafkaTopic& topic : topics) {
    const absl::Status status = kafka->Check(topic, timeout);
    if (absl::IsUnavailable(status) || absl::IsPermissionDenied(status)) return status;
    const bool is_new = std::find(made.begin(), made.end(), topic.name) != made.end();
    findings.push_back({topic.name, !status.ok() ? "wrong" : is_new ? "created" : "ok", std::string(status.message())});
    is_right = is_right && status.ok();
  }
  Print(findings, options.json);
  return is_right;
}

absl::StatusOr<bool> RunAllow(TopicsOptions options) {
  ASSAY_RETURN_IF_ERROR(options.layout.Topics().status());
  ASSAY_RETURN_IF_ERROR(ReadPassword(options));
  const std::vector<KafkaRight> rights = LeastRights(options.layout, options.principals);
  if (rights.empty()) return absl::InvalidArgumentError("name at least one of --gateway, --aggregator and --evaluator");
  ASSAY_RETURN_IF_ERROR(Allow(options.connection, rights, absl::Seconds(options.timeout_seconds)));
  std::cerr << "allowed: " << rights.size() << " rights\n";
  return true;
}

int Main(int argc, char** argv) {
  SetMinimumLogSeverity(LogSeverity::kError);
  CLI::App app("Creates the Kafka topics of an installation, checks them, or gives rights to them.");
  app.name("assay topics");
  app.require_subcommand(1);
  app.footer("Example: assay topics create --kafka broker-1:9092 --prefix prod.");
  TopicsOptions options;
  CLI::App* create = app.add_subcommand("create", "Create what is missing, then check; what is there stays as it is");
  CLI::App* check = app.add_subcommand("check", "Compare every topic with what it must be; exit code 1: one differs");
  CLI::App* allow = app.add_subcommand("allow", "Give each service the least rights it needs; no topic need be there");
  for (CLI::App* command : {create, check}) {
    AddClusterOptions(*command, options);
    command->add_flag("--json", options.json, "Print one JSON document and nothing else");
    command->footer(absl::StrCat("Example: assay topics ", command->get_name(), " --kafka broker-1:9092 --prefix prod."));
  }
  AddClusterOptions(*allow, options);
  allow->add_option("--gateway", options.principals.gateway, "Whom the brokers take gateways for");
  allow->add_option("--aggregator", options.principals.aggregator, "Whom they take aggregators for");
  allow->add_option("--evaluator", options.principals.evaluator, "Whom they take evaluators for");
  allow->footer(
      "Example: assay topics allow --kafka broker-1:9093 --tls-ca ca.pem --tls-certificate admin.pem --tls-key "
      "admin.key\n"
      "           --gateway User:CN=gateway --aggregator User:CN=aggregator --evaluator User:CN=evaluator");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << "error: usage: " << error.what() << "; see assay topics --help\n";
    return kWrongUsage;
  }
  const absl::StatusOr<bool> is_right = allow->parsed() ? RunAllow(options) : Run(options, create->parsed());
  if (is_right.ok()) return *is_right ? kDone : kNo;
  std::cerr << "error: topics: " << is_right.status().message() << "\n";
  return CodeOf(is_right.status());
}

}  // namespace
}  // namespace assay::log

int main(int argc, char** argv) { return assay::log::Main(argc, argv); }
