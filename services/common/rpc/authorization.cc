// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/authorization.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::rpc {
namespace {

bool IsName(absl::string_view name, absl::string_view also_allowed) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [&](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           absl::StrContains(also_allowed, c);
  });
}

bool IsLoopback(absl::string_view peer) {
  return absl::StartsWith(peer, "ipv4:127.") || absl::StartsWith(peer, "ipv6:[::1]:") ||
         absl::StartsWith(peer, "ipv6:%5B::1%5D:") || absl::StartsWith(peer, "ipv6:[::ffff:127.");
}

// In-process channels are this very process.
bool IsUnixSocket(absl::string_view peer) { return absl::StartsWith(peer, "unix:") || peer == "inproc"; }

Identity Local() { return {kLocalTenant, "local", "local", Role::kWriter}; }

}  // namespace

const MethodRules& PublicMethodRules() {
  static const auto* const rules = new MethodRules{
      {"/assay.v1.ArtifactService/UploadArtifact", Role::kWriter},
      {"/assay.v1.AssessmentService/CreateAssessment", Role::kWriter},
      {"/assay.v1.AssessmentService/GetAssessment", Role::kReader},
      {"/assay.v1.AssessmentService/ListAssessments", Role::kReader},
      {"/assay.v1.CandidateService/DeleteCandidate", Role::kWriter},
      {"/assay.v1.DecisionService/ListDecisions", Role::kReader},
      {"/assay.v1.EvidenceService/GetEvidence", Role::kReader},
      {"/assay.v1.FrameworkService/GetFramework", Role::kReader},
      {"/assay.v1.FrameworkService/ListFrameworks", Role::kReader},
      {"/assay.v1.FrameworkService/ValidateFramework", Role::kReader},
      {"/assay.v1.ReadinessService/ExplainReadiness", Role::kReader},
      {"/assay.v1.ReadinessService/GetReadiness", Role::kReader},
      {"/assay.v1.ReadinessService/WatchReadiness", Role::kReader},
      {"/assay.v1.ReportService/GetEvaluationReport", Role::kReader},
      {"/assay.v1.ServerService/GetServerInfo", Role::kReader},
      {"/assay.v1.SubmissionService/BatchCreateSubmissions", Role::kWriter},
      {"/assay.v1.SubmissionService/CancelSubmission", Role::kWriter},
      {"/assay.v1.SubmissionService/CreateSubmission", Role::kWriter},
      {"/assay.v1.SubmissionService/GetSubmission", Role::kReader},
      {"/assay.v1.SubmissionService/ListSubmissions", Role::kReader},
      {"/assay.v1.SubmissionService/RerunSubmissions", Role::kWriter},
      {"/assay.v1.SubmissionService/WatchSubmissions", Role::kReader},
      {"/assay.v1.SubmissionService/WithdrawSubmission", Role::kWriter},
  };
  return *rules;
}

absl::StatusOr<std::unique_ptr<Authorizer>> Authorizer::Create(AuthorizerOptions options) {
  auto authorizer = std::unique_ptr<Authorizer>(new Authorizer(std::move(options)));
  if (!authorizer->options_.token_file.empty()) ASSAY_RETURN_IF_ERROR(authorizer->LoadTokens());
  return authorizer;
}

absl::Status Authorizer::LoadTokens() {
  const std::string& path = options_.token_file;
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, path);
  if ((info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": others may read it; set its mode to 0600"));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string content, ReadFile(path, 4 << 20));
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    ASSAY_RETURN_IF_ERROR(Annotate(AddToken(line), absl::StrCat(path, ":", number)));
  }
  if (tokens_.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": holds no token"));
  return absl::OkStatus();
}

absl::Status Authorizer::AddToken(absl::string_view line) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (parts.size() != 5) return absl::InvalidArgumentError("\"token tenant client principal role\" is expected");
  if (parts[0].size() < kMinTokenBytes) {
    return absl::InvalidArgumentError(absl::StrCat("token: at least ", kMinTokenBytes, " characters are needed"));
  }
  if (!IsName(parts[1], "_-")) return absl::InvalidArgumentError("tenant: 1 to 64 of a-z, 0-9, _ and - are allowed");
  if (!IsName(parts[2], "_-.@")) return absl::InvalidArgumentError("client: 1 to 64 of a-z, 0-9, _-.@ are allowed");
  if (!IsName(parts[3], "_-.@")) return absl::InvalidArgumentError("principal: 1 to 64 of a-z, 0-9, _-.@ are allowed");
  if (parts[4] != "writer" && parts[4] != "reader") return absl::InvalidArgumentError("role: writer or reader");
  if (tokens_.size() >= kMaxTokens) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxTokens, " tokens"));
  }
  const Role role = parts[4] == "writer" ? Role::kWriter : Role::kReader;
  const bool is_new = tokens_
                          .emplace(Digest::Of(parts[0]), Identity{std::string(parts[1]), std::string(parts[2]),
                                                                  std::string(parts[3]), role})
                          .second;
  return is_new ? absl::OkStatus() : absl::InvalidArgumentError("token: is in the file twice");
}

absl::StatusOr<Identity> Authorizer::Identify(absl::string_view peer, absl::string_view authorization) const {
  if (!authorization.empty()) {
    const auto it = absl::ConsumePrefix(&authorization, "Bearer ") ? tokens_.find(Digest::Of(authorization))
                                                                   : tokens_.end();
    if (it == tokens_.end()) return absl::UnauthenticatedError("authorization: unknown token");
    return it->second;
  }
  if (options_.trusts_connections || IsUnixSocket(peer) || (IsLoopback(peer) && !has_tokens())) return Local();
  return absl::UnauthenticatedError("authorization: a token is needed (\"Bearer TOKEN\")");
}

Role Authorizer::RoleFor(absl::string_view method) const {
  const auto rule = options_.methods.find(method);
  return rule == options_.methods.end() ? Role::kReader : rule->second;
}

absl::StatusOr<Identity> Authorizer::Authorize(absl::string_view method, absl::string_view peer,
                                               absl::string_view authorization) const {
  ASSAY_ASSIGN_OR_RETURN(Identity identity, Identify(peer, authorization));
  const auto rule = options_.methods.find(method);
  if (rule == options_.methods.end()) return absl::UnimplementedError(absl::StrCat(method, ": no such method"));
  if (rule->second == Role::kWriter && identity.role != Role::kWriter) {
    return absl::PermissionDeniedError(absl::StrCat(method, ": needs the role writer"));
  }
  return identity;
}

}  // namespace assay::rpc
