// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/views.h"

#include "assay/event/v1/event.pb.h"

namespace assay::aggregator {

v1::Evaluation ViewOf(const storage::v1::EvaluationRow& row) {
  v1::Evaluation view;
  view.set_id(row.id());
  view.set_evaluator(row.evaluator());
  view.set_plugin_digest(row.plugin_digest());
  view.set_state(row.state());
  view.set_fault_domain(row.fault_domain());
  view.set_attempts(row.attempts_consumed());
  view.set_reason(row.reason());
  view.set_wall_seconds(row.wall_seconds());
  view.set_cpu_seconds(row.cpu_seconds());
  view.set_submission(row.submission_id());
  view.set_result_digest(row.result_digest());
  view.set_phase(row.phase());
  if (row.has_create_time()) *view.mutable_create_time() = row.create_time();
  if (row.has_end_time()) *view.mutable_end_time() = row.end_time();
  return view;
}

v1::Submission ClearViewOf(const storage::v1::SubmissionRow& row,
                           const std::vector<const storage::v1::EvaluationRow*>& evaluations) {
  v1::Submission view;
  const event::v1::SubmissionAccepted& accepted = row.accepted();
  view.set_id(accepted.submission_id());
  view.set_kind(accepted.kind());
  view.set_state(row.state());
  view.set_digest(accepted.digest());
  view.set_reason(row.reason());
  for (const storage::v1::EvaluationRow* evaluation : evaluations) *view.add_evaluations() = ViewOf(*evaluation);
  if (row.has_accept_time()) *view.mutable_accept_time() = row.accept_time();
  view.set_superseded_by(row.superseded_by());
  view.set_withdrawn(row.withdrawn());
  if (accepted.kind() == v1::Submission::REPOSITORY) view.set_artifact_digest(accepted.blob_digest());
  *view.mutable_skipped_evaluators() = accepted.skip_evaluators();
  view.set_quick(accepted.quick());
  return view;
}

void AddPersonal(const storage::v1::SubmissionRow& row, v1::Submission& submission) {
  event::v1::PersonalFacts facts;
  if (!facts.ParseFromString(row.personal())) return;
  submission.set_candidate(facts.candidate());
  submission.set_assessment(facts.assessment());
  submission.set_source(facts.source());
  submission.set_origin(facts.origin());
  *submission.mutable_labels() = facts.labels();
  event::v1::PersonalFacts withdrawal;
  if (!withdrawal.ParseFromString(row.withdrawal_personal()) || withdrawal.reason().empty()) return;
  submission.set_reason(withdrawal.reason());
}

shard::v1::AssessmentEntry AssessmentViewOf(const storage::v1::AssessmentRow& row, absl::string_view assessment_key) {
  shard::v1::AssessmentEntry entry;
  entry.set_assessment_key(std::string(assessment_key));
  entry.set_framework_digest(row.framework_digest());
  entry.set_task_blob_digest(row.task_blob_digest());
  entry.set_created(row.created());
  v1::Assessment& view = *entry.mutable_assessment();
  event::v1::PersonalFacts facts;
  facts.ParseFromString(row.personal());
  view.set_id(facts.assessment());
  view.set_candidate(facts.candidate());
  view.set_opening(facts.opening());
  *view.mutable_labels() = facts.labels();
  view.set_framework(row.framework());
  view.set_purpose(row.purpose() == "promotion"  ? v1::Assessment::PROMOTION
                   : row.purpose() == "practice" ? v1::Assessment::PRACTICE
                                                 : v1::Assessment::HIRING);
  *view.mutable_create_time() = row.create_time();
  return entry;
}

bool IsTerminal(v1::Submission::State state) {
  switch (state) {
    case v1::Submission::COMPLETED:
    case v1::Submission::COMPLETED_PARTIAL:
    case v1::Submission::FAILED:
    case v1::Submission::CANCELLED:
    case v1::Submission::REJECTED_QUOTA:
    case v1::Submission::EXPIRED:
    case v1::Submission::ERASED:
      return true;
    default:
      return false;
  }
}

}  // namespace assay::aggregator
