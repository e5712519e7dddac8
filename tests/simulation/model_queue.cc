// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/model_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "services/common/base/digest.h"

namespace assay::simulation {

ModelQueue::ModelQueue(World& world) {
  for (const char* lane : {"fast", "slow"}) {
    for (int partition = 0; partition < kPartitions; ++partition) {
      lanes_[lane].push_back(std::make_unique<Partition>(world));
    }
  }
}

void ModelQueue::Put(const std::string& client, bool is_reachable, const std::string& lane, const std::string& key,
                     const std::string& value, log::DeliveryCallback done) {
  const int partition = static_cast<unsigned char>(Digest::Of(key).bytes()[0]) % kPartitions;
  Find(lane, partition).log.Append(client, is_reachable, key, value, std::move(done));
}

const std::vector<log::Record>& ModelQueue::Records(const std::string& lane, int partition) const {
  return Find(lane, partition).log.records();
}

void ModelQueue::Join(const std::string& consumer) {
  if (consumers_.insert(consumer).second) ++generation_;
}

void ModelQueue::Leave(const std::string& consumer) {
  if (consumers_.erase(consumer) > 0) ++generation_;
}

bool ModelQueue::IsAssigned(int partition, const std::string& consumer) const {
  const auto found = consumers_.find(consumer);
  if (found == consumers_.end()) return false;
  return std::distance(consumers_.begin(), found) == partition % static_cast<int>(consumers_.size());
}

log::Offset ModelQueue::Committed(const std::string& lane, int partition) const {
  return Find(lane, partition).committed;
}

void ModelQueue::Commit(const std::string& lane, int partition, log::Offset offset) {
  Find(lane, partition).committed = offset;
}

}  // namespace assay::simulation
