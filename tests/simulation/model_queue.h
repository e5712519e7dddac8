// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/model_log.h"

namespace assay::simulation {

// Lanes of work as topics with a consumer group: each partition has one consumer at a time, and what is committed of it
// outlives consumers.
class ModelQueue {
 public:
  static constexpr int kPartitions = 2;

  explicit ModelQueue(World& world);

  void Put(const std::string& client, bool is_reachable, const std::string& lane, const std::string& key,
           const std::string& value, log::DeliveryCallback done);
  const std::vector<log::Record>& Records(const std::string& lane, int partition) const;

  // A consumer counts from its first Join until it was away for a session.
  void Join(const std::string& consumer);
  void Leave(const std::string& consumer);
  bool IsAssigned(int partition, const std::string& consumer) const;
  // Grows with every change of who has what.
  int generation() const { return generation_; }

  log::Offset Committed(const std::string& lane, int partition) const;
  void Commit(const std::string& lane, int partition, log::Offset offset);

 private:
  struct Partition {
    explicit Partition(World& world) : log(world) {}
    ModelLog log;
    log::Offset committed = 0;
  };
  Partition& Find(const std::string& lane, int partition) const {
    return *lanes_.at(lane)[static_cast<size_t>(partition)];
  }

  std::map<std::string, std::vector<std::unique_ptr<Partition>>> lanes_;
  std::set<std::string> consumers_;
  int generation_ = 0;
};

}  // namespace assay::simulation
