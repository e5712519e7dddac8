// SPDX-License-Identifier: Apache-2.0
// Erasing a candidate: rows go, a bare tombstone of each submission stays, blobs are named to the relay.
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/shard_step.h"

namespace assay::aggregator {

absl::Status ShardStep::OnErasure() {
  if (candidate_.empty()) {
    Illegal();
    return absl::OkStatus();
  }
  ASSAY_ASSIGN_OR_RETURN(const bool repeated, IsRepeated());
  if (repeated) return absl::OkStatus();
  const std::string prefix = Key(tenant_, candidate_) + "/";
  std::string from;
  std::vector<SubmissionRow> submissions;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kSubmissionTable, prefix, from, kPage));
    for (const store::Row& row : page) {
      SubmissionRow& submission = submissions.emplace_back();
      if (!submission.ParseFromString(row.value)) {
        return absl::DataLossError(absl::StrCat("table submission: row ", row.key, " cannot be read"));
      }
    }
    if (page.size() < kPage) break;
    from = page.back().key + '\0';
  }
  // Old steps go first: the steps that say "erased" stay.
  ASSAY_RETURN_IF_ERROR(EraseChanges());
  for (const SubmissionRow& row : submissions) ASSAY_RETURN_IF_ERROR(EraseSubmission(row));
  if (HasRules(2)) ASSAY_RETURN_IF_ERROR(TellReadinessIsGone());
  for (absl::string_view table : {kEvaluationTable, kResultTable, kAssessmentTable, kReadinessTable}) {
    ASSAY_RETURN_IF_ERROR(ErasePrefix(table, prefix));
  }
  ASSAY_RETURN_IF_ERROR(ErasePrefix(kIndexTable, absl::StrCat("speaks/", prefix)));
  ASSAY_RETURN_IF_ERROR(ErasePrefix(kIndexTable, absl::StrCat("source/", prefix)));
  ASSAY_RETURN_IF_ERROR(ErasePrefix(kIndexTable, ReusePrefix(tenant_, candidate_)));
  rows_.Delete(kCandidateTable, Key(tenant_, candidate_));

  storage::v1::OutboxRow blobs;
  blobs.mutable_erase_blobs()->set_tenant(tenant_);
  blobs.mutable_erase_blobs()->set_candidate_key(candidate_);
  *blobs.mutable_erase_blobs()->mutable_before() = envelope_.event_time();
  AppendMessage(blobs);
  return absl::OkStatus();
}

absl::Status ShardStep::TellReadinessIsGone() {
  const std::string prefix = Key(tenant_, candidate_) + "/";
  std::string from;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kReadinessTable, prefix, from, kPage));
    for (const store::Row& row : page) {
      storage::v1::ChangeRow step;
      step.set_assessment_key(row.key.substr(prefix.size()));
      step.set_change("erased");
      AppendChange(std::move(step));
    }
    if (page.size() < kPage) return absl::OkStatus();
    from = page.back().key + '\0';
  }
}

absl::Status ShardStep::EraseSubmission(const SubmissionRow& row) {
  const std::string& id = row.accepted().submission_id();
  if (row.state() == v1::Submission::ERASED) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(std::optional<Subject> subject, Load(id));
  std::vector<std::string> running;
  for (auto& [evaluation_id, evaluation] : subject->evaluations) {
    if (MayRun(evaluation)) running.push_back(evaluation_id);
    ClearAttempt(evaluation);
  }
  if (!running.empty()) AppendCancel(id, running);
  SubmissionRow tombstone;
  tombstone.set_tenant(tenant_);
  tombstone.set_candidate_key(candidate_);
  tombstone.set_assessment_key(row.assessment_key());
  tombstone.set_offset(row.offset());
  *tombstone.mutable_accept_time() = row.accept_time();
  tombstone.set_state(v1::Submission::ERASED);
  tombstone.mutable_accepted()->set_submission_id(id);
  tombstone.mutable_accepted()->set_kind(row.accepted().kind());
  BookStep(subject->stored, StandingOf(tombstone.state(), {}));
  rows_.Put(kSubmissionTable, Key(tenant_, candidate_, id), tombstone);

  storage::v1::ChangeRow step;
  step.set_assessment_key(row.assessment_key());
  step.set_submission_id(id);
  step.set_change("erased");
  step.mutable_submission()->set_id(id);
  step.mutable_submission()->set_kind(row.accepted().kind());
  step.mutable_submission()->set_state(v1::Submission::ERASED);
  AppendChange(std::move(step));
  return absl::OkStatus();
}

absl::Status ShardStep::ErasePrefix(absl::string_view table, absl::string_view prefix) {
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(table, prefix, "", kPage));
    for (const store::Row& row : page) rows_.Delete(table, row.key);
    if (page.size() < kPage) return absl::OkStatus();
  }
}

absl::Status ShardStep::EraseChanges() {
  std::string from;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kChangeTable, "", from, kPage));
    for (const store::Row& row : page) {
      storage::v1::ChangeRow change;
      if (change.ParseFromString(row.value) &&
          (change.tenant() != tenant_ || change.candidate_key() != candidate_)) {
        continue;
      }
      rows_.Delete(kChangeTable, row.key);
    }
    if (page.size() < kPage) return absl::OkStatus();
    from = page.back().key + '\0';
  }
}

}  // namespace assay::aggregator
