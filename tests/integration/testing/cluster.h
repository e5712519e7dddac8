// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "services/common/base/testing/temp_dir.h"

namespace assay::testing {

// Brokers and services as processes, by tools/cluster, of this build and in a folder of its own; they go away with the
// object, and with the process. A command that fails ends the process: nothing over a cluster passes without one.
class Cluster {
 public:
  // `options` as for `tools/cluster up`; returns when everything is ready.
  explicit Cluster(const std::string& options);
  ~Cluster();

  // Another `up`, e.g. after --only-brokers, or another command: "kill evaluator-1".
  void Do(const std::string& command) const;
  // "host:port" of a process ("gateway-1"), for "grpc" or "http".
  std::string Address(const std::string& name, const std::string& use = "grpc") const;
  // Of the brokers.
  std::string bootstrap() const { return Setting("bootstrap"); }
  // Holds a folder for each process, with its config.yaml and log.
  std::string folder() const { return dir_ / "cluster"; }

 private:
  // A value of cluster.json.
  std::string Setting(const std::string& name) const;

  TempDir dir_;
};

}  // namespace assay::testing
