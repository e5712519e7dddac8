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
  // `certificates`: a folder with those of `kafka` and `operator` and of whoever shall connect (tools/certificates.py);
  // the cluster then has TLS and an authorizer, and operators may do everything.
  explicit KafkaCluster(int nodes, std::string certificates = "");
  ~KafkaCluster();

  // The cluster that all tests of this process share that need nothing but a healthy one of `nodes` nodes; the one that
  // ASSAY_KAFKA names, if it does ("host:port", all of its nodes).
  static KafkaCluster& Shared(int nodes);

  // As whom, where there are certificates.
  log::KafkaConnection connection(const std::string& name = "operator") const;
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
  struct Existing {
    std::string bootstrap_servers;
  };
  explicit KafkaCluster(Existing existing);
  void Command(const std::string& command, int node) const;
  void Connect();

  TempDir dir_;
  bool is_ours_ = true;
  int nodes_ = 1;
  std::string bootstrap_servers_;
  std::string certificates_;
  std::unique_ptr<log::KafkaTopics> topics_;
};

}  // namespace assay::testing
