// SPDX-License-Identifier: Apache-2.0
// What happens to single attempts.
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/capability.h"
#include "services/aggregator/proto_time.h"
#include "services/aggregator/shard_step.h"
#include "services/common/base/digest.h"

namespace assay::aggregator {
namespace {

using event::v1::EvaluationFinished;
using event::v1::TimerFired;
using v1::Evaluation;

// A capability outlives every attempt of its evaluation, so that a late result can still be told from a forged one.
constexpr absl::Duration kCapabilityLife = absl::Hours(24 * 7);
constexpr int kMaxObservations = 512;
constexpr int kMaxClaims = 128;
constexpr int kMaxEvidence = 4;
constexpr size_t kMaxReason = 2000;

bool InRange(double value, double low, double high) { return value >= low && value <= high; }

// The worker checks results first; what is wrong here is a broken worker or plugin, and never becomes a score.
bool IsSound(const EvaluationFinished& finished) {
  if (finished.observations_size() > kMaxObservations || finished.claims_size() > kMaxClaims) return false;
  for (const event::v1::FoldObservation& observation : finished.observations()) {
    if (!InRange(observation.value(), 0, 1) || !InRange(observation.standard_error(), 0, 0.5)) return false;
    if (observation.evidence_size() > kMaxEvidence || observation.criterion().empty()) return false;
  }
  for (const event::v1::FoldClaim& claim : finished.claims()) {
    if (claim.evidence_size() > kMaxEvidence || claim.claim().empty()) return false;
  }
  return InRange(finished.wall_seconds(), 0, 1e9) && InRange(finished.cpu_seconds(), 0, 1e9);
}

uint64_t SeedOf(absl::string_view evaluation_id) {
  const Digest digest = Digest::Of(evaluation_id);
  uint64_t seed = 0;
  for (const unsigned char byte : digest.bytes().substr(0, 8)) seed = (seed << 8) | byte;
  return seed;
}

bool IsInFlight(Evaluation::State state) { return state == Evaluation::DISPATCHED || state == Evaluation::RUNNING; }

bool HoldsCapability(absl::string_view key, const storage::v1::EvaluationRow& row, uint32_t attempt,
                     absl::string_view capability) {
  return attempt >= 1 && attempt <= row.attempt() &&
         EqualMac(capability, MakeCapability(key, row.id(), attempt, row.plugin_digest(),
                                             FromProtoTime(row.capability_expiry())));
}

}  // namespace

absl::Status ShardStep::OnAttemptStarted(const event::v1::AttemptStarted& started) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(started.submission_id()));
  EvaluationRow* evaluation = subject ? subject->Find(started.evaluation_id()) : nullptr;
  if (evaluation == nullptr || !IsInFlight(evaluation->state()) || started.attempt() != evaluation->attempt() ||
      !HoldsCapability(context_.capability_key, *evaluation, started.attempt(), started.capability())) {
    Illegal();
    return absl::OkStatus();
  }
  evaluation->set_starts(evaluation->starts() + 1);
  if (evaluation->starts() > kMaxStarts) {
    Park(Evaluation::PLATFORM, absl::StrCat("its worker went away ", kMaxStarts, " times"), *evaluation);
    Advance(*subject);
    Store(*subject, absl::StrCat(evaluation->evaluator(), ": parked"));
    return absl::OkStatus();
  }
  const AttemptTimes times = TimesOf(evaluation->lane());
  evaluation->set_state(Evaluation::RUNNING);
  evaluation->clear_phase();
  ClearTimer(evaluation->mutable_pickup_timer());
  SetTimer(TimerFired::HEARTBEAT, time_ + times.heartbeat, *evaluation, evaluation->mutable_heartbeat_timer());
  SetTimer(TimerFired::DEADLINE, time_ + times.deadline, *evaluation, evaluation->mutable_deadline_timer());
  Store(*subject, absl::StrCat(evaluation->evaluator(), ": running"));
  return absl::OkStatus();
}

absl::Status ShardStep::OnAttemptProgress(const event::v1::AttemptProgress& progress) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(progress.submission_id()));
  EvaluationRow* evaluation = subject ? subject->Find(progress.evaluation_id()) : nullptr;
  if (evaluation == nullptr || evaluation->state() != Evaluation::RUNNING ||
      progress.attempt() != evaluation->attempt() ||
      !HoldsCapability(context_.capability_key, *evaluation, progress.attempt(), progress.capability())) {
    Illegal();
    return absl::OkStatus();
  }
  SetTimer(TimerFired::HEARTBEAT, time_ + TimesOf(evaluation->lane()).heartbeat, *evaluation,
           evaluation->mutable_heartbeat_timer());
  std::string phase = progress.phase().substr(0, 200);
  if (progress.total() > 0) absl::StrAppend(&phase, ": ", progress.done(), " of ", progress.total());
  if (phase == evaluation->phase()) {
    // A bare heartbeat is no step anybody watches.
    rows_.Put(kEvaluationTable, Key(tenant_, candidate_, progress.submission_id(), evaluation->id()), *evaluation);
    return absl::OkStatus();
  }
  evaluation->set_phase(phase);
  Store(*subject, absl::StrCat(evaluation->evaluator(), ": ", phase));
  return absl::OkStatus();
}

absl::Status ShardStep::OnEvaluationFinished(const EvaluationFinished& finished) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(finished.submission_id()));
  EvaluationRow* evaluation = subject ? subject->Find(finished.evaluation_id()) : nullptr;
  if (evaluation == nullptr) {
    Illegal();
    return absl::OkStatus();
  }
  storage::v1::Counters& counters = *meta_.mutable_counters();
  if (finished.plugin_digest() != evaluation->plugin_digest() ||
      !HoldsCapability(context_.capability_key, *evaluation, finished.attempt(), finished.capability())) {
    counters.set_forged_results(counters.forged_results() + 1);
    return absl::OkStatus();
  }
  const bool sound = IsSound(finished);
  const bool succeeded = finished.outcome() == EvaluationFinished::SUCCEEDED && sound;
  // A result counts whatever its attempt, even while a later one runs; a failure only for the attempt in force.
  const bool counts = succeeded ? !HasEnded(evaluation->state())
                                : IsInFlight(evaluation->state()) && finished.attempt() == evaluation->attempt();
  if (!counts) {
    counters.set_late_results(counters.late_results() + 1);
    evaluation->set_late_results(evaluation->late_results() + 1);
    rows_.Put(kEvaluationTable, Key(tenant_, candidate_, finished.submission_id(), evaluation->id()), *evaluation);
    return absl::OkStatus();
  }
  if (sound) {
    evaluation->set_wall_seconds(finished.wall_seconds());
    evaluation->set_cpu_seconds(finished.cpu_seconds());
  }
  if (succeeded) {
    Succeed(finished, *evaluation, *subject);
    return RecomputeReadiness(subject->submission.assessment_key());
  }
  if (finished.outcome() == EvaluationFinished::SUBMISSION_FAULT) {
    evaluation->set_result_digest(finished.result_digest());
  }
  const AttemptFault fault = finished.outcome() == EvaluationFinished::SUCCEEDED ? AttemptFault::kPluginVerdict
                                                                                 : FaultOf(finished.outcome());
  EndAttempt(fault, sound ? finished.reason() : "its result has values out of range", *subject, *evaluation);
  return absl::OkStatus();
}

void ShardStep::Succeed(const EvaluationFinished& finished, EvaluationRow& evaluation, Subject& subject) {
  storage::v1::ResultRow result;
  *result.mutable_observations() = finished.observations();
  *result.mutable_claims() = finished.claims();
  result.set_offset(offset_);
  rows_.Put(kResultTable, Key(tenant_, candidate_, finished.submission_id(), evaluation.id()), result);
  meta_.mutable_counters()->set_results(meta_.counters().results() + 1);
  evaluation.set_attempts_consumed(evaluation.attempts_consumed() + 1);
  evaluation.set_result_digest(finished.result_digest());
  evaluation.set_fault_domain(Evaluation::FAULT_DOMAIN_UNSPECIFIED);
  End(Evaluation::SUCCEEDED, finished.reason(), evaluation);
  if (finished.pure()) OfferResult(subject, evaluation);
  Advance(subject);
  Store(subject, absl::StrCat(evaluation.evaluator(), ": done"));
}

void ShardStep::EndAttempt(AttemptFault fault, absl::string_view reason, Subject& subject, EvaluationRow& evaluation) {
  ClearAttempt(evaluation);
  evaluation.clear_phase();
  const AttemptDecision decision = Decide(fault, time_, evaluation);
  evaluation.set_reason(std::string(reason.substr(0, kMaxReason)));
  std::string change = evaluation.evaluator();
  switch (decision.next) {
    case AttemptDecision::Next::kRetry:
      evaluation.set_state(Evaluation::PENDING);
      if (decision.back_off > absl::ZeroDuration()) {
        SetTimer(TimerFired::RETRY, time_ + decision.back_off, evaluation, evaluation.mutable_retry_timer());
      }
      absl::StrAppend(&change, ": tries again");
      break;
    case AttemptDecision::Next::kFail:
      evaluation.set_fault_domain(decision.fault_domain);
      End(Evaluation::FAILED, reason, evaluation);
      absl::StrAppend(&change, ": failed");
      break;
    case AttemptDecision::Next::kPark:
      Park(decision.fault_domain, reason, evaluation);
      absl::StrAppend(&change, ": parked");
      break;
  }
  Advance(subject);
  Store(subject, change);
}

void ShardStep::End(Evaluation::State state, absl::string_view reason, EvaluationRow& evaluation) {
  ClearAttempt(evaluation);
  evaluation.set_state(state);
  evaluation.set_reason(std::string(reason.substr(0, kMaxReason)));
  evaluation.set_held_by_need(false);
  evaluation.clear_phase();
  *evaluation.mutable_end_time() = envelope_.event_time();
}

void ShardStep::Park(Evaluation::FaultDomain domain, absl::string_view reason, EvaluationRow& evaluation) {
  ClearAttempt(evaluation);
  evaluation.set_state(Evaluation::PARKED);
  evaluation.set_fault_domain(domain);
  evaluation.set_reason(std::string(reason.substr(0, kMaxReason)));
  evaluation.clear_phase();
}

absl::Status ShardStep::OnTimerFired(const TimerFired& fired) {
  if (envelope_.writer_epoch() != meta_.epoch()) {
    meta_.mutable_counters()->set_void_events(meta_.counters().void_events() + 1);
    return absl::OkStatus();
  }
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(fired.submission_id()));
  EvaluationRow* evaluation = subject ? subject->Find(fired.evaluation_id()) : nullptr;
  if (evaluation == nullptr || fired.attempt() != evaluation->attempt()) return absl::OkStatus();
  std::string* slot = fired.kind() == TimerFired::RETRY       ? evaluation->mutable_retry_timer()
                      : fired.kind() == TimerFired::HEARTBEAT ? evaluation->mutable_heartbeat_timer()
                      : fired.kind() == TimerFired::DEADLINE  ? evaluation->mutable_deadline_timer()
                                                              : evaluation->mutable_pickup_timer();
  // Cleared or moved since it was found due: nothing to do.
  if (slot->empty() || TimerDue(*slot) > time_) return absl::OkStatus();
  if (fired.kind() == TimerFired::RETRY) {
    ClearTimer(slot);
    Advance(*subject);
    Store(*subject, absl::StrCat(evaluation->evaluator(), ": dispatched again"));
    return absl::OkStatus();
  }
  EndAttempt(AttemptFault::kPlatform,
             fired.kind() == TimerFired::HEARTBEAT  ? "its worker went silent"
             : fired.kind() == TimerFired::DEADLINE ? "its worker let the attempt's time pass"
                                                    : "no worker took it up",
             *subject, *evaluation);
  return absl::OkStatus();
}

absl::Status ShardStep::OnReleased(const event::v1::EvaluationReleased& released) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(released.submission_id()));
  EvaluationRow* evaluation = subject ? subject->Find(released.evaluation_id()) : nullptr;
  if (evaluation == nullptr || evaluation->state() != Evaluation::PARKED ||
      (released.plugin_digest().empty() && evaluation->plugin_digest().empty())) {
    Illegal();
    return absl::OkStatus();
  }
  if (!released.plugin_digest().empty()) evaluation->set_plugin_digest(released.plugin_digest());
  evaluation->set_submission_faults(0);
  evaluation->set_transient_faults(0);
  evaluation->set_plugin_faults(0);
  evaluation->set_platform_faults(0);
  evaluation->clear_first_platform_fault();
  evaluation->clear_capability_expiry();
  evaluation->set_fault_domain(Evaluation::FAULT_DOMAIN_UNSPECIFIED);
  evaluation->set_held_by_need(false);
  evaluation->clear_reason();
  evaluation->set_state(Evaluation::PENDING);
  Advance(*subject);
  Store(*subject, absl::StrCat(evaluation->evaluator(), ": released"));
  return absl::OkStatus();
}

void ShardStep::Advance(Subject& subject) {
  // One pass for each evaluation is enough for a chain of needs as long as there are evaluations.
  for (size_t pass = 0; pass < subject.evaluations.size(); ++pass) {
    for (const std::string& id : subject.submission.evaluation_ids()) {
      EvaluationRow& evaluation = subject.evaluations.at(id);
      const bool held = evaluation.state() == Evaluation::PARKED && evaluation.held_by_need();
      if (!held && (evaluation.state() != Evaluation::PENDING || !evaluation.retry_timer().empty())) continue;
      const EvaluationRow* blocking = nullptr;
      std::string missing;
      for (const std::string& need : evaluation.needs()) {
        const EvaluationRow* needed = subject.Newest(need);
        if (needed == nullptr) missing = need;
        if (needed != nullptr && needed->state() != Evaluation::SUCCEEDED) blocking = needed;
      }
      if (!missing.empty()) {
        End(Evaluation::SKIPPED, absl::StrCat("needs ", missing, ", which was left out"), evaluation);
      } else if (blocking == nullptr) {
        evaluation.set_held_by_need(false);
        Dispatch(subject, evaluation);
      } else if (HasEnded(blocking->state())) {
        End(Evaluation::SKIPPED, absl::StrCat("needs ", blocking->evaluator(), ", which has no result"), evaluation);
      } else if (blocking->state() == Evaluation::PARKED && !held) {
        Park(blocking->fault_domain(), absl::StrCat("waits for ", blocking->evaluator(), ", which is parked"),
             evaluation);
        evaluation.set_held_by_need(true);
      } else if (blocking->state() != Evaluation::PARKED && held) {
        evaluation.set_held_by_need(false);
        evaluation.set_fault_domain(Evaluation::FAULT_DOMAIN_UNSPECIFIED);
        evaluation.clear_reason();
        evaluation.set_state(Evaluation::PENDING);
      }
    }
  }
}

void ShardStep::Dispatch(Subject& subject, EvaluationRow& evaluation) {
  const SubmissionRow& submission = subject.submission;
  const event::v1::SubmissionAccepted& accepted = submission.accepted();
  const AttemptTimes times = TimesOf(evaluation.lane());
  if (!evaluation.has_capability_expiry()) {
    *evaluation.mutable_capability_expiry() = ToProtoTime(time_ + kCapabilityLife);
  }
  evaluation.set_attempt(evaluation.attempt() + 1);
  evaluation.set_starts(0);
  evaluation.set_state(Evaluation::DISPATCHED);
  evaluation.set_fault_domain(Evaluation::FAULT_DOMAIN_UNSPECIFIED);

  event::v1::Work work;
  work.set_tenant(tenant_);
  work.set_candidate_key(candidate_);
  work.set_assessment_key(submission.assessment_key());
  work.set_submission_id(accepted.submission_id());
  work.set_evaluation_id(evaluation.id());
  work.set_attempt(evaluation.attempt());
  work.set_evaluator(evaluation.evaluator());
  work.set_plugin_digest(evaluation.plugin_digest());
  work.set_lane(evaluation.lane());
  *work.mutable_deadline() = ToProtoTime(time_ + times.pickup);
  work.set_kind(accepted.kind());
  work.set_blob_digest(accepted.blob_digest());
  work.set_base_blob_digest(accepted.base_blob_digest());
  work.set_framework_digest(accepted.framework_digest());
  work.set_task_blob_digest(accepted.task_blob_digest());
  for (const std::string& need : evaluation.needs()) {
    (*work.mutable_prior_results())[need] = subject.Newest(need)->result_digest();
  }
  work.set_quick(accepted.quick());
  work.set_seed(SeedOf(evaluation.id()));
  work.set_capability(MakeCapability(context_.capability_key, evaluation.id(), evaluation.attempt(),
                                     evaluation.plugin_digest(), FromProtoTime(evaluation.capability_expiry())));
  *work.mutable_capability_expiry() = evaluation.capability_expiry();
  work.set_digest(accepted.digest());
  work.set_rater_key(accepted.rater_key());
  work.set_rater_role(accepted.rater_role());
  work.set_source_key(accepted.source_key());
  evaluation.set_outbox_sequence(AppendWork(work));
  SetTimer(TimerFired::PICKUP, time_ + times.pickup, evaluation, evaluation.mutable_pickup_timer());
}

void ShardStep::ClearAttempt(EvaluationRow& evaluation) {
  ClearTimer(evaluation.mutable_retry_timer());
  ClearTimer(evaluation.mutable_heartbeat_timer());
  ClearTimer(evaluation.mutable_deadline_timer());
  ClearTimer(evaluation.mutable_pickup_timer());
  DeleteWork(evaluation);
  evaluation.set_outbox_sequence(0);
}

void ShardStep::SetTimer(TimerFired::Kind kind, absl::Time due, const EvaluationRow& evaluation, std::string* slot) {
  ClearTimer(slot);
  storage::v1::TimerRow row;
  row.mutable_timer()->set_kind(kind);
  row.mutable_timer()->set_submission_id(evaluation.submission_id());
  row.mutable_timer()->set_evaluation_id(evaluation.id());
  row.mutable_timer()->set_attempt(evaluation.attempt());
  row.set_tenant(tenant_);
  row.set_candidate_key(candidate_);
  row.set_assessment_key(envelope_.assessment_key());
  *slot = TimerKey(due, evaluation.id(), kind);
  rows_.Put(kTimerTable, *slot, row);
}

void ShardStep::ClearTimer(std::string* slot) {
  if (!slot->empty()) rows_.Delete(kTimerTable, *slot);
  slot->clear();
}

}  // namespace assay::aggregator
