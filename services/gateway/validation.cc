// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/validation.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/digest.h"
#include "services/gateway/documents.h"
#include "services/readiness/document_rules.h"

namespace assay::gateway {
namespace {

constexpr size_t kMaxListed = 100;
constexpr size_t kMaxName = 128;
constexpr size_t kMaxRequestId = 64;
constexpr size_t kMaxOrigin = 255;
constexpr size_t kMaxEvaluators = 32;
constexpr size_t kMaxSourceFile = 4096;
constexpr size_t kMaxSourceField = 256;
constexpr int kMaxSourceEntries = 4096;
constexpr size_t kMaxLabels = 16;
constexpr size_t kMaxLabel = 64;
constexpr size_t kMaxReason = 1000;
constexpr size_t kMaxIds = 500;
constexpr size_t kMaxToken = 4096;
constexpr int kMaxFrameworkFiles = 64;
constexpr size_t kMaxFrameworkFile = 1 << 20;

bool HasControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

std::string Shown(absl::string_view text) {
  if (text.empty()) return "nothing";
  if (HasControl(text)) return absl::StrCat(text.size(), " bytes with control characters");
  if (text.size() > 80) return absl::StrCat("\"", text.substr(0, 60), "…\" (", text.size(), " bytes)");
  return absl::StrCat("\"", text, "\"");
}

void CheckText(absl::string_view field, absl::string_view text, size_t min, size_t max, Violations& violations) {
  if (text.size() >= min && text.size() <= max && !HasControl(text)) return;
  violations.Add(field, Shown(text), absl::StrCat(min, " to ", max, " bytes without control characters"));
}

void CheckRequestId(absl::string_view text, Violations& violations) {
  CheckText("request_id", text, 1, kMaxRequestId, violations);
}

void CheckCandidate(absl::string_view text, Violations& violations) {
  CheckText("candidate", text, 1, kMaxName, violations);
}

void CheckSubmissionId(absl::string_view field, absl::string_view text, Violations& violations) {
  const bool good = text.size() == 26 && std::all_of(text.begin(), text.end(), [](char c) {
                      return absl::ascii_islower(static_cast<unsigned char>(c)) || (c >= '2' && c <= '7');
                    });
  if (!good) violations.Add(field, Shown(text), "the 26 characters of a submission's id");
}

void CheckDigest(absl::string_view field, absl::string_view text, Violations& violations) {
  if (!Digest::Parse(text).ok()) violations.Add(field, Shown(text), "\"sha256:\" and 64 lower-case hex digits");
}

void CheckPage(int32_t page_size, absl::string_view page_token, Violations& violations) {
  if (page_size < 0) violations.Add("page_size", absl::StrCat(page_size), "0 to 500");
  if (page_token.size() > kMaxToken) violations.Add("page_token", "too long", "the token of the answer before");
}

void CheckToken(absl::string_view field, absl::string_view token, Violations& violations) {
  if (token.size() > kMaxToken) violations.Add(field, "too long", "a token this server gave out");
}

template <typename Names>
void CheckEvaluators(absl::string_view field, const Names& names, Violations& violations) {
  if (names.size() > static_cast<int>(kMaxEvaluators)) {
    violations.Add(field, absl::StrCat(names.size(), " entries"), absl::StrCat("at most ", kMaxEvaluators));
    return;
  }
  for (int i = 0; i < names.size(); ++i) CheckText(absl::StrCat(field, "[", i, "]"), names[i], 1, kMaxRequestId, violations);
}

template <typename Labels>
void CheckLabels(absl::string_view field, const Labels& labels, Violations& violations) {
  if (labels.size() > kMaxLabels) {
    violations.Add(field, absl::StrCat(labels.size(), " labels"), absl::StrCat("at most ", kMaxLabels));
    return;
  }
  for (const auto& [key, value] : labels) {
    CheckText(absl::StrCat(field, " key"), key, 1, kMaxLabel, violations);
    CheckText(absl::StrCat(field, "[", Shown(key), "]"), value, 0, kMaxLabel, violations);
  }
}

const v1::SourceMap* SourceMapOf(const v1::NewSubmission& submission) {
  switch (submission.content_case()) {
    case v1::NewSubmission::kScorecard:
      return &submission.scorecard().source();
    case v1::NewSubmission::kPortfolio:
      return &submission.portfolio().source();
    case v1::NewSubmission::kOutcome:
      return &submission.outcome().source();
    case v1::NewSubmission::kDecision:
      return &submission.decision().source();
    case v1::NewSubmission::kTask:
      return &submission.task().source();
    default:
      return nullptr;
  }
}

void CheckSourceMap(const std::string& field, const v1::NewSubmission& submission, Violations& violations) {
  const v1::SourceMap* source = SourceMapOf(submission);
  if (source == nullptr) return;
  CheckText(field + ".file", source->file(), 0, kMaxSourceFile, violations);
  if (source->entries_size() > kMaxSourceEntries) {
    violations.Add(field + ".entries", absl::StrCat(source->entries_size(), " entries"),
                   absl::StrCat("at most ", kMaxSourceEntries));
    return;
  }
  for (int i = 0; i < source->entries_size(); ++i) {
    CheckText(absl::StrCat(field, ".entries[", i, "].field"), source->entries(i).field(), 1, kMaxSourceField,
              violations);
  }
}

void CheckSubmission(const v1::NewSubmission& submission, const std::string& prefix, Violations& violations) {
  const ContentFacts facts = FactsOf(submission);
  CheckText(prefix + "candidate", submission.candidate(), 1, kMaxName, violations);
  CheckText(prefix + "assessment", submission.assessment(), 0, kMaxName, violations);
  CheckText(prefix + "framework", submission.framework(), 0, kMaxName, violations);
  CheckText(prefix + "origin", submission.origin(), 0, kMaxOrigin, violations);
  CheckEvaluators(prefix + "only_evaluators", submission.only_evaluators(), violations);
  CheckEvaluators(prefix + "skip_evaluators", submission.skip_evaluators(), violations);
  CheckLabels(prefix + "labels", submission.labels(), violations);
  CheckText(prefix + "source", submission.source(), 0, kMaxName, violations);
  if (!submission.source().empty() && !submission.has_repository() && !submission.has_portfolio()) {
    violations.Add(prefix + "source", Shown(submission.source()),
                   absl::StrCat("nothing for a ", facts.field, ", which names its source itself"));
  }
  CheckSourceMap(absl::StrCat(prefix, facts.field, ".source"), submission, violations);
  if (submission.content_case() == v1::NewSubmission::CONTENT_NOT_SET) {
    violations.Add(prefix + "content", "nothing",
                   "exactly one of repository, scorecard, portfolio, outcome, decision, task");
  }
  if (submission.has_repository()) {
    CheckDigest(prefix + "repository.artifact_digest", submission.repository().artifact_digest(), violations);
    if (!submission.repository().base_artifact_digest().empty()) {
      CheckDigest(prefix + "repository.base_artifact_digest", submission.repository().base_artifact_digest(),
                  violations);
    }
  }
  // What a document says of its place must be what the request says.
  const auto agree = [&](absl::string_view name, const std::string& document, const std::string& request) {
    if (document.empty() || request.empty() || document == request) return;
    violations.Add(absl::StrCat(prefix, facts.field, ".", name), Shown(document),
                   absl::StrCat(Shown(request), " as in the request, or nothing"));
  };
  agree("candidate", facts.candidate, submission.candidate());
  agree("assessment", facts.assessment, submission.assessment());
  agree("framework", facts.framework, submission.framework());
}

template <typename Names>
void CheckKnown(absl::string_view field, const Names& names, const std::vector<std::string>& known,
                Violations& violations) {
  for (int i = 0; i < names.size(); ++i) {
    if (std::find(known.begin(), known.end(), names[i]) != known.end()) continue;
    violations.Add(absl::StrCat(field, "[", i, "]"), Shown(names[i]), absl::StrJoin(known, ", "));
  }
}

// Of those asked for at least one must take the kind, or nothing would be evaluated.
void CheckOnly(const v1::NewSubmission& submission, const v1::Framework& framework, Violations& violations) {
  std::vector<std::string> all, taking;
  const std::string& kind = v1::Submission::Kind_Name(FactsOf(submission).kind);
  for (const v1::EvaluatorBinding& binding : framework.evaluators()) {
    all.push_back(binding.evaluator());
    const auto& kinds = binding.kinds();
    if (std::find(kinds.begin(), kinds.end(), kind) != kinds.end()) taking.push_back(binding.evaluator());
  }
  const auto& only = submission.only_evaluators();
  CheckKnown("submission.only_evaluators", only, all, violations);
  CheckKnown("submission.skip_evaluators", submission.skip_evaluators(), all, violations);
  const bool takes_it = std::any_of(only.begin(), only.end(), [&](const std::string& name) {
    return std::find(taking.begin(), taking.end(), name) != taking.end();
  });
  if (only.empty() || takes_it) return;
  violations.Add("submission.only_evaluators",
                 absl::StrCat(absl::StrJoin(only, ", "), ", none of which takes a ", kind),
                 taking.empty() ? "nothing" : absl::StrJoin(taking, ", "));
}

}  // namespace

void Violations::Add(absl::string_view field, absl::string_view found, absl::string_view allowed) {
  if (entries_.size() >= kMaxListed) return;
  entries_.push_back({std::string(field), absl::StrCat("found ", found, "; allowed: ", allowed)});
}

int PageSizeOf(int32_t requested) { return requested == 0 ? kDefaultPageSize : std::min(requested, kMaxPageSize); }

absl::Status Validate(const v1::CreateSubmissionRequest& request) {
  Violations violations;
  CheckRequestId(request.request_id(), violations);
  CheckSubmission(request.submission(), "submission.", violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::BatchCreateSubmissionsRequest& request) {
  Violations violations;
  if (request.requests_size() < 1 || request.requests_size() > kMaxBatch) {
    violations.Add("requests", absl::StrCat(request.requests_size(), " entries"), absl::StrCat("1 to ", kMaxBatch));
  }
  return violations.ToStatus();
}

absl::Status Validate(const v1::GetSubmissionRequest& request) {
  Violations violations;
  CheckText("candidate", request.candidate(), 0, kMaxName, violations);
  CheckSubmissionId("id", request.id(), violations);
  CheckToken("read_token", request.read_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::ListSubmissionsRequest& request) {
  Violations violations;
  CheckText("candidate", request.candidate(), 0, kMaxName, violations);
  CheckText("assessment", request.assessment(), 0, kMaxName, violations);
  if (request.candidate().empty() && !request.assessment().empty()) {
    violations.Add("candidate", "nothing", "the candidate whose assessment is meant");
  }
  CheckPage(request.page_size(), request.page_token(), violations);
  CheckToken("read_token", request.read_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::CancelSubmissionRequest& request) {
  Violations violations;
  CheckRequestId(request.request_id(), violations);
  CheckCandidate(request.candidate(), violations);
  CheckSubmissionId("id", request.id(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::WithdrawSubmissionRequest& request) {
  Violations violations;
  CheckRequestId(request.request_id(), violations);
  CheckCandidate(request.candidate(), violations);
  CheckSubmissionId("id", request.id(), violations);
  CheckText("reason", request.reason(), 0, kMaxReason, violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::RerunSubmissionsRequest& request) {
  Violations violations;
  CheckRequestId(request.request_id(), violations);
  CheckCandidate(request.candidate(), violations);
  if (!request.id().empty()) CheckSubmissionId("id", request.id(), violations);
  CheckEvaluators("evaluators", request.evaluators(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::WatchSubmissionsRequest& request) {
  Violations violations;
  CheckText("candidate", request.candidate(), 0, kMaxName, violations);
  if (request.ids_size() > static_cast<int>(kMaxIds)) {
    violations.Add("ids", absl::StrCat(request.ids_size(), " entries"), absl::StrCat("at most ", kMaxIds));
  } else {
    for (int i = 0; i < request.ids_size(); ++i) CheckSubmissionId(absl::StrCat("ids[", i, "]"), request.ids(i), violations);
  }
  CheckToken("resume_token", request.resume_token(), violations);
  CheckToken("read_token", request.read_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::CreateAssessmentRequest& request) {
  Violations violations;
  const v1::Assessment& assessment = request.assessment();
  CheckRequestId(request.request_id(), violations);
  CheckText("assessment.id", assessment.id(), 1, kMaxName, violations);
  CheckText("assessment.candidate", assessment.candidate(), 1, kMaxName, violations);
  CheckText("assessment.framework", assessment.framework(), 0, kMaxName, violations);
  CheckText("assessment.opening", assessment.opening(), 0, kMaxOrigin, violations);
  if (!assessment.task().empty()) {
    violations.Add("assessment.task", Shown(assessment.task()),
                   "nothing; submit the task document itself to this assessment");
  }
  CheckLabels("assessment.labels", assessment.labels(), violations);
  if (!v1::Assessment::Purpose_IsValid(assessment.purpose())) {
    violations.Add("assessment.purpose", absl::StrCat(static_cast<int>(assessment.purpose())),
                   "HIRING, PROMOTION or PRACTICE");
  }
  return violations.ToStatus();
}

absl::Status Validate(const v1::GetAssessmentRequest& request) {
  Violations violations;
  CheckCandidate(request.candidate(), violations);
  CheckText("id", request.id(), 0, kMaxName, violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::ListAssessmentsRequest& request) {
  Violations violations;
  CheckCandidate(request.candidate(), violations);
  CheckPage(request.page_size(), request.page_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::DeleteCandidateRequest& request) {
  Violations violations;
  CheckRequestId(request.request_id(), violations);
  CheckCandidate(request.candidate(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::ListDecisionsRequest& request) {
  Violations violations;
  CheckCandidate(request.candidate(), violations);
  CheckText("assessment", request.assessment(), 0, kMaxName, violations);
  CheckPage(request.page_size(), request.page_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::GetEvidenceRequest& request) {
  Violations violations;
  CheckCandidate(request.candidate(), violations);
  CheckDigest("digest", request.digest(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::GetReadinessRequest& request) {
  Violations violations;
  CheckCandidate(request.candidate(), violations);
  CheckText("assessment", request.assessment(), 0, kMaxName, violations);
  CheckToken("read_token", request.read_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::WatchReadinessRequest& request) {
  Violations violations;
  CheckCandidate(request.candidate(), violations);
  CheckText("assessment", request.assessment(), 0, kMaxName, violations);
  CheckToken("resume_token", request.resume_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::ExplainReadinessRequest& request) {
  Violations violations;
  CheckCandidate(request.candidate(), violations);
  CheckText("assessment", request.assessment(), 0, kMaxName, violations);
  CheckText("id", request.id(), 0, kMaxRequestId, violations);
  CheckToken("read_token", request.read_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::GetEvaluationReportRequest& request) {
  Violations violations;
  CheckCandidate(request.candidate(), violations);
  CheckText("assessment", request.assessment(), 0, kMaxName, violations);
  CheckToken("read_token", request.read_token(), violations);
  return violations.ToStatus();
}

absl::Status Validate(const v1::ValidateFrameworkRequest& request) {
  Violations violations;
  if (request.files().empty() || request.files_size() > kMaxFrameworkFiles) {
    violations.Add("files", absl::StrCat(request.files_size()), absl::StrCat("1 to ", kMaxFrameworkFiles));
  }
  for (int i = 0; i < request.files_size() && i < kMaxFrameworkFiles; ++i) {
    const std::string field = absl::StrCat("files[", i, "]");
    CheckText(field + ".name", request.files(i).name(), 1, kMaxName, violations);
    if (request.files(i).content().size() > kMaxFrameworkFile) {
      violations.Add(field + ".content", absl::StrCat(request.files(i).content().size(), " bytes"),
                     absl::StrCat("at most ", kMaxFrameworkFile));
    }
  }
  return violations.ToStatus();
}

absl::Status Validate(const v1::UploadArtifactRequest::Metadata& metadata) {
  Violations violations;
  CheckText("metadata.candidate", metadata.candidate(), 1, kMaxName, violations);
  CheckText("metadata.request_id", metadata.request_id(), 0, kMaxRequestId, violations);
  if (!metadata.digest().empty()) CheckDigest("metadata.digest", metadata.digest(), violations);
  static constexpr absl::string_view kTypes[] = {"", "application/x-tar", "application/gzip", "application/zstd",
                                                 "application/zip"};
  if (std::find(std::begin(kTypes), std::end(kTypes), metadata.media_type()) == std::end(kTypes)) {
    violations.Add("metadata.media_type", Shown(metadata.media_type()),
                   "application/x-tar, application/gzip, application/zstd, application/zip, or nothing");
  }
  return violations.ToStatus();
}

absl::Status ValidateContent(const v1::NewSubmission& submission, const readiness::CompiledFramework& framework) {
  Violations violations;
  CheckOnly(submission, framework.proto(), violations);
  for (const readiness::Violation& violation : readiness::CheckDocument(submission, framework)) {
    violations.Add(absl::StrCat("submission.", violation.field), violation.found, violation.allowed);
  }
  return violations.ToStatus();
}

}  // namespace assay::gateway
