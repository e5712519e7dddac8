// SPDX-License-Identifier: Apache-2.0
// One event being applied: what shard.cc and the *_steps.cc files share. Nobody else includes this.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "assay/event/v1/event.pb.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/accounting.h"
#include "services/aggregator/attempt_policy.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/rows.h"
#include "services/aggregator/shard.h"

namespace assay::aggregator {

class ShardStep {
 public:
  ShardStep(const ShardContext& context, const event::v1::Envelope& envelope, int64_t offset, RowChanges& rows,
            storage::v1::ShardMeta& meta);

  absl::Status Apply();

 private:
  using SubmissionRow = storage::v1::SubmissionRow;
  using EvaluationRow = storage::v1::EvaluationRow;
  // A submission with its evaluations by id. Changed in memory, stored by Store().
  struct Subject {
    SubmissionRow submission;
    std::map<std::string, EvaluationRow> evaluations;
    // As it is stored.
    Standing stored;
    EvaluationRow* Find(absl::string_view id);
    // The newest of its evaluator; null when there is none.
    EvaluationRow* Newest(absl::string_view evaluator);
    // In the order they were planned.
    std::vector<const EvaluationRow*> Evaluations() const;
  };

  absl::Status ApplyBody();

  // Submissions: submission_steps.cc.
  absl::Status OnSubmissionAccepted(const event::v1::SubmissionAccepted& accepted);
  absl::Status OnCancel(const event::v1::CancelRequested& request);
  absl::Status OnWithdraw(const event::v1::WithdrawRequested& request);
  absl::Status OnRerun(const event::v1::RerunRequested& request);
  absl::Status OnAssessmentCreated(const event::v1::AssessmentCreated& created);
  absl::Status NoteAssessment(const event::v1::SubmissionAccepted& accepted);
  void IndexSubmission(const SubmissionRow& row);
  void PlanEvaluations(const v1::Framework& framework, Subject& subject);
  void AddEvaluation(Subject& subject, absl::string_view evaluator, const std::vector<std::string>& needs,
                     absl::string_view lane, absl::string_view plugin_digest, uint32_t generation);
  absl::Status ChooseSpeaker(const SubmissionRow& changed);

  // A submission that is over its tenant's quota: visible, counted as failed, never evaluated.
  absl::Status Refuse(Subject& subject, absl::string_view refusal);

  // Tenants, and what changes with the state version: tenant_steps.cc.
  bool has_tenants() const { return HasRules(kTenantsVersion); }
  absl::Status OnQuotaChanged(const event::v1::QuotaChanged& quota);
  absl::Status OnStateVersion(const event::v1::StateVersion& version);
  // Counts everything that is there, and moves the outbox to its keys by lane and tenant.
  absl::Status BeginTenants();
  absl::Status CountSubmission(const SubmissionRow& row, std::map<std::string, storage::v1::TenantRow>& tenants);
  absl::Status MoveOutbox(std::map<std::string, storage::v1::TenantRow>& tenants);
  absl::Status LoadTenant();
  void StoreTenant();
  void BookStep(const Standing& before, const Standing& after);
  // Whether the submission was made by a request that is forgotten.
  absl::StatusOr<bool> IsForgotten(absl::string_view submission_id) const;
  absl::Status ForgetRequests();

  // Results of pure evaluators, taken over by the same question of the same candidate: reuse_step.cc.
  absl::Status TakeOverResults(Subject& subject);
  absl::StatusOr<bool> TakeOver(Subject& subject, EvaluationRow& evaluation);
  // Whether the submission, before it speaks, brings nothing but the results of the one that speaks for its source.
  absl::StatusOr<bool> SaysTheSame(Subject& subject);
  // Makes the result known to later submissions.
  void OfferResult(Subject& subject, const EvaluationRow& evaluation);

  // Erasure: erasure_step.cc.
  absl::Status OnErasure();
  absl::Status EraseSubmission(const SubmissionRow& row);
  absl::Status TellReadinessIsGone();
  absl::Status ErasePrefix(absl::string_view table, absl::string_view prefix);
  absl::Status EraseChanges();

  // Attempts: attempt_steps.cc.
  absl::Status OnAttemptStarted(const event::v1::AttemptStarted& started);
  absl::Status OnAttemptProgress(const event::v1::AttemptProgress& progress);
  absl::Status OnEvaluationFinished(const event::v1::EvaluationFinished& finished);
  absl::Status OnTimerFired(const event::v1::TimerFired& fired);
  absl::Status OnReleased(const event::v1::EvaluationReleased& released);
  void Succeed(const event::v1::EvaluationFinished& finished, EvaluationRow& evaluation, Subject& subject);
  void EndAttempt(AttemptFault fault, absl::string_view reason, Subject& subject, EvaluationRow& evaluation);
  void End(v1::Evaluation::State state, absl::string_view reason, EvaluationRow& evaluation);
  void Park(v1::Evaluation::FaultDomain domain, absl::string_view reason, EvaluationRow& evaluation);
  // Goes on with whatever the other evaluations of the submission now allow.
  void Advance(Subject& subject);
  void Dispatch(Subject& subject, EvaluationRow& evaluation);
  void ClearAttempt(EvaluationRow& evaluation);
  void SetTimer(event::v1::TimerFired::Kind kind, absl::Time due, const EvaluationRow& evaluation, std::string* slot);
  void ClearTimer(std::string* slot);

  // Shared: shard.cc.
  absl::Status OnOwnershipClaimed(const event::v1::OwnershipClaimed& claim);
  absl::Status OnRelayCheckpoint(const event::v1::RelayCheckpoint& checkpoint);
  absl::Status OnCatalogAdvanced(const event::v1::CatalogAdvanced& advanced);
  absl::StatusOr<std::optional<Subject>> Load(absl::string_view submission_id);
  // Derives the submission's state, stores everything and tells those who watch.
  void Store(Subject& subject, absl::string_view change);
  absl::Status RecomputeReadiness(absl::string_view assessment_key);
  void AppendChange(storage::v1::ChangeRow row);
  // Puts work into the outbox; where EvaluationRow.outbox_sequence then points.
  uint64_t AppendWork(const event::v1::Work& work);
  void DeleteWork(const EvaluationRow& evaluation);
  void AppendMessage(const storage::v1::OutboxRow& row);
  void AppendCancel(absl::string_view submission_id, const std::vector<std::string>& evaluation_ids);
  // Whether the rules that this version brought are in force where the event stands.
  bool HasRules(uint32_t version) const { return meta_.state_version() >= version; }
  // Whether some worker may still have an attempt of it.
  bool MayRun(const EvaluationRow& evaluation) const;
  void Illegal();
  // Whether an event of this id was applied before; remembers it. For requests that a client may send again.
  absl::StatusOr<bool> IsRepeated();
  storage::v1::RequestRow NewRequestRow() const;

  const ShardContext& context_;
  const event::v1::Envelope& envelope_;
  const int64_t offset_;
  const absl::Time time_;
  const std::string& tenant_;
  const std::string& candidate_;
  RowChanges& rows_;
  storage::v1::ShardMeta& meta_;
  // Of the envelope's tenant; unused before kTenantsVersion.
  storage::v1::TenantRow tenant_row_;
  bool tenant_changed_ = false;
};

}  // namespace assay::aggregator
