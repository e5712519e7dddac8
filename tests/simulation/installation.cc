// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/installation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/proto_time.h"

namespace assay::simulation {
namespace {

using v1::Evaluation;
using v1::Submission;

constexpr int kRequests = 24;
constexpr absl::Duration kTroubledTime = absl::Minutes(6);
// Deadlines, back-offs and an hour of platform faults, all by a clock that was an hour wrong.
constexpr absl::Duration kTimeToRest = absl::Hours(6);

bool IsUnderWay(Evaluation::State state) {
  return state == Evaluation::PENDING || state == Evaluation::DISPATCHED || state == Evaluation::RUNNING;
}

}  // namespace

Installation::Installation(uint64_t seed)
    : world_(seed),
      journal_(world_),
      queue_(world_),
      context_{&domain_, "a key of this shard", "model", 1},
      gateway_clock_(world_),
      gateway_log_(journal_, "gateway", gateway_is_reachable_),
      gateway_(gateway_log_, gateway_clock_, "gateway") {
  const std::vector<std::string> order = {"aggregator-1", "aggregator-2"};
  for (const std::string& name : order) {
    AggregatorProcess::Surroundings surroundings{
        journal_, queue_, order,
        [this](const std::string& instance) {
          for (const auto& other : aggregators_) {
            if (other->name() != instance && other->is_reachable()) other->Hear(instance);
          }
        },
        [this](const event::v1::Cancellation& cancellation) {
          for (const auto& evaluator : evaluators_) evaluator->Hear(cancellation);
        },
        [this](const event::v1::ReadinessPublished& published) { Publish(published); }};
    aggregators_.push_back(std::make_unique<AggregatorProcess>(world_, name, context_, std::move(surroundings)));
  }
  for (const char* name : {"evaluator-1", "evaluator-2"}) {
    evaluators_.push_back(std::make_unique<EvaluatorProcess>(world_, name, journal_, queue_));
  }
}

void Installation::Publish(const event::v1::ReadinessPublished& published) {
  event::v1::ReadinessPublished& latest =
      published_[absl::StrCat(published.tenant(), "/", published.candidate_key(), "/", published.assessment_key())];
  if (VersionOf(latest.record()) < VersionOf(published.record())) latest = published;
  for (const auto& aggregator : aggregators_) aggregator->Follow(published);
}

bool Installation::Run() {
  for (const auto& aggregator : aggregators_) aggregator->Start();
  for (const auto& evaluator : evaluators_) evaluator->Start();
  ScheduleRequests();
  ScheduleFault();
  world_.RunUntil(world_.now() + kTroubledTime);
  Heal();
  const absl::Time end = world_.now() + kTimeToRest;
  while (world_.now() < end) {
    world_.RunUntil(world_.now() + absl::Seconds(30));
    if (IsAtRest()) return true;
  }
  return false;
}

void Installation::ScheduleRequests() {
  for (int i = 0; i < kRequests; ++i) {
    world_.After(world_.random.Between(absl::ZeroDuration(), kTroubledTime), [this] { Request(); });
  }
}

event::v1::Envelope Installation::NewRequest() {
  Random& random = world_.random;
  event::v1::Envelope envelope;
  const int number = ++requests_;
  envelope.set_event_id(absl::StrCat("request-", number));
  envelope.set_trace_id("trace");
  if (handed_in_.empty() || random.Chance(650)) {
    const std::string tenant = random.Chance(500) ? "acme" : "other";
    const std::string candidate = absl::StrCat("candidate-", random.Below(3));
    envelope.set_tenant(tenant);
    envelope.set_candidate_key(candidate);
    event::v1::SubmissionAccepted& accepted = *envelope.mutable_submission_accepted();
    accepted.set_submission_id(absl::StrCat("submission-", number));
    accepted.set_kind(random.Chance(500) ? Submission::REPOSITORY : Submission::SCORECARD);
    accepted.set_framework("test@1");
    accepted.set_framework_digest(aggregator::testing::kFrameworkDigest);
    accepted.set_source_key(absl::StrCat("source-", random.Below(3)));
    accepted.set_blob_digest(absl::StrCat("blob-", random.Below(20)));
    for (const char* evaluator : {"code_analysis", "load_test", "rubric"}) {
      (*accepted.mutable_plugins())[evaluator] = absl::StrCat("plugin of ", evaluator);
    }
    handed_in_.push_back({tenant, candidate, accepted.submission_id(), -1});
  } else {
    const Acknowledged& about = handed_in_[static_cast<size_t>(random.Below(static_cast<int64_t>(handed_in_.size())))];
    envelope.set_tenant(about.tenant);
    envelope.set_candidate_key(about.candidate_key);
    switch (random.Below(8)) {
      case 0:
        envelope.mutable_erasure_requested();
        break;
      case 1:
        envelope.mutable_withdraw_requested()->set_submission_id(about.submission_id);
        break;
      case 2:
      case 3:
      case 4:
        envelope.mutable_cancel_requested()->set_submission_id(about.submission_id);
        break;
      default:
        envelope.mutable_rerun_requested()->set_submission_id(about.submission_id);
    }
  }
  envelope.set_assessment_key("main");
  return envelope;
}

void Installation::Request() {
  ++open_requests_;
  HandIn(NewRequest());
  if (world_.random.Chance(200)) Forge();
}

void Installation::HandIn(const event::v1::Envelope& envelope) {
  const absl::Time deadline = gateway_clock_.TimeNow() + absl::Seconds(10);
  const absl::StatusOr<gateway::ReadToken> token = gateway_.Write(envelope, deadline);
  // A client that was told keeps quiet, mostly: some answers never reach it.
  const bool is_told = token.ok() && (!world_.faults || !world_.random.Chance(50));
  if (token.ok() && envelope.has_submission_accepted()) {
    const std::string& id = envelope.submission_accepted().submission_id();
    acknowledged_.push_back({envelope.tenant(), envelope.candidate_key(), id, token->offset});
  }
  if (is_told) {
    --open_requests_;
    return;
  }
  world_.After(world_.random.Between(absl::Milliseconds(50), absl::Seconds(5)), [this, envelope] { HandIn(envelope); });
}

// A result by somebody who was never given the work.
void Installation::Forge() {
  for (const char* lane : {"fast", "slow"}) {
    for (const log::Record& record : queue_.Records(lane, 0)) {
      event::v1::Work work;
      work.ParseFromString(record.value);
      event::v1::Envelope envelope;
      envelope.set_event_id(absl::StrCat("forged-", ++requests_));
      envelope.set_tenant(work.tenant());
      envelope.set_candidate_key(work.candidate_key());
      envelope.set_assessment_key(work.assessment_key());
      *envelope.mutable_event_time() = aggregator::ToProtoTime(world_.now());
      event::v1::EvaluationFinished& finished = *envelope.mutable_evaluation_finished();
      finished.set_submission_id(work.submission_id());
      finished.set_evaluation_id(work.evaluation_id());
      finished.set_attempt(work.attempt());
      finished.set_plugin_digest(work.plugin_digest());
      finished.set_outcome(event::v1::EvaluationFinished::SUCCEEDED);
      finished.set_capability("forged");
      journal_.Append("stranger", true, "key", envelope.SerializeAsString(), [](const log::Delivery&) {});
      if (world_.random.Chance(300)) return;
    }
  }
}

void Installation::ScheduleFault() {
  world_.After(world_.random.Between(absl::Seconds(1), absl::Seconds(20)), [this] {
    if (!world_.faults) return;
    Fault();
    ScheduleFault();
  });
}

void Installation::Fault() {
  Random& random = world_.random;
  CompareReplicas();
  if (random.Chance(100)) {
    gateway_is_reachable_ = false;
    world_.After(random.Between(absl::Seconds(1), absl::Seconds(40)), [this] { gateway_is_reachable_ = true; });
    return;
  }
  const size_t which = static_cast<size_t>(random.Below(4));
  if (which < 2) {
    Strike(*aggregators_[which]);
    if (random.Chance(150)) aggregators_[which]->KillWhileWriting();
  } else {
    Strike(*evaluators_[which - 2]);
  }
}

void Installation::Strike(Process& process) {
  Random& random = world_.random;
  switch (random.Below(4)) {
    case 0:
      if (!process.is_up()) return;
      process.Kill();
      world_.After(random.Between(absl::Milliseconds(200), absl::Seconds(60)), [&process] {
        if (!process.is_up()) process.Start();
      });
      return;
    case 1:
      return process.Freeze(random.Between(absl::Milliseconds(500), absl::Seconds(90)));
    case 2:
      return process.CutOff(random.Between(absl::Seconds(1), absl::Seconds(90)));
    default:
      process.clock().skew = random.Between(-absl::Hours(1), absl::Hours(1));
  }
}

void Installation::CompareReplicas() {
  AggregatorProcess& one = *aggregators_[0];
  AggregatorProcess& other = *aggregators_[1];
  if (one.Meta().applied_offset() != other.Meta().applied_offset()) return;
  if (one.StateHash() != other.StateHash()) {
    disagreements_.push_back(absl::StrCat("replicas differ at offset ", one.Meta().applied_offset()));
  }
}

void Installation::Heal() {
  world_.faults = false;
  gateway_is_reachable_ = true;
  for (const auto& aggregator : aggregators_) {
    aggregator->Heal();
    if (!aggregator->is_up()) aggregator->Start();
  }
  for (const auto& evaluator : evaluators_) {
    evaluator->Heal();
    if (!evaluator->is_up()) evaluator->Start();
  }
}

bool Installation::IsAtRest() {
  if (open_requests_ > 0) return false;
  for (const auto& replica : aggregators_) {
    if (!replica->failure().ok()) return true;
    if (replica->Meta().applied_offset() + 1 != journal_.end()) return false;
    const std::vector<store::Row> evaluations = *replica->rows().Scan(aggregator::kEvaluationTable, "", "", 10'000);
    for (const store::Row& stored : evaluations) {
      storage::v1::EvaluationRow row;
      row.ParseFromString(stored.value);
      if (IsUnderWay(row.state())) return false;
    }
    if (!replica->rows().Scan(aggregator::kOutboxTable, "", "", 1)->empty()) return false;
    const storage::v1::ShardMeta meta = replica->Meta();
    if (meta.published_changes() < meta.next_change_sequence()) return false;
  }
  return true;
}

}  // namespace assay::simulation
