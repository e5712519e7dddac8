// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/intake.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/json.h"
#include "services/common/rpc/status.h"
#include "services/gateway/documents.h"
#include "services/gateway/validation.h"

namespace assay::gateway {
namespace {

using event::v1::SubmissionAccepted;

constexpr size_t kMaxDocumentBytes = 4 << 20;
constexpr absl::Duration kFreshDocument = absl::Minutes(10);
// As long the shards remember what a request asked for.
constexpr absl::Duration kRequestLife = absl::Hours(24 * 30);

std::string AssessmentOf(const v1::NewSubmission& submission) {
  if (!submission.assessment().empty()) return submission.assessment();
  const std::string named = FactsOf(submission).assessment;
  return named.empty() ? kDefaultAssessment : named;
}

void Refuse(const absl::Status& why, v1::BatchCreateSubmissionsResponse::Result& result) {
  result.set_code(static_cast<int32_t>(why.code()));
  result.set_message(std::string(why.message()));
  *result.mutable_status() = rpc::ToRpcStatus(why);
}

}  // namespace

absl::Status Intake::CheckCanAccept(const rpc::Identity& caller, size_t submissions) const {
  if (backend_.journal == nullptr) {
    return absl::FailedPreconditionError("this server is read-only: it accepts nothing");
  }
  const absl::Status health = backend_.shards.health();
  if (!health.ok()) {
    return absl::UnavailableError(absl::StrCat("nothing is accepted at the moment: ", health.message(),
                                               "; retry later with the same request_id"));
  }
  ASSAY_RETURN_IF_ERROR(backend_.admission.Submit(caller.tenant, caller.principal, submissions));
  return rpc::WithReason(backend_.has_room(caller.tenant), rpc::kNoRoom);
}

absl::StatusOr<std::optional<shard::v1::AssessmentEntry>> Intake::FindAssessment(const v1::NewSubmission& submission,
                                                                                 const Subject& subject,
                                                                                 absl::Time deadline) const {
  shard::v1::GetAssessmentRequest lookup;
  *lookup.mutable_scope() = subject.scope;
  if (submission.has_repository()) {
    lookup.set_with_task(true);
    // A client that was told its task is accepted must not see its next repository judged without it.
    lookup.mutable_scope()->set_wait_for_offset(backend_.journal->LastOffset(subject.shard));
  }
  absl::StatusOr<shard::v1::AssessmentEntry> found =
      backend_.shards.GetAssessment(subject.shard, lookup, WithinReadWait(backend_, deadline));
  if (absl::IsNotFound(found.status())) return std::nullopt;
  if (!found.ok()) return found.status();
  return *std::move(found);
}

absl::StatusOr<std::shared_ptr<const readiness::CompiledFramework>> Intake::FrameworkFor(
    const v1::NewSubmission& submission, const std::optional<shard::v1::AssessmentEntry>& assessment) const {
  std::string name = submission.framework();
  if (name.empty()) name = FactsOf(submission).framework;
  if (name.empty()) name = assessment ? assessment->framework_digest() : kDefaultFramework;
  absl::StatusOr<std::shared_ptr<const readiness::CompiledFramework>> framework = backend_.find_framework(name);
  if (!framework.ok()) {
    Violations violations;
    violations.Add("submission.framework", name, "a published framework, as `assay frameworks list` shows them");
    absl::Status unknown = absl::FailedPreconditionError(framework.status().message());
    violations.ToStatus().ForEachPayload(
        [&](absl::string_view type, const absl::Cord& payload) { unknown.SetPayload(type, payload); });
    return unknown;
  }
  if (assessment && assessment->framework_digest() != (*framework)->digest_text()) {
    Violations violations;
    violations.Add("submission.framework", (*framework)->name(),
                   absl::StrCat(assessment->assessment().framework(), ", the framework of this assessment"));
    return violations.ToStatus();
  }
  return framework;
}

absl::StatusOr<Digest> Intake::FindUpload(const blob::Owner& owner, absl::string_view field, const std::string& text,
                                          uint64_t* size) const {
  ASSAY_ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(text));
  const absl::StatusOr<blob::BlobInfo> info = backend_.blobs.Stat(owner, digest);
  if (absl::IsNotFound(info.status())) {
    Violations violations;
    violations.Add(field, text, "the digest of an archive uploaded for this candidate before");
    absl::Status unknown =
        absl::FailedPreconditionError(absl::StrCat(field, ": ", text, " was not uploaded for this candidate"));
    violations.ToStatus().ForEachPayload(
        [&](absl::string_view type, const absl::Cord& payload) { unknown.SetPayload(type, payload); });
    return unknown;
  }
  if (!info.ok()) return info.status();
  *size = info->size;
  return digest;
}

absl::StatusOr<Digest> Intake::ContentOf(const Place& place, absl::string_view field, const Digest& archive) const {
  absl::StatusOr<Digest> content = backend_.digests.Find(place.owner, archive, place.deadline);
  if (content.ok()) return content;
  const bool is_unfit = absl::IsInvalidArgument(content.status()) || absl::IsResourceExhausted(content.status());
  if (!is_unfit) {
    return absl::UnavailableError(absl::StrCat("the archive could not be opened here: ", content.status().message(),
                                               "; nothing was accepted; retry with the same request_id"));
  }
  Violations violations;
  violations.Add(field, content.status().message(), "a whole .tar, .tar.gz, .tar.zst or .zip within the limits");
  return violations.ToStatus();
}

absl::Status Intake::AddBase(const Place& place, absl::string_view field, const std::string& digest,
                             SubmissionAccepted& accepted) const {
  if (digest.empty()) return absl::OkStatus();
  uint64_t size = 0;
  ASSAY_ASSIGN_OR_RETURN(const Digest base, FindUpload(place.owner, field, digest, &size));
  ASSAY_RETURN_IF_ERROR(ContentOf(place, field, base).status());
  accepted.set_base_blob_digest(digest);
  return absl::OkStatus();
}

absl::Status Intake::AddRepository(const v1::Repository& repository, const Place& place,
                                   SubmissionAccepted& accepted) const {
  constexpr char kField[] = "submission.repository.artifact_digest";
  uint64_t size = 0;
  ASSAY_ASSIGN_OR_RETURN(const Digest archive, FindUpload(place.owner, kField, repository.artifact_digest(), &size));
  ASSAY_ASSIGN_OR_RETURN(const Digest content, ContentOf(place, kField, archive));
  accepted.set_blob_digest(repository.artifact_digest());
  accepted.set_blob_size(size);
  accepted.set_digest(content.ToString());
  ASSAY_RETURN_IF_ERROR(
      AddBase(place, "submission.repository.base_artifact_digest", repository.base_artifact_digest(), accepted));
  if (!place.assessment) return absl::OkStatus();
  accepted.set_task_blob_digest(place.assessment->task_blob_digest());
  // It was opened when the task was accepted.
  if (accepted.base_blob_digest().empty()) accepted.set_base_blob_digest(place.assessment->task_base_blob_digest());
  return absl::OkStatus();
}

absl::Status Intake::AddContent(const v1::NewSubmission& submission, const Place& place,
                                SubmissionAccepted& accepted) const {
  if (submission.has_repository()) return AddRepository(submission.repository(), place, accepted);
  if (submission.has_task()) {
    ASSAY_RETURN_IF_ERROR(AddBase(place, "submission.task.base_digest", submission.task().base_digest(), accepted));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string json, CanonicalJson(submission, /*with_source_map=*/true));
  ASSAY_ASSIGN_OR_RETURN(const std::string bare, CanonicalJson(submission, /*with_source_map=*/false));
  if (json.size() > kMaxDocumentBytes) {
    Violations violations;
    violations.Add(absl::StrCat("submission.", FactsOf(submission).field), absl::StrCat(json.size(), " bytes of JSON"),
                   absl::StrCat("at most ", kMaxDocumentBytes));
    return violations.ToStatus();
  }
  const Digest name = Digest::Of(json);
  // The same document again is there already; one as young as this no sweep takes before it is named below.
  const absl::StatusOr<blob::BlobInfo> known = backend_.blobs.Stat(place.owner, name);
  if (!known.ok() || known->modify_time + kFreshDocument < backend_.clock.TimeNow()) {
    ASSAY_RETURN_IF_ERROR(blob::Put(backend_.blobs, place.owner, json).status());
  }
  accepted.set_blob_digest(name.ToString());
  accepted.set_blob_size(json.size());
  accepted.set_digest(Digest::Of(bare).ToString());
  return absl::OkStatus();
}

absl::StatusOr<bool> Intake::FindRepeated(const Subject& subject, absl::Time deadline, Prepared& prepared) const {
  const SubmissionAccepted& accepted = prepared.envelope.submission_accepted();
  shard::v1::FindRequestRequest lookup;
  *lookup.mutable_scope() = subject.scope;
  lookup.set_key(accepted.submission_id());
  const absl::StatusOr<shard::v1::FindRequestResponse> known =
      backend_.shards.FindRequest(subject.shard, lookup, WithinReadWait(backend_, deadline));
  if (absl::IsNotFound(known.status())) return false;
  if (!known.ok()) return known.status();
  // Whether the shard has forgotten it yet must make no difference.
  const absl::Duration age = backend_.clock.TimeNow() - absl::FromUnixSeconds(known->time().seconds());
  if (known->forgotten() || (known->has_time() && age > kRequestLife)) {
    return absl::FailedPreconditionError(
        absl::StrCat("request_id: it made submission ", accepted.submission_id(),
                     " more than 30 days ago and has expired; get that submission, or send a new request_id"));
  }
  if (known->request_digest() != accepted.request_digest()) {
    return absl::AlreadyExistsError(
        absl::StrCat("request_id: it was used for submission ", accepted.submission_id(), " with other content"));
  }
  shard::v1::GetSubmissionRequest get;
  *get.mutable_scope() = subject.scope;
  get.set_id(accepted.submission_id());
  ASSAY_ASSIGN_OR_RETURN(shard::v1::GetSubmissionResponse found,
                         backend_.shards.GetSubmission(subject.shard, get, WithinReadWait(backend_, deadline)));
  *prepared.response.mutable_submission() = std::move(*found.mutable_submission());
  prepared.response.set_read_token(
      EncodeReadToken(*subject.names, backend_.log_identity, {subject.shard, known->offset()}));
  return true;
}

absl::StatusOr<Intake::Prepared> Intake::Prepare(const rpc::Call& call, const v1::CreateSubmissionRequest& request,
                                                 absl::Time deadline) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  const v1::NewSubmission& submission = request.submission();
  const std::string assessment = AssessmentOf(submission);
  ASSAY_ASSIGN_OR_RETURN(const Subject subject,
                         SubjectOf(backend_, call.identity.tenant, submission.candidate(), assessment));
  const Pseudonyms& names = *subject.names;
  const ContentFacts facts = FactsOf(submission);

  Prepared prepared;
  prepared.names = subject.names;
  event::v1::Envelope& envelope = prepared.envelope;
  SubmissionAccepted& accepted = *envelope.mutable_submission_accepted();
  accepted.set_submission_id(names.SubmissionId(call.identity.client, submission.candidate(), request.request_id()));
  ASSAY_ASSIGN_OR_RETURN(const std::string content, rpc::ToCanonicalJson(submission));
  accepted.set_request_digest(names.RequestDigest(content));
  ASSAY_ASSIGN_OR_RETURN(prepared.is_repeated, FindRepeated(subject, deadline, prepared));
  if (prepared.is_repeated) return prepared;
  ASSAY_RETURN_IF_ERROR(backend_.admission.CheckShard(subject.shard));

  Place place{{subject.scope.tenant(), subject.candidate_key}, deadline, std::nullopt};
  ASSAY_ASSIGN_OR_RETURN(place.assessment, FindAssessment(submission, subject, deadline));
  ASSAY_ASSIGN_OR_RETURN(const auto framework, FrameworkFor(submission, place.assessment));
  ASSAY_RETURN_IF_ERROR(ValidateContent(submission, *framework));
  accepted.set_kind(facts.kind);
  accepted.set_framework(framework->name());
  accepted.set_framework_digest(framework->digest_text());
  accepted.set_source_key(names.Source(facts.source));
  *accepted.mutable_only_evaluators() = submission.only_evaluators();
  *accepted.mutable_skip_evaluators() = submission.skip_evaluators();
  accepted.set_quick(submission.quick());
  if (!facts.rater.empty()) {
    accepted.set_rater_key(names.Rater(facts.rater));
    accepted.set_rater_role(facts.rater_role);
  }
  *accepted.mutable_asked_behaviours() = {facts.asked_behaviours.begin(), facts.asked_behaviours.end()};
  for (const auto& [evaluator, digest] : backend_.plugins()) (*accepted.mutable_plugins())[evaluator] = digest;
  ASSAY_RETURN_IF_ERROR(AddContent(submission, place, accepted));

  envelope.set_event_id(accepted.submission_id());
  envelope.set_tenant(call.identity.tenant);
  envelope.set_trace_id(call.trace_id);
  envelope.set_candidate_key(subject.candidate_key);
  envelope.set_assessment_key(subject.scope.assessment_key());
  event::v1::PersonalFacts personal;
  personal.set_candidate(submission.candidate());
  personal.set_assessment(assessment);
  personal.set_source(facts.source);
  personal.set_origin(submission.origin());
  *personal.mutable_labels() = submission.labels();
  envelope.set_personal(personal.SerializeAsString());

  v1::Submission& answer = *prepared.response.mutable_submission();
  answer.set_id(accepted.submission_id());
  answer.set_kind(facts.kind);
  answer.set_state(v1::Submission::ACCEPTED);
  answer.set_digest(accepted.digest());
  answer.set_candidate(submission.candidate());
  answer.set_assessment(assessment);
  answer.set_source(facts.source);
  answer.set_origin(submission.origin());
  *answer.mutable_labels() = submission.labels();
  if (submission.has_repository()) answer.set_artifact_digest(accepted.blob_digest());
  *answer.mutable_skipped_evaluators() = submission.skip_evaluators();
  return prepared;
}

v1::CreateSubmissionResponse Intake::Answer(Prepared prepared, const ReadToken& token) const {
  prepared.response.set_read_token(EncodeReadToken(*prepared.names, backend_.log_identity, token));
  return std::move(prepared.response);
}

absl::StatusOr<v1::CreateSubmissionResponse> Intake::Accept(const rpc::Call& call,
                                                            const v1::CreateSubmissionRequest& request,
                                                            absl::Time deadline) const {
  ASSAY_RETURN_IF_ERROR(CheckCanAccept(call.identity, 1));
  ASSAY_ASSIGN_OR_RETURN(Prepared prepared, Prepare(call, request, deadline));
  if (prepared.is_repeated) return std::move(prepared.response);
  ASSAY_ASSIGN_OR_RETURN(const ReadToken token, backend_.journal->Write(prepared.envelope, deadline));
  return Answer(std::move(prepared), token);
}

absl::StatusOr<v1::BatchCreateSubmissionsResponse> Intake::AcceptBatch(const rpc::Call& call,
                                                                       const v1::BatchCreateSubmissionsRequest& request,
                                                                       absl::Time deadline) const {
  ASSAY_RETURN_IF_ERROR(CheckCanAccept(call.identity, static_cast<size_t>(request.requests_size())));
  ASSAY_RETURN_IF_ERROR(Validate(request));
  v1::BatchCreateSubmissionsResponse response;
  std::vector<Prepared> accepted;
  std::vector<int> places;
  std::vector<event::v1::Envelope> envelopes;
  // What the batch itself holds: by submission, the entry that came first and its content.
  std::map<std::string, std::pair<int, std::string>> first;
  std::map<int, int> repeats;
  for (int i = 0; i < request.requests_size(); ++i) {
    auto& result = *response.add_results();
    absl::StatusOr<Prepared> prepared = Prepare(call, request.requests(i), deadline);
    if (!prepared.ok()) {
      Refuse(prepared.status(), result);
      continue;
    }
    if (prepared->is_repeated) {
      *result.mutable_response() = std::move(prepared->response);
      continue;
    }
    const SubmissionAccepted& facts = prepared->envelope.submission_accepted();
    const auto [earlier, is_new] = first.try_emplace(facts.submission_id(), i, facts.request_digest());
    if (is_new) {
      envelopes.push_back(std::move(prepared->envelope));
      accepted.push_back(*std::move(prepared));
      places.push_back(i);
    } else if (earlier->second.second == facts.request_digest()) {
      repeats[i] = earlier->second.first;
    } else {
      Refuse(absl::AlreadyExistsError(
                 absl::StrCat("request_id: requests[", earlier->second.first, "] has it with other content")),
             result);
    }
  }
  const std::vector<absl::StatusOr<ReadToken>> tokens = backend_.journal->WriteAll(std::move(envelopes), deadline);
  for (size_t i = 0; i < tokens.size(); ++i) {
    auto& result = *response.mutable_results(places[i]);
    if (tokens[i].ok()) {
      *result.mutable_response() = Answer(std::move(accepted[i]), *tokens[i]);
    } else {
      Refuse(tokens[i].status(), result);
    }
  }
  for (const auto& [repeat, earlier] : repeats) *response.mutable_results(repeat) = response.results(earlier);
  return response;
}

}  // namespace assay::gateway
