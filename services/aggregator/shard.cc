// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/shard.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/audit_tree.h"
#include "services/aggregator/counted_evidence.h"
#include "services/aggregator/proto_time.h"
#include "services/aggregator/shard_step.h"
#include "services/aggregator/views.h"

namespace assay::aggregator {

using event::v1::Envelope;
using storage::v1::ShardMeta;
using v1::Evaluation;
using v1::Submission;

bool HasEnded(Evaluation::State state) {
  return state == Evaluation::SUCCEEDED || state == Evaluation::FAILED || state == Evaluation::CANCELLED ||
         state == Evaluation::SKIPPED;
}

Submission::State DeriveState(const storage::v1::SubmissionRow& submission,
                              const std::vector<const storage::v1::EvaluationRow*>& evaluations) {
  if (submission.state() == Submission::REJECTED_QUOTA) return Submission::REJECTED_QUOTA;
  // Of several generations of one evaluator the newest is judged, unless an older one has a result and it has none.
  std::map<std::string, Evaluation::State> states;
  std::set<std::string> succeeded;
  for (const storage::v1::EvaluationRow* evaluation : evaluations) {
    states[evaluation->evaluator()] = evaluation->state();
    if (evaluation->state() == Evaluation::SUCCEEDED) succeeded.insert(evaluation->evaluator());
  }
  int waiting = 0, parked = 0, active = 0, cancelled = 0, failed = 0, done = 0;
  for (const auto& [evaluator, state] : states) {
    const bool ended = HasEnded(state) || state == Evaluation::PARKED;
    if (ended && succeeded.count(evaluator) > 0) {
      ++done;
    } else if (state == Evaluation::PARKED) {
      ++parked;
    } else if (state == Evaluation::CANCELLED) {
      ++cancelled;
    } else if (ended) {
      ++failed;
    } else if (state == Evaluation::RUNNING) {
      ++active;
    } else {
      ++waiting;
    }
  }
  if (active > 0) return Submission::RUNNING;
  if (waiting > 0) return waiting == static_cast<int>(states.size()) ? Submission::QUEUED : Submission::RUNNING;
  if (submission.cancel_requested() && done == 0) return Submission::CANCELLED;
  if (parked > 0) return Submission::COMPLETED_PARTIAL;
  if (done == static_cast<int>(states.size())) return Submission::COMPLETED;
  if (done > 0) return Submission::COMPLETED_PARTIAL;
  return failed > 0 ? Submission::FAILED : Submission::CANCELLED;
}

ShardStep::ShardStep(const ShardContext& context, const Envelope& envelope, int64_t offset, RowChanges& rows,
                     ShardMeta& meta)
    : context_(context),
      envelope_(envelope),
      offset_(offset),
      time_(FromProtoTime(envelope.event_time())),
      tenant_(envelope.tenant()),
      candidate_(envelope.candidate_key()),
      rows_(rows),
      meta_(meta) {}

absl::Status ShardStep::Apply() {
  ASSAY_RETURN_IF_ERROR(LoadTenant());
  ASSAY_RETURN_IF_ERROR(ApplyBody());
  StoreTenant();
  return absl::OkStatus();
}

absl::Status ShardStep::ApplyBody() {
  switch (envelope_.body_case()) {
    case Envelope::kSubmissionAccepted:
      return OnSubmissionAccepted(envelope_.submission_accepted());
    case Envelope::kAttemptStarted:
      return OnAttemptStarted(envelope_.attempt_started());
    case Envelope::kAttemptProgress:
      return OnAttemptProgress(envelope_.attempt_progress());
    case Envelope::kEvaluationFinished:
      return OnEvaluationFinished(envelope_.evaluation_finished());
    case Envelope::kCancelRequested:
      return OnCancel(envelope_.cancel_requested());
    case Envelope::kWithdrawRequested:
      return OnWithdraw(envelope_.withdraw_requested());
    case Envelope::kRerunRequested:
      return OnRerun(envelope_.rerun_requested());
    case Envelope::kErasureRequested:
      return OnErasure();
    case Envelope::kAssessmentCreated:
      return OnAssessmentCreated(envelope_.assessment_created());
    case Envelope::kTimerFired:
      return OnTimerFired(envelope_.timer_fired());
    case Envelope::kRelayCheckpoint:
      return OnRelayCheckpoint(envelope_.relay_checkpoint());
    case Envelope::kOwnershipClaimed:
      return OnOwnershipClaimed(envelope_.ownership_claimed());
    case Envelope::kCatalogAdvanced:
      return OnCatalogAdvanced(envelope_.catalog_advanced());
    case Envelope::kStateVersion:
      return OnStateVersion(envelope_.state_version());
    case Envelope::kEvaluationReleased:
      return OnReleased(envelope_.evaluation_released());
    case Envelope::kQuotaChanged:
      if (has_tenants()) return OnQuotaChanged(envelope_.quota_changed());
      break;
    case Envelope::BODY_NOT_SET:
      break;
  }
  meta_.mutable_counters()->set_undecodable_records(meta_.counters().undecodable_records() + 1);
  return absl::OkStatus();
}

absl::Status ShardStep::OnOwnershipClaimed(const event::v1::OwnershipClaimed& claim) {
  // The first of two racing claims wins by its place in the log.
  if (claim.expects_epoch() == meta_.epoch()) {
    meta_.set_epoch(static_cast<uint64_t>(offset_) + 1);
    meta_.set_owner(claim.instance());
    meta_.set_claim_id(envelope_.event_id());
  } else {
    Illegal();
  }
  return absl::OkStatus();
}

absl::Status ShardStep::OnRelayCheckpoint(const event::v1::RelayCheckpoint& checkpoint) {
  if (envelope_.writer_epoch() != meta_.epoch()) {
    meta_.mutable_counters()->set_void_events(meta_.counters().void_events() + 1);
    return absl::OkStatus();
  }
  meta_.set_published_changes(std::max(meta_.published_changes(), checkpoint.published_changes()));
  // Work lies apart from the rest where tenants have queues.
  const absl::string_view prefix = has_tenants() ? kMessagePrefix : "";
  std::string from;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kOutboxTable, prefix, from, kPage));
    for (const store::Row& row : page) {
      if (OutboxNumber(row.key) >= checkpoint.sequence()) return absl::OkStatus();
      storage::v1::OutboxRow message;
      // Work stays until its attempt ended: a queue in memory is rebuilt from it.
      if (message.ParseFromString(row.value) && message.has_work()) continue;
      rows_.Delete(kOutboxTable, row.key);
    }
    if (page.size() < kPage) return absl::OkStatus();
    from = page.back().key + '\0';
  }
}

absl::Status ShardStep::OnCatalogAdvanced(const event::v1::CatalogAdvanced& advanced) {
  for (const std::string& digest : advanced.digests()) {
    if (context_.domain->FindFramework(digest) == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat("catalog: ", digest, " is not published here"));
    }
  }
  std::set<std::string> known(meta_.catalog().begin(), meta_.catalog().end());
  known.insert(advanced.digests().begin(), advanced.digests().end());
  *meta_.mutable_catalog() = {known.begin(), known.end()};
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ShardStep::Subject>> ShardStep::Load(absl::string_view submission_id) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<SubmissionRow> row,
                         rows_.Find<SubmissionRow>(kSubmissionTable, Key(tenant_, candidate_, submission_id)));
  if (!row) return std::optional<Subject>();
  std::optional<Subject> subject(std::in_place);
  subject->submission = *std::move(row);
  for (const std::string& id : subject->submission.evaluation_ids()) {
    const std::string key = Key(tenant_, candidate_, submission_id, id);
    ASSAY_ASSIGN_OR_RETURN(std::optional<EvaluationRow> evaluation, rows_.Find<EvaluationRow>(kEvaluationTable, key));
    if (!evaluation) return absl::DataLossError(absl::StrCat("evaluation ", key, " is missing"));
    subject->evaluations[id] = *std::move(evaluation);
  }
  subject->stored = StandingOf(subject->submission.state(), subject->Evaluations());
  return subject;
}

std::vector<const ShardStep::EvaluationRow*> ShardStep::Subject::Evaluations() const {
  std::vector<const EvaluationRow*> rows;
  for (const std::string& id : submission.evaluation_ids()) rows.push_back(&evaluations.at(id));
  return rows;
}

ShardStep::EvaluationRow* ShardStep::Subject::Find(absl::string_view id) {
  const auto found = evaluations.find(std::string(id));
  return found == evaluations.end() ? nullptr : &found->second;
}

ShardStep::EvaluationRow* ShardStep::Subject::Newest(absl::string_view evaluator) {
  EvaluationRow* newest = nullptr;
  for (auto& [id, row] : evaluations) {
    if (row.evaluator() != evaluator) continue;
    if (newest == nullptr || row.generation() > newest->generation()) newest = &row;
  }
  return newest;
}

void ShardStep::Store(Subject& subject, absl::string_view change) {
  SubmissionRow& row = subject.submission;
  const std::string& id = row.accepted().submission_id();
  const std::vector<const EvaluationRow*> evaluations = subject.Evaluations();
  for (const EvaluationRow* evaluation : evaluations) {
    rows_.Put(kEvaluationTable, Key(tenant_, candidate_, id, evaluation->id()), *evaluation);
  }
  row.set_state(DeriveState(row, evaluations));
  rows_.Put(kSubmissionTable, Key(tenant_, candidate_, id), row);
  const Standing now = StandingOf(row.state(), evaluations);
  BookStep(subject.stored, now);
  subject.stored = now;

  storage::v1::ChangeRow step;
  step.set_assessment_key(row.assessment_key());
  step.set_submission_id(id);
  step.set_change(std::string(change));
  *step.mutable_submission() = ClearViewOf(row, evaluations);
  AppendChange(std::move(step));
}

absl::Status ShardStep::RecomputeReadiness(absl::string_view assessment_key) {
  const std::string key = Key(tenant_, candidate_, assessment_key);
  ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::AssessmentRow> assessment,
                         rows_.Find<storage::v1::AssessmentRow>(kAssessmentTable, key));
  if (!assessment) return absl::DataLossError(absl::StrCat("assessment ", key, " is missing"));
  const v1::Framework* framework = context_.domain->FindFramework(assessment->framework_digest());
  if (framework == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("framework ", assessment->framework(), " (", assessment->framework_digest(),
                     ") is not published here; publish it, then start again"));
  }
  ASSAY_ASSIGN_OR_RETURN(CountedEvidence evidence,
                         CollectEvidence(rows_, tenant_, candidate_, assessment_key, *assessment));
  storage::v1::ReadinessRecordBytes record;
  record.set_readiness(
      SerializeRow(context_.domain->Fold(*framework, assessment->framework_digest(), evidence)));

  ASSAY_ASSIGN_OR_RETURN(const std::optional<storage::v1::ReadinessRowBytes> before,
                         rows_.Find<storage::v1::ReadinessRowBytes>(kReadinessTable, key));
  if (before) {
    storage::v1::ReadinessRecordBytes known;
    if (!known.ParseFromString(before->record())) {
      return absl::DataLossError(absl::StrCat("the readiness of assessment ", key, " cannot be read"));
    }
    if (known.readiness() == record.readiness()) return absl::OkStatus();
  }
  record.set_epoch(meta_.epoch());
  record.set_version(static_cast<uint64_t>(offset_));
  storage::v1::ReadinessRowBytes row;
  row.set_record(SerializeRow(record));
  row.set_framework_digest(assessment->framework_digest());
  rows_.Put(kReadinessTable, key, row);

  // Says that there is news, not which: a value is absolute, and whoever looks later may as well see a later one.
  storage::v1::ChangeRow step;
  step.set_assessment_key(std::string(assessment_key));
  step.set_change("readiness");
  AppendChange(std::move(step));
  return absl::OkStatus();
}

void ShardStep::AppendChange(storage::v1::ChangeRow row) {
  row.set_tenant(tenant_);
  row.set_candidate_key(candidate_);
  *row.mutable_time() = envelope_.event_time();
  const uint64_t sequence = meta_.next_change_sequence();
  meta_.set_next_change_sequence(sequence + 1);
  rows_.Put(kChangeTable, Hex16(sequence), row);
  if (sequence >= kChangeHistory) rows_.Delete(kChangeTable, Hex16(sequence - kChangeHistory));
}

uint64_t ShardStep::AppendWork(const event::v1::Work& work) {
  storage::v1::OutboxRow row;
  *row.mutable_work() = work;
  if (has_tenants()) {
    storage::v1::TenantLane& queue = (*tenant_row_.mutable_lanes())[work.lane()];
    queue.set_last_place(queue.last_place() + 1);
    tenant_changed_ = true;
    rows_.Put(kOutboxTable, WorkKey(work.lane(), tenant_, queue.last_place()), row);
    return queue.last_place();
  }
  // From 1, so that 0 can say "none".
  const uint64_t sequence = meta_.next_outbox_sequence() + 1;
  meta_.set_next_outbox_sequence(sequence);
  rows_.Put(kOutboxTable, Hex16(sequence), row);
  return sequence;
}

void ShardStep::DeleteWork(const EvaluationRow& evaluation) {
  const uint64_t number = evaluation.outbox_sequence();
  if (number == 0) return;
  rows_.Delete(kOutboxTable, has_tenants() ? WorkKey(evaluation.lane(), tenant_, number) : Hex16(number));
}

void ShardStep::AppendMessage(const storage::v1::OutboxRow& row) {
  const uint64_t sequence = meta_.next_outbox_sequence() + 1;
  meta_.set_next_outbox_sequence(sequence);
  rows_.Put(kOutboxTable, has_tenants() ? MessageKey(sequence) : Hex16(sequence), row);
}

bool ShardStep::MayRun(const EvaluationRow& evaluation) const {
  // Before, a worker that was given up, and may live, was not told.
  if (HasRules(2)) return evaluation.attempt() > 0 && !HasEnded(evaluation.state());
  return evaluation.state() == Evaluation::DISPATCHED || evaluation.state() == Evaluation::RUNNING;
}

void ShardStep::AppendCancel(absl::string_view submission_id, const std::vector<std::string>& evaluation_ids) {
  storage::v1::OutboxRow row;
  if (HasRules(2)) *row.mutable_cancel()->mutable_evaluation_ids() = {evaluation_ids.begin(), evaluation_ids.end()};
  row.mutable_cancel()->set_submission_id(std::string(submission_id));
  AppendMessage(row);
}

absl::StatusOr<bool> ShardStep::IsRepeated() {
  const std::string key = Key(tenant_, candidate_, envelope_.event_id());
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> known, rows_.Get(kRequestTable, key));
  if (known) return true;
  rows_.Put(kRequestTable, key, NewRequestRow());
  return false;
}

storage::v1::RequestRow ShardStep::NewRequestRow() const {
  storage::v1::RequestRow row;
  if (HasRules(2)) row.set_request_digest(envelope_.request_digest());
  row.set_offset(offset_);
  *row.mutable_time() = envelope_.event_time();
  return row;
}

void ShardStep::Illegal() {
  meta_.mutable_counters()->set_illegal_transitions(meta_.counters().illegal_transitions() + 1);
}

absl::Status ApplyRecord(const ShardContext& context, const log::Record& record, RowChanges& rows, ShardMeta& meta) {
  Envelope envelope;
  if (envelope.ParseFromString(record.value)) {
    ASSAY_RETURN_IF_ERROR(Annotate(ShardStep(context, envelope, record.offset, rows, meta).Apply(),
                                   absl::StrCat("record ", record.offset, " of partition ", record.partition)));
  } else {
    meta.mutable_counters()->set_undecodable_records(meta.counters().undecodable_records() + 1);
  }
  storage::v1::AuditRow leaf;
  const Digest hash = AuditLeaf(record.value);
  leaf.set_leaf_hash(std::string(hash.bytes()));
  rows.Put(kAuditTable, Hex16(meta.audit_size()), leaf);
  AppendAuditLeaf(hash, meta);
  meta.set_applied_offset(record.offset);
  meta.set_applied_record_sha256(std::string(Digest::Of(record.value).bytes()));
  return absl::OkStatus();
}

absl::StatusOr<storage::v1::ShardMeta> ReadMeta(const ShardContext& context, const RowReader& rows) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<ShardMeta> stored, rows.Find<ShardMeta>(kMetaTable, kMetaKey));
  if (stored) return *std::move(stored);
  ShardMeta fresh;
  fresh.set_log_identity(context.log_identity);
  fresh.set_partitions(context.partitions);
  fresh.set_applied_offset(-1);
  return fresh;
}

absl::StatusOr<store::Batch> ApplyGroup(const ShardContext& context, const RowReader& rows,
                                        absl::Span<const log::Record> records) {
  ASSAY_ASSIGN_OR_RETURN(ShardMeta meta, ReadMeta(context, rows));
  RowChanges changes(rows);
  for (const log::Record& record : records) ASSAY_RETURN_IF_ERROR(ApplyRecord(context, record, changes, meta));
  changes.Put(kMetaTable, kMetaKey, meta);
  return changes.ToBatch();
}

}  // namespace assay::aggregator
