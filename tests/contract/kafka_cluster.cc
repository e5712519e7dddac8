// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/kafka_cluster.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/digest.h"

namespace assay::testing {
namespace {

[[noreturn]] void GiveUp(const std::string& why) {
  std::fprintf(stderr, "This test needs Kafka and has none: %s\n", why.c_str());
  std::_Exit(1);
}

// What `command` writes to its standard output. Its errors go to ours.
std::string Run(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) GiveUp(absl::StrCat("cannot run ", command));
  std::string output;
  char buffer[4096];
  for (size_t got = 0; (got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) output.append(buffer, got);
  if (pclose(pipe) != 0) GiveUp(absl::StrCat("failed: ", command));
  return output;
}

}  // namespace

KafkaCluster::KafkaCluster(int nodes, std::string certificates)
    : nodes_(nodes), certificates_(std::move(certificates)) {
  const std::string tls = certificates_.empty() ? "" : " --tls " + certificates_;
  bootstrap_servers_ = std::string(absl::StripSuffix(
      Run(absl::StrCat("tools/kafka/kafka up --nodes ", nodes, tls, " --while ", getpid(), " --dir ", dir_ / "kafka")),
      "\n"));
  Connect();
}

KafkaCluster::KafkaCluster(Existing existing)
    : is_ours_(false),
      nodes_(static_cast<int>(std::count(existing.bootstrap_servers.begin(), existing.bootstrap_servers.end(), ',')) +
             1),
      bootstrap_servers_(std::move(existing.bootstrap_servers)) {
  Connect();
}

KafkaCluster::~KafkaCluster() {
  topics_.reset();
  if (is_ours_) Run(absl::StrCat("tools/kafka/kafka down --now --wipe --dir ", dir_ / "kafka"));
}

void KafkaCluster::Connect() {
  absl::StatusOr<std::unique_ptr<log::KafkaTopics>> topics = log::KafkaTopics::Connect(connection(), absl::Seconds(60));
  if (!topics.ok()) GiveUp(topics.status().ToString());
  topics_ = *std::move(topics);
}

KafkaCluster& KafkaCluster::Shared(int nodes) {
  // Goes after the last test, before the end of the process.
  static auto* const clusters = new std::map<int, std::unique_ptr<KafkaCluster>>;
  class Teardown final : public ::testing::Environment {
   public:
    void TearDown() override { clusters->clear(); }
  };
  static const auto* const teardown = ::testing::AddGlobalTestEnvironment(new Teardown);
  (void)teardown;
  std::unique_ptr<KafkaCluster>& cluster = (*clusters)[nodes];
  if (cluster == nullptr) {
    const char* existing = std::getenv("ASSAY_KAFKA");
    cluster.reset(existing == nullptr ? new KafkaCluster(nodes) : new KafkaCluster(Existing{existing}));
  }
  return *cluster;
}

log::KafkaConnection KafkaCluster::connection(const std::string& name) const {
  log::KafkaConnection connection;
  connection.bootstrap_servers = bootstrap_servers_;
  if (!certificates_.empty()) {
    connection.tls_ca_file = certificates_ + "/authority.pem";
    connection.tls_certificate_file = absl::StrCat(certificates_, "/", name, ".pem");
    connection.tls_key_file = absl::StrCat(certificates_, "/", name, ".key");
  }
  return connection;
}

std::string KafkaCluster::NewPrefix() { return absl::StrCat("test-", absl::BytesToHexString(RandomBytes(6)), "."); }

std::string KafkaCluster::data_folder(int node) const {
  return is_ours_ ? absl::StrCat(dir_ / "kafka", "/node-", node, "/data") : "";
}

void KafkaCluster::Command(const std::string& command, int node) const {
  Run(absl::StrCat("tools/kafka/kafka ", command, " ", node, " --dir ", dir_ / "kafka"));
}

}  // namespace assay::testing
