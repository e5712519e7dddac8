// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "assay/event/v1/announcement.pb.h"
#include "assay/event/v1/readiness_published.pb.h"
#include "services/aggregator/relay_step.h"
#include "services/aggregator/rows.h"
#include "services/aggregator/shard.h"
#include "services/common/store/testing/fake_store.h"
#include "tests/simulation/model_log.h"
#include "tests/simulation/model_queue.h"
#include "tests/simulation/process.h"

namespace assay::simulation {

// (epoch, version) of a ReadinessRecord in wire form; zeros for an empty one.
std::pair<uint64_t, uint64_t> VersionOf(absl::string_view record);

// One replica of the shard: the real step machines of an aggregator around a store that forgets what was not synced.
class AggregatorProcess final : public Process {
 public:
  // What a replica needs of the others.
  struct Surroundings {
    ModelLog& journal;
    ModelQueue& queue;
    // All replicas, in their order of preference.
    std::vector<std::string> order;
    // Tells the other replicas that this one is there.
    std::function<void(const std::string& instance)> announce;
    std::function<void(const event::v1::Cancellation&)> cancel;
    std::function<void(const event::v1::ReadinessPublished&)> publish;
  };

  AggregatorProcess(World& world, std::string name, const aggregator::ShardContext& context, Surroundings surroundings);

  // That replica was there a moment ago.
  void Hear(const std::string& instance);
  // A value of that readiness was published, by whomever.
  void Follow(const event::v1::ReadinessPublished& published);
  // Dies while it writes: what it wrote is there, or not.
  void KillWhileWriting();

  storage::v1::ShardMeta Meta() const;
  std::string StateHash();
  const aggregator::RowReader& rows() const { return rows_; }
  bool owns() const { return relay_ != nullptr && !relay_->held_claim().empty(); }
  // Why it follows the journal no more.
  const absl::Status& failure() const { return failure_; }

 protected:
  void OnStart() override;
  void OnKill() override;

 private:
  void Read();
  void StepRelay();
  void WakeRelay();
  bool MayClaim(const storage::v1::ShardMeta& meta) const;
  void CarryOut(const aggregator::RelayOutput& output);
  void Report(uint64_t id, absl::Status status, int64_t offset);
  void Announce();

  const aggregator::ShardContext& context_;
  const Surroundings surroundings_;
  store::FakeStore store_;
  aggregator::StoreRows rows_;
  std::unique_ptr<aggregator::RelayStep> relay_;
  std::vector<aggregator::RelayReport> reports_;
  std::vector<std::string> republish_;
  std::map<std::string, absl::Time> heard_;
  absl::Time started_;
  int lives_ = 0;
  // Of the wake-up that is in force; earlier ones are void.
  int wake_ = 0;
  bool dies_in_write_ = false;
  absl::Status failure_;
};

}  // namespace assay::simulation
