// SPDX-License-Identifier: Apache-2.0
// What happens to submissions as a whole.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/shard_step.h"
#include "services/common/base/digest.h"

namespace assay::aggregator {
namespace {

using v1::Evaluation;
using v1::Submission;

std::string EvaluationId(absl::string_view submission_id, absl::string_view evaluator, uint32_t generation) {
  const Digest digest = Digest::Of(absl::StrCat(submission_id, "\n", evaluator, "\n", generation));
  return Base32(digest.bytes()).substr(0, 26);
}

template <typename List>
bool Contains(const List& list, absl::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// The evaluators asked for, and those they need.
std::set<std::string> Wanted(const v1::Framework& framework, const event::v1::SubmissionAccepted& accepted) {
  std::set<std::string> wanted(accepted.only_evaluators().begin(), accepted.only_evaluators().end());
  for (bool grown = !wanted.empty(); grown;) {
    grown = false;
    for (const v1::EvaluatorBinding& binding : framework.evaluators()) {
      if (wanted.count(binding.evaluator()) == 0) continue;
      for (const std::string& need : binding.needs()) grown |= wanted.insert(need).second;
    }
  }
  return wanted;
}

bool MaySpeak(const storage::v1::SubmissionRow& row) {
  return !row.withdrawn() && row.state() != Submission::CANCELLED && row.state() != Submission::ERASED &&
         row.state() != Submission::REJECTED_QUOTA;
}

}  // namespace

absl::Status ShardStep::OnSubmissionAccepted(const event::v1::SubmissionAccepted& accepted) {
  const std::string& id = accepted.submission_id();
  const std::string request_key = Key(tenant_, candidate_, id);
  ASSAY_ASSIGN_OR_RETURN(std::optional<std::string> repeated, rows_.Get(kRequestTable, request_key));
  ASSAY_ASSIGN_OR_RETURN(const bool forgotten, IsForgotten(id));
  if (repeated || forgotten) {
    meta_.mutable_counters()->set_repeated_submissions(meta_.counters().repeated_submissions() + 1);
    return absl::OkStatus();
  }
  const v1::Framework* framework = context_.domain->FindFramework(accepted.framework_digest());
  if (framework == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("framework ", accepted.framework(), " (", accepted.framework_digest(), ") is not published here"));
  }
  storage::v1::RequestRow request;
  request.set_request_digest(accepted.request_digest());
  request.set_offset(offset_);
  *request.mutable_time() = envelope_.event_time();
  rows_.Put(kRequestTable, request_key, request);
  ASSAY_RETURN_IF_ERROR(NoteAssessment(accepted));

  Subject subject;
  SubmissionRow& row = subject.submission;
  *row.mutable_accepted() = accepted;
  row.set_tenant(tenant_);
  row.set_candidate_key(candidate_);
  row.set_assessment_key(envelope_.assessment_key());
  row.set_offset(offset_);
  *row.mutable_accept_time() = envelope_.event_time();
  row.set_personal(envelope_.personal());
  meta_.mutable_counters()->set_submissions(meta_.counters().submissions() + 1);
  IndexSubmission(row);
  ASSAY_RETURN_IF_ERROR(ForgetRequests());
  const std::string refusal = has_tenants() ? QuotaRefusal(tenant_row_, /*is_new=*/true, time_) : "";
  if (!refusal.empty()) return Refuse(subject, refusal);
  CountOnDay(time_, tenant_row_);
  PlanEvaluations(*framework, subject);
  ASSAY_RETURN_IF_ERROR(TakeOverResults(subject));
  Advance(subject);
  Store(subject, "accepted");
  ASSAY_ASSIGN_OR_RETURN(const bool says_the_same, SaysTheSame(subject));
  ASSAY_RETURN_IF_ERROR(ChooseSpeaker(row));
  // Equal evidence gives equal readiness: the fold, which is most of the work here, would find what is there.
  return says_the_same ? absl::OkStatus() : RecomputeReadiness(row.assessment_key());
}

absl::Status ShardStep::Refuse(Subject& subject, absl::string_view refusal) {
  subject.submission.set_state(Submission::REJECTED_QUOTA);
  subject.submission.set_reason(std::string(refusal));
  tenant_row_.set_refused(tenant_row_.refused() + 1);
  Store(subject, "refused: over the quota");
  // It brings nothing; but whoever asks what is known of the candidate gets an answer.
  const std::string key = Key(tenant_, candidate_, subject.submission.assessment_key());
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> readiness, rows_.Get(kReadinessTable, key));
  return readiness ? absl::OkStatus() : RecomputeReadiness(subject.submission.assessment_key());
}

absl::Status ShardStep::NoteAssessment(const event::v1::SubmissionAccepted& accepted) {
  ASSAY_ASSIGN_OR_RETURN(
      std::optional<storage::v1::CandidateRow> candidate,
      rows_.Find<storage::v1::CandidateRow>(kCandidateTable, Key(tenant_, candidate_)));
  if (!candidate) {
    candidate.emplace();
    candidate->set_first_offset(offset_);
  }
  candidate->set_submissions(candidate->submissions() + 1);
  rows_.Put(kCandidateTable, Key(tenant_, candidate_), *candidate);

  const std::string key = Key(tenant_, candidate_, envelope_.assessment_key());
  ASSAY_ASSIGN_OR_RETURN(std::optional<std::string> known, rows_.Get(kAssessmentTable, key));
  if (known) return absl::OkStatus();
  storage::v1::AssessmentRow assessment;
  assessment.set_framework(accepted.framework());
  assessment.set_framework_digest(accepted.framework_digest());
  assessment.set_purpose("hiring");
  *assessment.mutable_create_time() = envelope_.event_time();
  assessment.set_personal(envelope_.personal());
  rows_.Put(kAssessmentTable, key, assessment);
  return absl::OkStatus();
}

void ShardStep::IndexSubmission(const SubmissionRow& row) {
  const event::v1::SubmissionAccepted& accepted = row.accepted();
  const std::string& id = accepted.submission_id();
  const std::string age = AgeSuffix(time_, offset_);
  rows_.Put(kIndexTable, RecentPrefix(tenant_) + age, absl::StrCat(candidate_, "/", id));
  rows_.Put(kIndexTable, HistoryPrefix(tenant_, candidate_) + age, id);
  rows_.Put(kIndexTable, IdKey(tenant_, id), candidate_);
  rows_.Put(kIndexTable,
            SourcePrefix(tenant_, candidate_, row.assessment_key(), accepted.kind(), accepted.source_key()) +
                InvertedHex16(static_cast<uint64_t>(offset_)),
            id);
}

void ShardStep::PlanEvaluations(const v1::Framework& framework, Subject& subject) {
  const event::v1::SubmissionAccepted& accepted = subject.submission.accepted();
  const std::string& kind = Submission::Kind_Name(accepted.kind());
  const std::set<std::string> wanted = Wanted(framework, accepted);
  for (const v1::EvaluatorBinding& binding : framework.evaluators()) {
    const std::string& evaluator = binding.evaluator();
    if (!Contains(binding.kinds(), kind)) continue;
    if (!wanted.empty() && wanted.count(evaluator) == 0) continue;
    if (Contains(accepted.skip_evaluators(), evaluator)) continue;
    const auto plugin = accepted.plugins().find(evaluator);
    AddEvaluation(subject, evaluator, {binding.needs().begin(), binding.needs().end()}, binding.lane(),
                  plugin == accepted.plugins().end() ? "" : plugin->second, 0);
  }
}

void ShardStep::AddEvaluation(Subject& subject, absl::string_view evaluator, const std::vector<std::string>& needs,
                              absl::string_view lane, absl::string_view plugin_digest, uint32_t generation) {
  const std::string& submission_id = subject.submission.accepted().submission_id();
  EvaluationRow row;
  row.set_id(EvaluationId(submission_id, evaluator, generation));
  row.set_submission_id(submission_id);
  row.set_evaluator(std::string(evaluator));
  row.set_plugin_digest(std::string(plugin_digest));
  *row.mutable_needs() = {needs.begin(), needs.end()};
  row.set_lane(lane == "fast" ? "fast" : "slow");
  row.set_generation(generation);
  *row.mutable_create_time() = envelope_.event_time();
  row.set_state(Evaluation::PENDING);
  if (plugin_digest.empty()) {
    Park(Evaluation::PLATFORM, absl::StrCat("no plugin for ", evaluator, " is installed here"), row);
  }
  subject.submission.add_evaluation_ids(row.id());
  const std::string id = row.id();
  subject.evaluations[id] = std::move(row);
}

absl::Status ShardStep::ChooseSpeaker(const SubmissionRow& changed) {
  const int kind = changed.accepted().kind();
  const std::string& source = changed.accepted().source_key();
  const std::string speaks_key = SpeaksKey(tenant_, candidate_, changed.assessment_key(), kind, source);
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> before, rows_.Get(kIndexTable, speaks_key));

  // Newest first: the first that may speak does.
  const std::string prefix = SourcePrefix(tenant_, candidate_, changed.assessment_key(), kind, source);
  std::string from, speaker;
  while (speaker.empty()) {
    constexpr size_t kPage = 16;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kIndexTable, prefix, from, kPage));
    for (const store::Row& row : page) {
      ASSAY_ASSIGN_OR_RETURN(std::optional<SubmissionRow> candidate,
                             rows_.Find<SubmissionRow>(kSubmissionTable, Key(tenant_, candidate_, row.value)));
      if (!candidate || !MaySpeak(*candidate)) continue;
      speaker = row.value;
      break;
    }
    if (page.size() < kPage) break;
    from = page.back().key + '\0';
  }
  if (before.value_or("") == speaker) return absl::OkStatus();
  if (speaker.empty()) {
    rows_.Delete(kIndexTable, speaks_key);
  } else {
    rows_.Put(kIndexTable, speaks_key, speaker);
    ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(speaker));
    if (subject && !subject->submission.superseded_by().empty()) {
      subject->submission.clear_superseded_by();
      Store(*subject, "speaks again");
    }
  }
  if (!before || speaker.empty()) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(*before));
  if (subject && MaySpeak(subject->submission)) {
    subject->submission.set_superseded_by(speaker);
    Store(*subject, "superseded");
  }
  return absl::OkStatus();
}

absl::Status ShardStep::OnCancel(const event::v1::CancelRequested& request) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(request.submission_id()));
  if (!subject || subject->submission.state() == Submission::ERASED) {
    Illegal();
    return absl::OkStatus();
  }
  if (HasRules(2)) {
    // One that comes late must not end what a rerun has begun since.
    ASSAY_ASSIGN_OR_RETURN(const bool repeated, IsRepeated());
    if (repeated) return absl::OkStatus();
  }
  bool ended_one = false;
  std::vector<std::string> running;
  for (auto& [id, evaluation] : subject->evaluations) {
    if (HasEnded(evaluation.state())) continue;
    if (MayRun(evaluation)) running.push_back(id);
    End(Evaluation::CANCELLED, "cancelled", evaluation);
    ended_one = true;
  }
  if (!ended_one) return absl::OkStatus();
  if (!running.empty()) AppendCancel(request.submission_id(), running);
  subject->submission.set_cancel_requested(true);
  Store(*subject, "cancelled");
  ASSAY_RETURN_IF_ERROR(ChooseSpeaker(subject->submission));
  return RecomputeReadiness(subject->submission.assessment_key());
}

absl::Status ShardStep::OnWithdraw(const event::v1::WithdrawRequested& request) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(request.submission_id()));
  if (!subject || subject->submission.state() == Submission::ERASED) {
    Illegal();
    return absl::OkStatus();
  }
  if (HasRules(2)) {
    ASSAY_ASSIGN_OR_RETURN(const bool repeated, IsRepeated());
    if (repeated) return absl::OkStatus();
  }
  if (subject->submission.withdrawn()) return absl::OkStatus();
  subject->submission.set_withdrawn(true);
  if (HasRules(2)) {
    subject->submission.set_withdrawal_personal(envelope_.personal());
  } else {
    event::v1::PersonalFacts facts;
    if (facts.ParseFromString(envelope_.personal())) subject->submission.set_reason(facts.reason());
  }
  Store(*subject, "withdrawn");
  ASSAY_RETURN_IF_ERROR(ChooseSpeaker(subject->submission));
  return RecomputeReadiness(subject->submission.assessment_key());
}

absl::Status ShardStep::OnRerun(const event::v1::RerunRequested& request) {
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(request.submission_id()));
  if (!subject || subject->submission.state() == Submission::ERASED || subject->submission.withdrawn()) {
    Illegal();
    return absl::OkStatus();
  }
  ASSAY_ASSIGN_OR_RETURN(const bool repeated, IsRepeated());
  if (repeated) return absl::OkStatus();
  const bool is_in_flight = subject->stored.account == Standing::Account::kInFlight;
  if (has_tenants() && !is_in_flight && !QuotaRefusal(tenant_row_, /*is_new=*/false, time_).empty()) {
    tenant_row_.set_refused(tenant_row_.refused() + 1);
    tenant_changed_ = true;
    Store(*subject, "not run again: over the quota");
    return absl::OkStatus();
  }
  // Only what has ended runs again; what still runs will give its result.
  std::map<std::string, EvaluationRow> newest;
  for (const auto& [id, row] : subject->evaluations) {
    const auto [known, is_new] = newest.try_emplace(row.evaluator(), row);
    if (!is_new && known->second.generation() < row.generation()) known->second = row;
  }
  storage::v1::RequestRow made = NewRequestRow();
  made.set_submission_id(request.submission_id());
  for (const auto& [evaluator, row] : newest) {
    if (!request.evaluators().empty() && !Contains(request.evaluators(), evaluator)) continue;
    if (!HasEnded(row.state()) && row.state() != Evaluation::PARKED) continue;
    const auto plugin = request.plugins().find(evaluator);
    AddEvaluation(*subject, evaluator, {row.needs().begin(), row.needs().end()}, row.lane(),
                  plugin == request.plugins().end() ? row.plugin_digest() : plugin->second, row.generation() + 1);
    made.add_evaluation_ids(*subject->submission.evaluation_ids().rbegin());
  }
  if (HasRules(2)) rows_.Put(kRequestTable, Key(tenant_, candidate_, envelope_.event_id()), made);
  if (made.evaluation_ids().empty()) return absl::OkStatus();
  subject->submission.set_cancel_requested(false);
  Advance(*subject);
  Store(*subject, "runs again");
  ASSAY_RETURN_IF_ERROR(ChooseSpeaker(subject->submission));
  return RecomputeReadiness(subject->submission.assessment_key());
}

absl::Status ShardStep::OnAssessmentCreated(const event::v1::AssessmentCreated& created) {
  if (HasRules(2)) {
    ASSAY_ASSIGN_OR_RETURN(const bool repeated, IsRepeated());
    if (repeated) return absl::OkStatus();
  }
  const std::string key = Key(tenant_, candidate_, envelope_.assessment_key());
  ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::AssessmentRow> row,
                         rows_.Find<storage::v1::AssessmentRow>(kAssessmentTable, key));
  if (row && row->created()) {
    Illegal();
    return absl::OkStatus();
  }
  if (context_.domain->FindFramework(created.framework_digest()) == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("framework ", created.framework(), " (", created.framework_digest(), ") is not published here"));
  }
  const bool has_submissions = row.has_value();
  if (!row) {
    row.emplace();
    *row->mutable_create_time() = envelope_.event_time();
  }
  row->set_created(true);
  row->set_framework(created.framework());
  row->set_framework_digest(created.framework_digest());
  row->set_purpose(created.purpose());
  row->set_task_blob_digest(created.task_blob_digest());
  row->set_personal(envelope_.personal());
  rows_.Put(kAssessmentTable, key, *row);
  if (!has_submissions) return absl::OkStatus();
  return RecomputeReadiness(envelope_.assessment_key());
}

}  // namespace assay::aggregator
