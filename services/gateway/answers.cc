// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/answers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/common/blob/result_document.h"
#include "services/gateway/list_merge.h"
#include "services/gateway/validation.h"

namespace assay::gateway {
namespace {

constexpr absl::Duration kWaitOfOneShard = absl::Seconds(1);

// One of the shards that are asked one after the other: each has a moment, so that all together have an answer in time.
ShardCall OneOfMany(const Backend& backend, const ShardCall& call) {
  return {std::min(call.deadline, backend.clock.TimeNow() + kWaitOfOneShard), call.staleness};
}

absl::string_view OrMain(const std::string& assessment) {
  return assessment.empty() ? absl::string_view(kDefaultAssessment) : absl::string_view(assessment);
}

// `message` has counts of areas, competencies and behaviours.
template <typename Message>
void Count(const v1::Framework& framework, Message& message) {
  message.set_areas(static_cast<uint32_t>(framework.areas_size()));
  for (const v1::Area& area : framework.areas()) {
    message.set_competencies(message.competencies() + static_cast<uint32_t>(area.competencies_size()));
    for (const v1::Competency& competency : area.competencies()) {
      message.set_behaviours(message.behaviours() + static_cast<uint32_t>(competency.behaviours_size()));
    }
  }
}

}  // namespace

absl::StatusOr<v1::Submission> Answers::GetSubmission(const rpc::Identity& caller, const v1::GetSubmissionRequest& request,
                                                      const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject, SubjectOf(backend_, caller.tenant, request.candidate(), ""));
  ASSAY_RETURN_IF_ERROR(WaitForToken(backend_, request.read_token(), subject));
  shard::v1::GetSubmissionRequest get;
  *get.mutable_scope() = subject.scope;
  get.mutable_scope()->set_consistency(request.consistency());
  get.set_id(request.id());
  const bool anywhere = request.candidate().empty() && request.read_token().empty();
  const uint32_t first = anywhere ? 0 : subject.shard;
  const uint32_t last = anywhere ? backend_.shards.count() - 1 : subject.shard;
  const ShardCall all = WithinReadWait(backend_, call);
  // A shard that cannot be asked may be the one that has it.
  absl::Status failure = absl::OkStatus();
  for (uint32_t shard = first; shard <= last; ++shard) {
    absl::StatusOr<shard::v1::GetSubmissionResponse> found =
        backend_.shards.GetSubmission(shard, get, anywhere ? OneOfMany(backend_, all) : all);
    if (found.ok()) return std::move(*found->mutable_submission());
    if (failure.ok() || absl::IsNotFound(failure)) failure = found.status();
  }
  return failure;
}

absl::StatusOr<v1::ListSubmissionsResponse> Answers::ListSubmissions(const rpc::Identity& caller,
                                                                     const v1::ListSubmissionsRequest& request,
                                                                     const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject,
                         SubjectOf(backend_, caller.tenant, request.candidate(), request.assessment()));
  const uint32_t home = subject.shard;
  ASSAY_RETURN_IF_ERROR(WaitForToken(backend_, request.read_token(), subject));
  const int64_t wait_for_offset = subject.scope.wait_for_offset();
  const bool whole_tenant = request.candidate().empty();
  subject.scope.set_consistency(request.consistency());
  const std::string query = absl::StrCat("submissions/", subject.candidate_key, "/", subject.scope.assessment_key());
  const int page_size = PageSizeOf(request.page_size());

  shard::v1::ListSubmissionsRequest list;
  list.set_limit(static_cast<uint32_t>(page_size));
  if (!request.page_token().empty()) {
    ASSAY_ASSIGN_OR_RETURN(*list.mutable_after(), DecodePageToken(*subject.names, query, request.page_token()));
  }
  v1::ListSubmissionsResponse response;
  std::vector<shard::v1::ListSubmissionsResponse> answers;
  const ShardCall all = WithinReadWait(backend_, call);
  const uint32_t first = whole_tenant ? 0 : home;
  const uint32_t last = whole_tenant ? backend_.shards.count() - 1 : home;
  for (uint32_t shard = first; shard <= last; ++shard) {
    *list.mutable_scope() = subject.scope;
    list.mutable_scope()->set_wait_for_offset(shard == subject.shard ? wait_for_offset : -1);
    absl::StatusOr<shard::v1::ListSubmissionsResponse> page =
        backend_.shards.ListSubmissions(shard, list, whole_tenant ? OneOfMany(backend_, all) : all);
    if (!page.ok() && !whole_tenant) return page.status();
    if (!page.ok()) {
      response.add_missing_shards(shard);
      continue;
    }
    answers.push_back(*std::move(page));
  }
  MergedPage merged = MergePages(std::move(answers), static_cast<size_t>(page_size));
  for (auto& entry : merged.entries) *response.add_submissions() = std::move(*entry.mutable_submission());
  if (merged.next) response.set_next_page_token(EncodePageToken(*subject.names, query, *merged.next));
  return response;
}

absl::StatusOr<v1::Assessment> Answers::GetAssessment(const rpc::Identity& caller, const v1::GetAssessmentRequest& request,
                                                      const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(const Subject subject,
                         SubjectOf(backend_, caller.tenant, request.candidate(), OrMain(request.id())));
  shard::v1::GetAssessmentRequest get;
  *get.mutable_scope() = subject.scope;
  ASSAY_ASSIGN_OR_RETURN(shard::v1::AssessmentEntry entry,
                         backend_.shards.GetAssessment(subject.shard, get, WithinReadWait(backend_, call)));
  return std::move(*entry.mutable_assessment());
}

absl::StatusOr<v1::ListAssessmentsResponse> Answers::ListAssessments(const rpc::Identity& caller,
                                                                     const v1::ListAssessmentsRequest& request,
                                                                     const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(const Subject subject, SubjectOf(backend_, caller.tenant, request.candidate(), ""));
  const std::string query = absl::StrCat("assessments/", subject.candidate_key);
  const int page_size = PageSizeOf(request.page_size());
  shard::v1::ListAssessmentsRequest list;
  *list.mutable_scope() = subject.scope;
  list.set_limit(static_cast<uint32_t>(page_size));
  if (!request.page_token().empty()) {
    ASSAY_ASSIGN_OR_RETURN(*list.mutable_after(), DecodeNameToken(*subject.names, query, request.page_token()));
  }
  ASSAY_ASSIGN_OR_RETURN(shard::v1::ListAssessmentsResponse page,
                         backend_.shards.ListAssessments(subject.shard, list, WithinReadWait(backend_, call)));
  v1::ListAssessmentsResponse response;
  for (auto& entry : *page.mutable_assessments()) *response.add_assessments() = std::move(*entry.mutable_assessment());
  if (page.assessments_size() == page_size) {
    response.set_next_page_token(
        EncodeNameToken(*subject.names, query, page.assessments(page_size - 1).assessment_key()));
  }
  return response;
}

std::string ReadinessNames(const std::string& candidate, absl::string_view assessment) {
  v1::ReadinessRecord names;
  names.set_candidate(candidate);
  names.set_assessment(std::string(assessment));
  return names.SerializeAsString();
}

absl::StatusOr<std::vector<std::string>> Answers::GetReadiness(const rpc::Identity& caller,
                                                               const v1::GetReadinessRequest& request,
                                                               const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject,
                         SubjectOf(backend_, caller.tenant, request.candidate(), OrMain(request.assessment())));
  ASSAY_RETURN_IF_ERROR(WaitForToken(backend_, request.read_token(), subject));
  shard::v1::GetReadinessRequest get;
  *get.mutable_scope() = subject.scope;
  get.mutable_scope()->set_consistency(request.consistency());
  ASSAY_ASSIGN_OR_RETURN(std::string record,
                         backend_.shards.GetReadiness(subject.shard, get, WithinReadWait(backend_, call)));
  std::vector<std::string> pieces;
  pieces.push_back(std::move(record));
  pieces.push_back(ReadinessNames(request.candidate(), OrMain(request.assessment())));
  return pieces;
}

absl::StatusOr<v1::EvaluationReport> Answers::GetReport(const rpc::Identity& caller,
                                                        const v1::GetEvaluationReportRequest& request,
                                                        const ShardCall& call) const {
  return ReadReport(caller, request, v1::CONSISTENCY_UNSPECIFIED, call);
}

absl::StatusOr<v1::EvaluationReport> Answers::ReadReport(const rpc::Identity& caller,
                                                         const v1::GetEvaluationReportRequest& request,
                                                         v1::Consistency consistency, const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject,
                         SubjectOf(backend_, caller.tenant, request.candidate(), OrMain(request.assessment())));
  ASSAY_RETURN_IF_ERROR(WaitForToken(backend_, request.read_token(), subject));
  shard::v1::GetReportRequest get;
  *get.mutable_scope() = subject.scope;
  get.mutable_scope()->set_consistency(consistency);
  get.set_for_candidate(request.audience() == v1::GetEvaluationReportRequest::CANDIDATE);
  get.set_full(request.full());
  ASSAY_ASSIGN_OR_RETURN(v1::EvaluationReport report,
                         backend_.shards.GetReport(subject.shard, get, WithinReadWait(backend_, call)));
  // What an evaluation ran into comes first; what the machine lacks in general follows.
  const v1::ServerInfo info = backend_.server_info();
  for (const v1::PlatformLimit& limit : info.limits()) {
    const auto& known = report.platform_limits();
    const bool is_known = std::any_of(known.begin(), known.end(),
                                      [&](const v1::PlatformLimit& other) { return other.id() == limit.id(); });
    if (!is_known) *report.add_platform_limits() = limit;
  }
  return report;
}

absl::StatusOr<v1::ExplainReadinessResponse> Answers::Explain(const rpc::Identity& caller,
                                                              const v1::ExplainReadinessRequest& request,
                                                              const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  v1::GetEvaluationReportRequest get;
  get.set_candidate(request.candidate());
  get.set_assessment(request.assessment());
  get.set_read_token(request.read_token());
  get.set_full(true);
  ASSAY_ASSIGN_OR_RETURN(v1::EvaluationReport report, ReadReport(caller, get, request.consistency(), call));
  return CutToId(std::move(report), request.id());
}

absl::StatusOr<v1::ListDecisionsResponse> Answers::ListDecisions(const rpc::Identity& caller,
                                                                 const v1::ListDecisionsRequest& request,
                                                                 const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(const Subject subject,
                         SubjectOf(backend_, caller.tenant, request.candidate(), request.assessment()));
  const std::string query = absl::StrCat("decisions/", subject.candidate_key, "/", subject.scope.assessment_key());
  const int page_size = PageSizeOf(request.page_size());
  shard::v1::ListDecisionsRequest list;
  *list.mutable_scope() = subject.scope;
  list.set_limit(static_cast<uint32_t>(page_size));
  if (!request.page_token().empty()) {
    ASSAY_ASSIGN_OR_RETURN(*list.mutable_after(), DecodePageToken(*subject.names, query, request.page_token()));
  }
  ASSAY_ASSIGN_OR_RETURN(shard::v1::ListDecisionsResponse page,
                         backend_.shards.ListDecisions(subject.shard, list, WithinReadWait(backend_, call)));
  v1::ListDecisionsResponse response;
  for (auto& entry : *page.mutable_entries()) *response.add_decisions() = std::move(*entry.mutable_decision());
  if (page.more()) response.set_next_page_token(EncodePageToken(*subject.names, query, page.next()));
  return response;
}

absl::StatusOr<Answers::OpenEvidence> Answers::GetEvidence(const rpc::Identity& caller, const v1::GetEvidenceRequest& request,
                                                           const ShardCall& call) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(const Subject subject, SubjectOf(backend_, caller.tenant, request.candidate(), ""));
  shard::v1::FindEvidenceRequest find;
  *find.mutable_scope() = subject.scope;
  find.set_digest(request.digest());
  ASSAY_ASSIGN_OR_RETURN(shard::v1::FindEvidenceResponse place,
                         backend_.shards.FindEvidence(subject.shard, find, WithinReadWait(backend_, call)));
  const blob::Owner owner{caller.tenant, subject.candidate_key};
  ASSAY_ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(request.digest()));
  OpenEvidence found;
  found.evidence = std::move(*place.mutable_evidence());
  if (place.result_digest().empty()) {
    ASSAY_ASSIGN_OR_RETURN(found.file, backend_.blobs.Open(owner, digest));
    return found;
  }
  ASSAY_ASSIGN_OR_RETURN(const Digest name, Digest::Parse(place.result_digest()));
  ASSAY_ASSIGN_OR_RETURN(const event::v1::ResultDocument document, blob::GetResult(backend_.blobs, owner, name));
  ASSAY_ASSIGN_OR_RETURN(found.content, blob::ContentOf(document, digest));
  return found;
}

absl::StatusOr<v1::ListFrameworksResponse> Answers::ListFrameworks(const v1::ListFrameworksRequest& request) const {
  if (request.page_size() < 0) {
    Violations violations;
    violations.Add("page_size", absl::StrCat(request.page_size()), "0 to 500");
    return violations.ToStatus();
  }
  // Public names: a plain position is no secret.
  size_t from = 0;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &from)) {
    return absl::InvalidArgumentError("page_token: not one this server gave out for this call");
  }
  const size_t end = std::min(backend_.frameworks.size(), from + static_cast<size_t>(PageSizeOf(request.page_size())));
  v1::ListFrameworksResponse response;
  for (size_t i = from; i < end; ++i) {
    const readiness::CompiledFramework& framework = *backend_.frameworks[i];
    auto& entry = *response.add_frameworks();
    entry.set_name(framework.name());
    entry.set_digest(framework.digest_text());
    entry.set_title(framework.proto().title());
    Count(framework.proto(), entry);
  }
  if (end < backend_.frameworks.size()) response.set_next_page_token(absl::StrCat(end));
  return response;
}

absl::StatusOr<v1::GetFrameworkResponse> Answers::GetFramework(const v1::GetFrameworkRequest& request) const {
  ASSAY_ASSIGN_OR_RETURN(const auto framework, backend_.find_framework(request.name()));
  v1::GetFrameworkResponse response;
  *response.mutable_framework() = framework->proto();
  response.set_digest(framework->digest_text());
  return response;
}

absl::StatusOr<v1::ValidateFrameworkResponse> Answers::ValidateFramework(
    const v1::ValidateFrameworkRequest& request) const {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  std::vector<readiness::FrameworkFile> files;
  for (const auto& file : request.files()) files.push_back({file.name(), file.content()});
  const absl::StatusOr<v1::Framework> framework = readiness::ParseFramework(files);
  v1::ValidateFrameworkResponse response;
  if (!framework.ok()) {
    for (absl::string_view line : absl::StrSplit(framework.status().message(), '\n')) {
      response.add_problems(std::string(line));
    }
    return response;
  }
  response.set_name(absl::StrCat(framework->id(), "@", framework->version()));
  response.set_digest(Digest::Of(readiness::CanonicalBytes(*framework)).ToString());
  Count(*framework, response);
  return response;
}

}  // namespace assay::gateway
