// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "services/common/base/testing/temp_dir.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/kafka_topics.h"

namespace assay::testing {

// A Kafka cluster of this test's own, by tools/kafka/kafka; it goes away with the object, and with the process. Without
// Java or Maven the process ends with their absence as its error: no test over Kafka passes without a broker.
class KafkaCluster {
 public:
  explicit KafkaCluster(int nodes);
  ~KafkaCluster();

  // The cluster that all tests of this process share that need nothing but a healthy one of `nodes` nodes; the one that
  // ASSAY_KAFKA names, if it does ("host:port", all of its nodes).
  static KafkaCluster& Shared(int nodes);

  log::KafkaConnection connection() const;
  // Copies a topic can have here: the number of nodes.
  int replication() const { return nodes_; }
  // Unique names for a test's topics.
  static std::string NewPrefix();
  log::KafkaTopics& topics() { return *topics_; }
  // Of a node's files; empty with ASSAY_KAFKA.
  std::string data_folder(int node) const;

  void Kill(int node) { Command("kill", node); }
  void Pause(int node) { Command("pause", node); }
  void Resume(int node) { Command("resume", node); }
  // Waits until it serves.
  void Restart(int node) { Command("restart", node); }

 private:
  explicit KafkaCluster(std::string bootstrap_servers);
  void Command(const std::string& command, int node) const;
  void Connect();

  TempDir dir_;
  bool is_ours_ = true;
  int nodes_ = 1;
  std::string bootstrap_servers_;
  std::unique_ptr<log::KafkaTopics> topics_;
};

}  // namespace assay::testing
