// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "assay/event/v1/event.pb.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/gateway/journal.h"
#include "tests/simulation/aggregator_process.h"
#include "tests/simulation/evaluator_process.h"
#include "tests/simulation/model_log.h"
#include "tests/simulation/model_queue.h"
#include "tests/simulation/world.h"

namespace assay::simulation {

// A submission that a client was told is accepted.
struct Acknowledged {
  std::string tenant;
  std::string candidate_key;
  std::string submission_id;
  // Where the client was told that it stands.
  log::Offset offset = 0;
};

// One installation with one shard: two aggregators, two evaluators, clients that hand in, cancel, rerun, withdraw and
// erase through the real journal of a gateway and try again until they are told. What
// befalls it is drawn from the seed.
class Installation {
 public:
  explicit Installation(uint64_t seed);

  // Lives through the faults, then heals and goes on until nothing is under way. False: it did not come to rest within
  // the time that retries, back-offs and deadlines may take.
  bool Run();

  const std::vector<Acknowledged>& acknowledged() const { return acknowledged_; }
  const ModelLog& journal() const { return journal_; }
  const aggregator::ShardContext& context() const { return context_; }
  const std::vector<std::unique_ptr<AggregatorProcess>>& aggregators() const { return aggregators_; }
  // Of each key, as a reader has it who followed from the start and dropped what is older than what it had.
  const std::map<std::string, event::v1::ReadinessPublished>& published() const { return published_; }
  // Replicas that were at the same offset with different states.
  const std::vector<std::string>& disagreements() const { return disagreements_; }

 private:
  void Publish(const event::v1::ReadinessPublished& published);
  void ScheduleRequests();
  void Request();
  event::v1::Envelope NewRequest();
  // Again and again until the journal says yes.
  void HandIn(const event::v1::Envelope& envelope);
  void Forge();
  void ScheduleFault();
  void Fault();
  void Strike(Process& process);
  void CompareReplicas();
  void Heal();
  bool IsAtRest();

  World world_;
  ModelLog journal_;
  ModelQueue queue_;
  aggregator::testing::FakeDomain domain_;
  aggregator::ShardContext context_;
  std::vector<std::unique_ptr<AggregatorProcess>> aggregators_;
  std::vector<std::unique_ptr<EvaluatorProcess>> evaluators_;

  bool gateway_is_reachable_ = true;
  WorldClock gateway_clock_;
  ClientLog gateway_log_;
  gateway::Journal gateway_;
  int requests_ = 0;
  int open_requests_ = 0;
  // Of what was handed in: tenant, candidate, id.
  std::vector<Acknowledged> handed_in_;
  std::vector<Acknowledged> acknowledged_;
  std::map<std::string, event::v1::ReadinessPublished> published_;
  std::vector<std::string> disagreements_;
};

}  // namespace assay::simulation
