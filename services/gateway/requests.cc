// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/requests.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/json.h"
#include "services/gateway/documents.h"
#include "services/gateway/validation.h"

namespace assay::gateway {
namespace {

constexpr uint32_t kPage = 500;
// Submissions that one call reruns.
constexpr size_t kMaxReruns = 100;

bool Names(const v1::RerunSubmissionsRequest& request, const std::string& evaluator) {
  const auto& wanted = request.evaluators();
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), evaluator) != wanted.end();
}

}  // namespace

absl::Status Requests::CheckCanWrite() const {
  if (backend_.journal == nullptr) return absl::FailedPreconditionError("this server is read-only: it changes nothing");
  const absl::Status health = backend_.shards.health();
  if (health.ok()) return backend_.admission.CheckJournal();
  return absl::UnavailableError(absl::StrCat("nothing is accepted at the moment: ", health.message(),
                                             "; retry later with the same request_id"));
}

absl::StatusOr<shard::v1::GetSubmissionResponse> Requests::Find(const Subject& subject, absl::string_view id,
                                                                absl::Time deadline) const {
  shard::v1::GetSubmissionRequest get;
  *get.mutable_scope() = subject.scope;
  get.set_id(std::string(id));
  return backend_.shards.GetSubmission(subject.shard, get, WithinReadWait(backend_, deadline));
}

event::v1::Envelope Requests::NewEnvelope(const rpc::Call& call, const Subject& subject, absl::string_view action,
                                          absl::string_view candidate, absl::string_view request_id,
                                          absl::string_view content) const {
  event::v1::Envelope envelope;
  envelope.set_request_digest(subject.names->RequestDigest(content));
  envelope.set_event_id(subject.names->EventId(action, call.identity.client, candidate, request_id));
  envelope.set_tenant(call.identity.tenant);
  envelope.set_trace_id(call.trace_id);
  envelope.set_candidate_key(subject.candidate_key);
  envelope.set_assessment_key(subject.scope.assessment_key());
  return envelope;
}

absl::StatusOr<std::optional<shard::v1::FindRequestResponse>> Requests::FindRepeated(
    const Subject& subject, const event::v1::Envelope& envelope, absl::Time deadline) const {
  shard::v1::FindRequestRequest lookup;
  *lookup.mutable_scope() = subject.scope;
  lookup.set_key(envelope.event_id());
  absl::StatusOr<shard::v1::FindRequestResponse> known =
      backend_.shards.FindRequest(subject.shard, lookup, WithinReadWait(backend_, deadline));
  if (absl::IsNotFound(known.status())) return std::optional<shard::v1::FindRequestResponse>();
  if (!known.ok()) return known.status();
  // Requests of earlier builds left no digest.
  if (!known->request_digest().empty() && known->request_digest() != envelope.request_digest()) {
    return absl::AlreadyExistsError("request_id: it was used for another request with other content");
  }
  return std::optional<shard::v1::FindRequestResponse>(*std::move(known));
}

absl::StatusOr<v1::Submission> Requests::WriteAndFind(event::v1::Envelope envelope, Subject subject,
                                                      absl::string_view id, absl::Time deadline) const {
  ASSAY_ASSIGN_OR_RETURN(const ReadToken token, backend_.journal->Write(std::move(envelope), deadline));
  subject.scope.set_wait_for_offset(token.offset);
  ASSAY_ASSIGN_OR_RETURN(shard::v1::GetSubmissionResponse found, Find(subject, id, deadline));
  return std::move(*found.mutable_submission());
}

absl::StatusOr<v1::Submission> Requests::Cancel(const rpc::Call& call, const v1::CancelSubmissionRequest& request,
                                                absl::Time deadline) const {
  ASSAY_RETURN_IF_ERROR(CheckCanWrite());
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject, SubjectOf(backend_, call.identity.tenant, request.candidate(), ""));
  ASSAY_ASSIGN_OR_RETURN(const std::string content, rpc::ToCanonicalJson(request));
  event::v1::Envelope envelope =
      NewEnvelope(call, subject, "cancel", request.candidate(), request.request_id(), content);
  ASSAY_ASSIGN_OR_RETURN(const auto repeated, FindRepeated(subject, envelope, deadline));
  ASSAY_ASSIGN_OR_RETURN(shard::v1::GetSubmissionResponse found, Find(subject, request.id(), deadline));
  if (repeated) return std::move(*found.mutable_submission());
  envelope.set_assessment_key(found.assessment_key());
  envelope.mutable_cancel_requested()->set_submission_id(request.id());
  return WriteAndFind(std::move(envelope), std::move(subject), request.id(), deadline);
}

absl::StatusOr<v1::Submission> Requests::Withdraw(const rpc::Call& call, const v1::WithdrawSubmissionRequest& request,
                                                  absl::Time deadline) const {
  ASSAY_RETURN_IF_ERROR(CheckCanWrite());
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject, SubjectOf(backend_, call.identity.tenant, request.candidate(), ""));
  ASSAY_ASSIGN_OR_RETURN(const std::string content, rpc::ToCanonicalJson(request));
  event::v1::Envelope envelope =
      NewEnvelope(call, subject, "withdraw", request.candidate(), request.request_id(), content);
  ASSAY_ASSIGN_OR_RETURN(const auto repeated, FindRepeated(subject, envelope, deadline));
  ASSAY_ASSIGN_OR_RETURN(shard::v1::GetSubmissionResponse found, Find(subject, request.id(), deadline));
  if (repeated) return std::move(*found.mutable_submission());
  envelope.set_assessment_key(found.assessment_key());
  envelope.mutable_withdraw_requested()->set_submission_id(request.id());
  event::v1::PersonalFacts personal;
  personal.set_reason(request.reason());
  envelope.set_personal(personal.SerializeAsString());
  return WriteAndFind(std::move(envelope), std::move(subject), request.id(), deadline);
}

absl::StatusOr<std::vector<v1::Submission>> Requests::RerunTargets(const Subject& subject,
                                                                   const v1::RerunSubmissionsRequest& request,
                                                                   absl::Time deadline) const {
  if (!request.id().empty()) {
    ASSAY_ASSIGN_OR_RETURN(shard::v1::GetSubmissionResponse found, Find(subject, request.id(), deadline));
    return std::vector<v1::Submission>{std::move(*found.mutable_submission())};
  }
  shard::v1::ListSubmissionsRequest list;
  *list.mutable_scope() = subject.scope;
  list.set_kind(v1::Submission::REPOSITORY);
  list.set_limit(kPage);
  std::vector<v1::Submission> targets;
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(shard::v1::ListSubmissionsResponse found,
                           backend_.shards.ListSubmissions(subject.shard, list, WithinReadWait(backend_, deadline)));
    for (auto& entry : *found.mutable_entries()) {
      const v1::Submission& submission = entry.submission();
      const bool speaks = submission.superseded_by().empty() && !submission.withdrawn() &&
                          submission.state() != v1::Submission::CANCELLED &&
                          submission.state() != v1::Submission::ERASED;
      if (speaks) targets.push_back(std::move(*entry.mutable_submission()));
    }
    if (targets.size() > kMaxReruns) {
      return absl::FailedPreconditionError(absl::StrCat("id: found nothing, and more than ", kMaxReruns,
                                                        " repositories of the candidate speak; name one at a time"));
    }
    if (!found.more()) break;
    *list.mutable_after() = found.next();
  }
  std::reverse(targets.begin(), targets.end());
  return targets;
}

absl::Status Requests::CheckNamed(const v1::RerunSubmissionsRequest& request,
                                  const std::vector<v1::Submission>& targets) const {
  std::set<std::string> there;
  for (const v1::Submission& target : targets) {
    for (const v1::Evaluation& evaluation : target.evaluations()) there.insert(evaluation.evaluator());
  }
  Violations violations;
  for (int i = 0; i < request.evaluators_size() && !targets.empty(); ++i) {
    if (there.count(request.evaluators(i)) > 0) continue;
    violations.Add(absl::StrCat("evaluators[", i, "]"), absl::StrCat("\"", request.evaluators(i), "\""),
                   absl::StrCat("an evaluator of the submission: ", absl::StrJoin(there, ", ")));
  }
  return violations.ToStatus();
}

absl::Status Requests::RerunOne(event::v1::Envelope envelope, const Subject& subject, const v1::Submission& target,
                                const v1::RerunSubmissionsRequest& request, absl::Time deadline,
                                v1::RerunSubmissionsResponse& response) const {
  ASSAY_ASSIGN_OR_RETURN(auto done, FindRepeated(subject, envelope, deadline));
  if (!done) {
    envelope.set_assessment_key(subject.names->Assessment(target.assessment()));
    event::v1::RerunRequested& rerun = *envelope.mutable_rerun_requested();
    rerun.set_submission_id(target.id());
    *rerun.mutable_evaluators() = request.evaluators();
    for (const auto& [evaluator, digest] : backend_.plugins()) (*rerun.mutable_plugins())[evaluator] = digest;
    ASSAY_ASSIGN_OR_RETURN(const ReadToken token, backend_.journal->Write(envelope, deadline));
    Subject after = subject;
    after.scope.set_wait_for_offset(token.offset);
    ASSAY_ASSIGN_OR_RETURN(done, FindRepeated(after, envelope, deadline));
  }
  if (done) response.mutable_evaluations()->MergeFrom(done->evaluation_ids());
  return absl::OkStatus();
}

absl::StatusOr<v1::RerunSubmissionsResponse> Requests::Rerun(const rpc::Call& call,
                                                             const v1::RerunSubmissionsRequest& request,
                                                             absl::Time deadline) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  if (!request.preview()) ASSAY_RETURN_IF_ERROR(CheckCanWrite());
  ASSAY_ASSIGN_OR_RETURN(const Subject subject, SubjectOf(backend_, call.identity.tenant, request.candidate(), ""));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<v1::Submission> targets, RerunTargets(subject, request, deadline));
  ASSAY_RETURN_IF_ERROR(CheckNamed(request, targets));
  v1::RerunSubmissionsResponse response;
  if (request.preview()) {
    for (const v1::Submission& target : targets) {
      std::set<std::string> evaluators;
      for (const v1::Evaluation& evaluation : target.evaluations()) {
        if (Names(request, evaluation.evaluator())) evaluators.insert(evaluation.evaluator());
      }
      for (const std::string& evaluator : evaluators) {
        response.add_evaluations(absl::StrCat(evaluator, " of ", target.id()));
      }
    }
    return response;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string content, rpc::ToCanonicalJson(request));
  const event::v1::Envelope first =
      NewEnvelope(call, subject, "rerun", request.candidate(), request.request_id(), content);
  ASSAY_ASSIGN_OR_RETURN(const auto repeated, FindRepeated(subject, first, deadline));
  // The first submission carries the request's own event, so that the request_id is known with its content; the others
  // one of their own.
  const std::string first_id = repeated ? repeated->submission_id() : targets.empty() ? "" : targets.front().id();
  for (const v1::Submission& target : targets) {
    event::v1::Envelope envelope = first;
    if (target.id() != first_id) {
      envelope = NewEnvelope(call, subject, absl::StrCat("rerun ", target.id()), request.candidate(),
                             request.request_id(), content);
    }
    ASSAY_RETURN_IF_ERROR(RerunOne(std::move(envelope), subject, target, request, deadline, response));
  }
  return response;
}

absl::StatusOr<v1::DeleteCandidateResponse> Requests::DeleteCandidate(const rpc::Call& call,
                                                                      const v1::DeleteCandidateRequest& request,
                                                                      absl::Time deadline) const {
  ASSAY_RETURN_IF_ERROR(CheckCanWrite());
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject, SubjectOf(backend_, call.identity.tenant, request.candidate(), ""));
  ASSAY_ASSIGN_OR_RETURN(const std::string content, rpc::ToCanonicalJson(request));
  event::v1::Envelope envelope =
      NewEnvelope(call, subject, "delete", request.candidate(), request.request_id(), content);
  ASSAY_ASSIGN_OR_RETURN(const auto repeated, FindRepeated(subject, envelope, deadline));
  const bool is_repeated = repeated.has_value();
  shard::v1::ListSubmissionsRequest list;
  *list.mutable_scope() = subject.scope;
  list.set_limit(kPage);
  v1::DeleteCandidateResponse response;
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const shard::v1::ListSubmissionsResponse page,
                           backend_.shards.ListSubmissions(subject.shard, list, WithinReadWait(backend_, deadline)));
    for (const auto& entry : page.entries()) {
      const bool is_erased = entry.submission().state() == v1::Submission::ERASED;
      if (is_erased == is_repeated) response.set_submissions_erased(response.submissions_erased() + 1);
    }
    if (!page.more()) break;
    *list.mutable_after() = page.next();
  }
  if (is_repeated) return response;
  if (response.submissions_erased() == 0) {
    shard::v1::ListAssessmentsRequest assessments;
    *assessments.mutable_scope() = subject.scope;
    assessments.set_limit(1);
    ASSAY_ASSIGN_OR_RETURN(const shard::v1::ListAssessmentsResponse known,
                           backend_.shards.ListAssessments(subject.shard, assessments, WithinReadWait(backend_, deadline)));
    // What was uploaded and never submitted is kept too.
    ASSAY_ASSIGN_OR_RETURN(const std::vector<blob::BlobInfo> blobs,
                           backend_.blobs.List({call.identity.tenant, subject.candidate_key}));
    if (known.assessments().empty() && blobs.empty()) {
      return absl::NotFoundError("nothing is kept about this candidate");
    }
  }
  envelope.mutable_erasure_requested();
  ASSAY_ASSIGN_OR_RETURN(const ReadToken token, backend_.journal->Write(envelope, deadline));
  subject.scope.set_wait_for_offset(token.offset);
  ASSAY_RETURN_IF_ERROR(FindRepeated(subject, envelope, deadline).status());
  return response;
}

absl::StatusOr<v1::Assessment> Requests::CreateAssessment(const rpc::Call& call,
                                                          const v1::CreateAssessmentRequest& request,
                                                          absl::Time deadline) const {
  ASSAY_RETURN_IF_ERROR(CheckCanWrite());
  ASSAY_RETURN_IF_ERROR(Validate(request));
  const v1::Assessment& wanted = request.assessment();
  ASSAY_ASSIGN_OR_RETURN(Subject subject, SubjectOf(backend_, call.identity.tenant, wanted.candidate(), wanted.id()));
  ASSAY_ASSIGN_OR_RETURN(const std::string content, rpc::ToCanonicalJson(request));
  event::v1::Envelope envelope =
      NewEnvelope(call, subject, "assessment", wanted.candidate(), request.request_id(), content);
  ASSAY_RETURN_IF_ERROR(FindRepeated(subject, envelope, deadline).status());
  const std::string name = wanted.framework().empty() ? kDefaultFramework : wanted.framework();
  const auto framework = backend_.find_framework(name);
  if (!framework.ok()) return absl::FailedPreconditionError(framework.status().message());
  const v1::Assessment::Purpose purpose =
      wanted.purpose() == v1::Assessment::PURPOSE_UNSPECIFIED ? v1::Assessment::HIRING : wanted.purpose();

  shard::v1::GetAssessmentRequest get;
  *get.mutable_scope() = subject.scope;
  const absl::StatusOr<shard::v1::AssessmentEntry> known =
      backend_.shards.GetAssessment(subject.shard, get, WithinReadWait(backend_, deadline));
  if (known.ok() && known->created()) {
    const v1::Assessment& there = known->assessment();
    const bool same = there.framework() == (*framework)->name() && there.purpose() == purpose &&
                      there.opening() == wanted.opening() &&
                      there.labels_size() == wanted.labels_size() &&
                      std::all_of(wanted.labels().begin(), wanted.labels().end(), [&](const auto& label) {
                        const auto found = there.labels().find(label.first);
                        return found != there.labels().end() && found->second == label.second;
                      });
    if (same) return there;
    return absl::AlreadyExistsError("assessment.id: this candidate has an assessment of that name with other fields");
  }
  if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();

  event::v1::AssessmentCreated& created = *envelope.mutable_assessment_created();
  created.set_framework((*framework)->name());
  created.set_framework_digest((*framework)->digest_text());
  created.set_purpose(absl::AsciiStrToLower(v1::Assessment::Purpose_Name(purpose)));
  event::v1::PersonalFacts personal;
  personal.set_candidate(wanted.candidate());
  personal.set_assessment(wanted.id());
  personal.set_opening(wanted.opening());
  *personal.mutable_labels() = wanted.labels();
  envelope.set_personal(personal.SerializeAsString());
  ASSAY_ASSIGN_OR_RETURN(const ReadToken token, backend_.journal->Write(std::move(envelope), deadline));
  get.mutable_scope()->set_wait_for_offset(token.offset);
  ASSAY_ASSIGN_OR_RETURN(shard::v1::AssessmentEntry after,
                         backend_.shards.GetAssessment(subject.shard, get, WithinReadWait(backend_, deadline)));
  return std::move(*after.mutable_assessment());
}

}  // namespace assay::gateway
