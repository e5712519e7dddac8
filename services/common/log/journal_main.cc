// SPDX-License-Identifier: Apache-2.0
// `assay journal`: moves the journal of an embedded installation to Kafka. A program of its own, because nothing but
// this folder may speak to Kafka.
#include <CLI/CLI.hpp>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/log/command_options.h"
#include "services/common/log/embedded_log.h"
#include "services/common/log/journal_copy.h"
#include "services/common/log/kafka_log.h"

namespace assay::log {
namespace {

// Of a data folder: fixed since it was made.
constexpr int32_t kEmbeddedPartitions = 4;

struct CopyOptions : ClusterOptions {
  std::string data;
  std::string to = "kafka";
};

absl::StatusOr<std::unique_ptr<KafkaLog>> OpenTarget(const CopyOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<KafkaTopic> topics, options.layout.Topics());
  KafkaLogOptions target;
  target.connection = options.connection;
  target.request_timeout = absl::Seconds(options.timeout_seconds);
  for (const KafkaTopic& topic : topics) {
    if (topic.name == options.layout.journal()) target.topic = topic;
  }
  return KafkaLog::Open(std::move(target));
}

void PrintDone(const CopyOptions& options, const JournalCopy& copy) {
  int64_t records = 0;
  for (size_t partition = 0; partition < copy.records.size(); ++partition) {
    std::cout << "partition " << partition << "  " << copy.records[partition] << " records, equal\n";
    records += copy.records[partition];
  }
  std::cout << "journal  " << records << " records, " << copy.added << " of them copied now\n\n"
            << "next, before the first service starts:\n"
            << "  cp -a " << options.data << "/blobs/. <blob_directory>     # shared by all services\n"
            << "  cp -a " << options.data
            << "/keys/. <keys_directory>      # gateways and aggregators only, mode 0700\n"
            << "  kafka.shards: " << copy.records.size() << "                              # in every configuration\n"
            << "and do not start a server on " << options.data << " again\n";
}

absl::Status Copy(CopyOptions options) {
  ASSAY_RETURN_IF_ERROR(ReadPassword(options));
  options.layout.shards = kEmbeddedPartitions;
  EmbeddedLogOptions source;
  source.path = options.data + "/journal";
  source.partitions = kEmbeddedPartitions;
  if (!std::filesystem::exists(source.path)) {
    return absl::NotFoundError(absl::StrCat("--data ", options.data, ": no journal is in it; name a data folder"));
  }
  // Not read-only: that opening would not notice a server that still writes.
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<EmbeddedLog> from, EmbeddedLog::Open(std::move(source)));
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaLog> to, OpenTarget(options));
  int64_t said = 0;
  ASSAY_ASSIGN_OR_RETURN(const JournalCopy copy, CopyJournal(*from, *to, [&said](int64_t records) {
                           if (records - said < 10000) return;
                           said = records;
                           std::cerr << records << " records copied or compared\n";
                         }));
  PrintDone(options, copy);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  SetMinimumLogSeverity(LogSeverity::kError);
  CLI::App app("Moves the journal of a data folder to where separate services read it.");
  app.name("assay journal");
  app.require_subcommand(1);
  CopyOptions options;
  CLI::App* copy = app.add_subcommand("copy", "Copy every record of a stopped server's journal, in order, and compare");
  copy->add_option("--data", options.data, "Data folder of a standalone server that was stopped")->required();
  copy->add_option("--to", options.to, "What to copy to")->check(CLI::IsMember({"kafka"}))->capture_default_str();
  AddClusterOptions(*copy, options);
  copy->footer(
      absl::StrCat("The topics must be there: assay topics create --shards ", kEmbeddedPartitions,
                   ", as many as a data folder has. A copy that was\ninterrupted goes on when it is asked for again.\n"
                   "Example: assay journal copy --data ./data --to kafka --kafka broker-1:9092"));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << "error: usage: " << error.what() << "; see assay journal --help\n";
    return kWrongUsage;
  }
  const absl::Status status = Copy(options);
  if (status.ok()) return kDone;
  std::cerr << "error: journal: " << status.message() << "\n";
  return CodeOf(status);
}

}  // namespace
}  // namespace assay::log

int main(int argc, char** argv) { return assay::log::Main(argc, argv); }
