// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/shard_reads.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "services/aggregator/evidence_words.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/proto_time.h"
#include "services/aggregator/queue_position.h"
#include "services/aggregator/report.h"
#include "services/aggregator/shard.h"
#include "services/aggregator/views.h"

namespace assay::aggregator {
namespace {

using shard::v1::ListPosition;
using shard::v1::Scope;
using storage::v1::AssessmentRow;
using storage::v1::EvaluationRow;
using storage::v1::SubmissionRow;

constexpr uint32_t kMaxPage = 500;
constexpr uint32_t kEvidencePage = 100;
// How many rows a filtered list looks at before it answers with what it has.
constexpr size_t kMaxLooked = 5000;
// Submissions of an assessment that one report tells of.
constexpr size_t kMaxReported = 5000;
constexpr uint64_t kMaxDocumentBytes = 4 << 20;

absl::Status NoSubmission(absl::string_view id) { return absl::NotFoundError(absl::StrCat("submission ", id, " not found")); }

// The record as the API shows it, with the names the shard keeps apart.
void AddNames(const AssessmentRow& row, v1::ReadinessRecord& record) {
  event::v1::PersonalFacts facts;
  if (!facts.ParseFromString(row.personal())) return;
  record.set_candidate(facts.candidate());
  record.set_assessment(facts.assessment());
  AddressCommands(facts.candidate(), *record.mutable_readiness());
}

// Where a scan that goes on after `position` begins. Lists sort by time, newest first, then by shard, then by offset,
// newest first: of that very time a later shard's rows are still to come, an earlier one's are past.
std::string StartAfter(const std::string& prefix, const ListPosition& position, uint32_t shard) {
  const absl::Time time = absl::FromUnixMicros(position.time_micros());
  if (shard > position.shard()) return prefix + AgeSuffix(time, INT64_MAX);
  return prefix + AgeSuffix(time, shard == position.shard() ? position.offset() : 0) + '\0';
}

ListPosition PositionOf(const store::Row& index, uint32_t shard) {
  const Age age = ParseAgeSuffix(index.key);
  ListPosition position;
  position.set_time_micros(age.time_micros);
  position.set_shard(shard);
  position.set_offset(age.offset);
  return position;
}

// Whether the result names the digest: then `found` says what it is and where.
bool Describe(const Result& result, const std::string& result_digest, const Digest& digest,
              shard::v1::FindEvidenceResponse& found) {
  const auto& contents = result.document.contents();
  const auto piece = std::find_if(contents.begin(), contents.end(),
                                  [&](const auto& content) { return content.digest() == digest.bytes(); });
  const bool is_within = piece != contents.end();
  if (is_within) {
    found.set_result_digest(result_digest);
    found.mutable_evidence()->set_size(piece->content().size());
  }
  for (const v1::Evidence& known : result.report.evidence()) {
    if (known.digest() != found.evidence().digest()) continue;
    *found.mutable_evidence() = known;
    return true;
  }
  return is_within;
}

}  // namespace

absl::StatusOr<v1::Submission> ShardReads::LoadView(const SubmissionRow& row) const {
  std::vector<EvaluationRow> evaluations;
  evaluations.reserve(row.evaluation_ids_size());
  for (const std::string& id : row.evaluation_ids()) {
    ASSAY_ASSIGN_OR_RETURN(
        std::optional<EvaluationRow> evaluation,
        rows_.Find<EvaluationRow>(kEvaluationTable,
                                  Key(row.tenant(), row.candidate_key(), row.accepted().submission_id(), id)));
    // Gone when an erasure came between the two reads.
    if (evaluation) evaluations.push_back(*std::move(evaluation));
  }
  std::vector<const EvaluationRow*> pointers;
  for (const EvaluationRow& evaluation : evaluations) pointers.push_back(&evaluation);
  v1::Submission view = ClearViewOf(row, pointers);
  AddPersonal(row, view);
  return view;
}

absl::StatusOr<AssessmentRow> ShardReads::FindAssessment(const Scope& scope) const {
  ASSAY_ASSIGN_OR_RETURN(
      std::optional<AssessmentRow> row,
      rows_.Find<AssessmentRow>(kAssessmentTable, Key(scope.tenant(), scope.candidate_key(), scope.assessment_key())));
  if (!row) return absl::NotFoundError("nothing was submitted for this candidate and assessment");
  return *std::move(row);
}

absl::StatusOr<shard::v1::FindRequestResponse> ShardReads::FindRequest(
    const shard::v1::FindRequestRequest& request) const {
  const Scope& scope = request.scope();
  ASSAY_ASSIGN_OR_RETURN(
      std::optional<storage::v1::RequestRow> row,
      rows_.Find<storage::v1::RequestRow>(kRequestTable, Key(scope.tenant(), scope.candidate_key(), request.key())));
  shard::v1::FindRequestResponse response;
  if (!row) {
    // A submission outlives the row of its request.
    ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> submission,
                           rows_.Get(kSubmissionTable, Key(scope.tenant(), scope.candidate_key(), request.key())));
    if (!submission) return absl::NotFoundError("no such request");
    response.set_forgotten(true);
    return response;
  }
  *response.mutable_time() = row->time();
  response.set_request_digest(row->request_digest());
  response.set_offset(row->offset());
  response.set_submission_id(row->submission_id());
  *response.mutable_evaluation_ids() = row->evaluation_ids();
  return response;
}

absl::StatusOr<shard::v1::GetSubmissionResponse> ShardReads::GetSubmission(
    const shard::v1::GetSubmissionRequest& request) const {
  const Scope& scope = request.scope();
  std::string candidate = scope.candidate_key();
  if (candidate.empty()) {
    ASSAY_ASSIGN_OR_RETURN(std::optional<std::string> owner,
                           rows_.Get(kIndexTable, IdKey(scope.tenant(), request.id())));
    if (!owner) return NoSubmission(request.id());
    candidate = *owner;
  }
  ASSAY_ASSIGN_OR_RETURN(
      std::optional<SubmissionRow> row,
      rows_.Find<SubmissionRow>(kSubmissionTable, Key(scope.tenant(), candidate, request.id())));
  if (!row) return NoSubmission(request.id());
  shard::v1::GetSubmissionResponse response;
  ASSAY_ASSIGN_OR_RETURN(*response.mutable_submission(), LoadView(*row));
  if (row->state() == v1::Submission::QUEUED) {
    ASSAY_RETURN_IF_ERROR(AddQueuePosition(rows_, *row, *response.mutable_submission()));
  }
  response.set_candidate_key(candidate);
  response.set_assessment_key(row->assessment_key());
  response.set_framework_digest(row->accepted().framework_digest());
  *response.mutable_plugins() = row->accepted().plugins();
  return response;
}

absl::StatusOr<shard::v1::ListSubmissionsResponse> ShardReads::ListSubmissions(
    const shard::v1::ListSubmissionsRequest& request) const {
  const Scope& scope = request.scope();
  const bool whole_tenant = scope.candidate_key().empty();
  const std::string prefix =
      whole_tenant ? RecentPrefix(scope.tenant()) : HistoryPrefix(scope.tenant(), scope.candidate_key());
  const uint32_t limit = std::min(request.limit(), kMaxPage);
  std::string from = request.has_after() ? StartAfter(prefix, request.after(), shard_) : "";
  shard::v1::ListSubmissionsResponse response;
  for (size_t looked = 0;;) {
    constexpr size_t kPage = 100;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kIndexTable, prefix, from, kPage));
    for (const store::Row& index : page) {
      if (static_cast<uint32_t>(response.entries_size()) >= limit || looked >= kMaxLooked) {
        response.set_more(true);
        return response;
      }
      ++looked;
      *response.mutable_next() = PositionOf(index, shard_);
      const std::string key = whole_tenant ? absl::StrCat(scope.tenant(), "/", index.value)
                                           : Key(scope.tenant(), scope.candidate_key(), index.value);
      ASSAY_ASSIGN_OR_RETURN(std::optional<SubmissionRow> row, rows_.Find<SubmissionRow>(kSubmissionTable, key));
      if (!row) continue;
      if (!scope.assessment_key().empty() && row->assessment_key() != scope.assessment_key()) continue;
      if (request.kind() != v1::Submission::KIND_UNSPECIFIED && row->accepted().kind() != request.kind()) continue;
      auto& entry = *response.add_entries();
      ASSAY_ASSIGN_OR_RETURN(*entry.mutable_submission(), LoadView(*row));
      *entry.mutable_position() = response.next();
    }
    if (page.size() < kPage) break;
    from = page.back().key + '\0';
  }
  response.clear_next();
  return response;
}

absl::StatusOr<shard::v1::AssessmentEntry> ShardReads::GetAssessment(
    const shard::v1::GetAssessmentRequest& request) const {
  ASSAY_ASSIGN_OR_RETURN(const AssessmentRow row, FindAssessment(request.scope()));
  shard::v1::AssessmentEntry entry = AssessmentViewOf(row, request.scope().assessment_key());
  if (request.with_task()) ASSAY_RETURN_IF_ERROR(AddTask(request.scope(), entry));
  return entry;
}

absl::Status ShardReads::AddTask(const Scope& scope, shard::v1::AssessmentEntry& entry) const {
  const std::string prefix =
      SpeaksKey(scope.tenant(), scope.candidate_key(), scope.assessment_key(), v1::Submission::TASK, "");
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> speaking, rows_.Scan(kIndexTable, prefix, "", 1));
  if (speaking.empty()) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(
      const std::optional<SubmissionRow> task,
      rows_.Find<SubmissionRow>(kSubmissionTable, Key(scope.tenant(), scope.candidate_key(), speaking[0].value)));
  // Gone when an erasure came between the two reads.
  if (!task) return absl::OkStatus();
  entry.set_task_blob_digest(task->accepted().blob_digest());
  entry.set_task_base_blob_digest(task->accepted().base_blob_digest());
  return absl::OkStatus();
}

absl::StatusOr<shard::v1::ListAssessmentsResponse> ShardReads::ListAssessments(
    const shard::v1::ListAssessmentsRequest& request) const {
  const Scope& scope = request.scope();
  const std::string prefix = Key(scope.tenant(), scope.candidate_key()) + "/";
  const std::string from = request.after().empty() ? "" : prefix + request.after() + '\0';
  ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page,
                         rows_.Scan(kAssessmentTable, prefix, from, std::min(request.limit(), kMaxPage)));
  shard::v1::ListAssessmentsResponse response;
  for (const store::Row& stored : page) {
    AssessmentRow row;
    if (!row.ParseFromString(stored.value)) return absl::DataLossError("an assessment cannot be read");
    *response.add_assessments() = AssessmentViewOf(row, stored.key.substr(prefix.size()));
  }
  return response;
}

absl::StatusOr<std::string> ShardReads::GetReadiness(const shard::v1::GetReadinessRequest& request) const {
  const Scope& scope = request.scope();
  const std::string key = Key(scope.tenant(), scope.candidate_key(), scope.assessment_key());
  ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::ReadinessRowBytes> row,
                         rows_.Find<storage::v1::ReadinessRowBytes>(kReadinessTable, key));
  if (!row) return absl::NotFoundError("nothing was submitted for this candidate and assessment");
  return std::move(*row->mutable_record());
}

absl::StatusOr<std::vector<v1::Submission>> ShardReads::AllSubmissions(const Scope& scope) const {
  shard::v1::ListSubmissionsRequest list;
  *list.mutable_scope() = scope;
  list.set_limit(kMaxPage);
  std::vector<v1::Submission> submissions;
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(shard::v1::ListSubmissionsResponse page, ListSubmissions(list));
    for (auto& entry : *page.mutable_entries()) {
      if (entry.submission().state() == v1::Submission::ERASED) continue;
      submissions.push_back(std::move(*entry.mutable_submission()));
    }
    if (submissions.size() > kMaxReported) {
      return absl::FailedPreconditionError(
          absl::StrCat("assessment: it has more than ", kMaxReported,
                       " submissions, more than a report tells of; read them in pages with ListSubmissions"));
    }
    if (!page.more()) return submissions;
    *list.mutable_after() = page.next();
  }
}

absl::StatusOr<v1::EvaluationReport> ShardReads::GetReport(const shard::v1::GetReportRequest& request) const {
  const Scope& scope = request.scope();
  ASSAY_ASSIGN_OR_RETURN(const AssessmentRow assessment, FindAssessment(scope));
  ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::ReadinessRow> stored,
                         rows_.Find<storage::v1::ReadinessRow>(
                             kReadinessTable, Key(scope.tenant(), scope.candidate_key(), scope.assessment_key())));
  if (!stored) return absl::NotFoundError("nothing was submitted for this candidate and assessment");
  v1::ReadinessRecord record = std::move(*stored->mutable_record());
  AddNames(assessment, record);
  ReportInputs inputs;
  ASSAY_ASSIGN_OR_RETURN(inputs.submissions, AllSubmissions(scope));
  inputs.candidate = record.candidate();
  inputs.assessment = record.assessment();
  inputs.framework = assessment.framework();
  inputs.framework_digest = assessment.framework_digest();
  inputs.owner = {scope.tenant(), scope.candidate_key()};
  inputs.readiness = std::move(*record.mutable_readiness());
  ASSAY_ASSIGN_OR_RETURN(inputs.evidence, CollectEvidence(rows_, scope.tenant(), scope.candidate_key(),
                                                          scope.assessment_key(), assessment));
  return BuildReport(inputs, request.for_candidate(), request.full(), blobs_, domain_);
}

absl::StatusOr<shard::v1::FindEvidenceResponse> ShardReads::FindEvidence(
    const shard::v1::FindEvidenceRequest& request) const {
  const blob::Owner owner{request.scope().tenant(), request.scope().candidate_key()};
  const absl::Status unknown = absl::NotFoundError("no evidence of this candidate has that digest");
  const absl::StatusOr<Digest> digest = Digest::Parse(request.digest());
  if (!digest.ok()) return unknown;
  shard::v1::FindEvidenceResponse found;
  found.mutable_evidence()->set_digest(request.digest());
  const absl::StatusOr<blob::BlobInfo> blob = blobs_.Stat(owner, *digest);
  if (!blob.ok() && !absl::IsNotFound(blob.status())) return blob.status();
  if (blob.ok()) found.mutable_evidence()->set_size(blob->size);
  shard::v1::ListSubmissionsRequest list;
  *list.mutable_scope() = request.scope();
  list.mutable_scope()->clear_assessment_key();
  list.set_limit(kEvidencePage);
  // Equal results of several submissions are one document.
  std::set<std::string> seen;
  for (bool last = false; !last;) {
    ASSAY_ASSIGN_OR_RETURN(const shard::v1::ListSubmissionsResponse page, ListSubmissions(list));
    for (const auto& entry : page.entries()) {
      for (const v1::Evaluation& evaluation : entry.submission().evaluations()) {
        if (evaluation.result_digest().empty() || !seen.insert(evaluation.result_digest()).second) continue;
        const absl::StatusOr<Result> result = ReadResult(evaluation.result_digest(), owner, blobs_);
        if (result.ok() && Describe(*result, evaluation.result_digest(), *digest, found)) return found;
      }
    }
    // Whatever is a blob is known to be there; the newest submissions say what it is.
    last = blob.ok() || !page.more();
    *list.mutable_after() = page.next();
  }
  if (!blob.ok()) return unknown;
  return found;
}

absl::StatusOr<shard::v1::ListDecisionsResponse> ShardReads::ListDecisions(
    const shard::v1::ListDecisionsRequest& request) const {
  shard::v1::ListSubmissionsRequest list;
  *list.mutable_scope() = request.scope();
  if (request.has_after()) *list.mutable_after() = request.after();
  list.set_limit(request.limit());
  list.set_kind(v1::Submission::DECISION);
  ASSAY_ASSIGN_OR_RETURN(shard::v1::ListSubmissionsResponse submissions, ListSubmissions(list));
  shard::v1::ListDecisionsResponse response;
  response.set_more(submissions.more());
  if (submissions.has_next()) *response.mutable_next() = submissions.next();
  for (const auto& entry : submissions.entries()) {
    const v1::Submission& submission = entry.submission();
    if (submission.state() == v1::Submission::ERASED || submission.state() == v1::Submission::REJECTED_QUOTA) continue;
    const std::string key =
        Key(request.scope().tenant(), request.scope().candidate_key(), submission.id());
    ASSAY_ASSIGN_OR_RETURN(std::optional<SubmissionRow> row, rows_.Find<SubmissionRow>(kSubmissionTable, key));
    if (!row) continue;
    ASSAY_ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(row->accepted().blob_digest()));
    ASSAY_ASSIGN_OR_RETURN(const std::string json,
                           blob::Get(blobs_, {row->tenant(), row->candidate_key()}, digest, kMaxDocumentBytes));
    auto& decision = *response.add_entries();
    *decision.mutable_position() = entry.position();
    decision.mutable_decision()->set_id(submission.id());
    *decision.mutable_decision()->mutable_record_time() = submission.accept_time();
    if (!google::protobuf::util::JsonStringToMessage(json, decision.mutable_decision()->mutable_document()).ok()) {
      return absl::DataLossError(absl::StrCat("the document of decision ", submission.id(), " cannot be read"));
    }
  }
  return response;
}

absl::StatusOr<uint64_t> ShardReads::NextChange() const {
  ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::ShardMeta> meta,
                         rows_.Find<storage::v1::ShardMeta>(kMetaTable, kMetaKey));
  return meta ? meta->next_change_sequence() : 0;
}

absl::Status ShardReads::FillReadiness(storage::v1::ChangeRow& row, v1::ReadinessRecord& record) const {
  const std::string key = Key(row.tenant(), row.candidate_key(), row.assessment_key());
  if (row.has_readiness()) {
    record = std::move(*row.mutable_readiness());
  } else {
    ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::ReadinessRow> present,
                           rows_.Find<storage::v1::ReadinessRow>(kReadinessTable, key));
    // Erased since.
    if (!present) return absl::OkStatus();
    record = std::move(*present->mutable_record());
  }
  ASSAY_ASSIGN_OR_RETURN(const std::optional<AssessmentRow> assessment,
                         rows_.Find<AssessmentRow>(kAssessmentTable, key));
  if (assessment) AddNames(*assessment, record);
  return absl::OkStatus();
}

absl::StatusOr<shard::v1::ReadChangesResponse> ShardReads::ReadChanges(
    const shard::v1::ReadChangesRequest& request) const {
  const Scope& scope = request.scope();
  ASSAY_ASSIGN_OR_RETURN(const uint64_t end, NextChange());
  if (request.from() + kChangeHistory < end) {
    return absl::OutOfRangeError("the history of changes no longer reaches back that far");
  }
  ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page,
                         rows_.Scan(kChangeTable, "", Hex16(request.from()), std::min(request.limit(), kMaxPage)));
  shard::v1::ReadChangesResponse response;
  response.set_next(request.from());
  for (const store::Row& stored : page) {
    storage::v1::ChangeRow row;
    if (!row.ParseFromString(stored.value)) return absl::DataLossError("a change cannot be read");
    const uint64_t sequence = ParseHex16(stored.key);
    response.set_next(sequence + 1);
    if (row.tenant() != scope.tenant()) continue;
    if (!scope.candidate_key().empty() && row.candidate_key() != scope.candidate_key()) continue;
    if (!scope.assessment_key().empty() && row.assessment_key() != scope.assessment_key()) continue;
    if (request.readiness() != row.submission_id().empty()) continue;
    auto& change = *response.add_changes();
    change.set_sequence(sequence);
    *change.mutable_time() = row.time();
    change.set_change(row.change());
    if (request.readiness()) {
      if (row.change() == "erased") continue;
      ASSAY_RETURN_IF_ERROR(FillReadiness(row, *change.mutable_readiness()));
      continue;
    }
    *change.mutable_submission() = std::move(*row.mutable_submission());
    ASSAY_ASSIGN_OR_RETURN(
        std::optional<SubmissionRow> submission,
        rows_.Find<SubmissionRow>(kSubmissionTable, Key(row.tenant(), row.candidate_key(), row.submission_id())));
    if (submission) AddPersonal(*submission, *change.mutable_submission());
  }
  return response;
}

}  // namespace assay::aggregator
