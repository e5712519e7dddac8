// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/caller.h"

#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::gateway {
namespace {

constexpr size_t kMinToken = 16;

const std::map<std::string, Access, std::less<>>& Rules() {
  static const auto& rules = *new std::map<std::string, Access, std::less<>>{
      {"/assay.v1.ArtifactService/UploadArtifact", Access::kWrite},
      {"/assay.v1.AssessmentService/CreateAssessment", Access::kWrite},
      {"/assay.v1.AssessmentService/GetAssessment", Access::kRead},
      {"/assay.v1.AssessmentService/ListAssessments", Access::kRead},
      {"/assay.v1.CandidateService/DeleteCandidate", Access::kWrite},
      {"/assay.v1.DecisionService/ListDecisions", Access::kRead},
      {"/assay.v1.EvidenceService/GetEvidence", Access::kRead},
      {"/assay.v1.FrameworkService/GetFramework", Access::kRead},
      {"/assay.v1.FrameworkService/ListFrameworks", Access::kRead},
      {"/assay.v1.ReadinessService/ExplainReadiness", Access::kRead},
      {"/assay.v1.ReadinessService/GetReadiness", Access::kRead},
      {"/assay.v1.ReadinessService/WatchReadiness", Access::kRead},
      {"/assay.v1.ReportService/GetEvaluationReport", Access::kRead},
      {"/assay.v1.ServerService/GetServerInfo", Access::kRead},
      {"/assay.v1.SubmissionService/BatchCreateSubmissions", Access::kWrite},
      {"/assay.v1.SubmissionService/CancelSubmission", Access::kWrite},
      {"/assay.v1.SubmissionService/CreateSubmission", Access::kWrite},
      {"/assay.v1.SubmissionService/GetSubmission", Access::kRead},
      {"/assay.v1.SubmissionService/ListSubmissions", Access::kRead},
      {"/assay.v1.SubmissionService/RerunSubmissions", Access::kWrite},
      {"/assay.v1.SubmissionService/WatchSubmissions", Access::kRead},
      {"/assay.v1.SubmissionService/WithdrawSubmission", Access::kWrite},
  };
  return rules;
}

bool IsTenantName(absl::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  for (const char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_' && c != '-') return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<Access> AccessOf(absl::string_view method) {
  const auto rule = Rules().find(method);
  if (rule == Rules().end()) return absl::NotFoundError(absl::StrCat("no rule for ", method));
  return rule->second;
}

absl::StatusOr<Authoriser> Authoriser::FromTokenFile(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, path);
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("token_file ", path, ": others may read it; chmod 600 it"));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string content, ReadFile(path, 1 << 20));
  Authoriser authoriser;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    const std::string place = absl::StrCat("token_file ", path, ":", number, ": ");
    if (words.size() != 5) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, "found ", words.size(), " words; needed: token tenant client principal role"));
    }
    if (words[0].size() < kMinToken) {
      return absl::InvalidArgumentError(absl::StrCat(place, "the token has fewer than ", kMinToken, " characters"));
    }
    if (!IsTenantName(words[1])) {
      return absl::InvalidArgumentError(absl::StrCat(place, "a tenant is 1 to 64 of a-z, 0-9, _ and -"));
    }
    if (words[4] != "reader" && words[4] != "writer") {
      return absl::InvalidArgumentError(absl::StrCat(place, "role is reader or writer, not ", words[4]));
    }
    const Caller caller{words[1], words[2], words[3],
                        words[4] == "writer" ? Caller::Role::kWriter : Caller::Role::kReader};
    if (!authoriser.callers_.emplace(Digest::Of(words[0]).ToHex(), caller).second) {
      return absl::InvalidArgumentError(absl::StrCat(place, "this token is given twice"));
    }
  }
  if (authoriser.callers_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("token_file ", path, ": it holds no token"));
  }
  return authoriser;
}

absl::StatusOr<Caller> Authoriser::Authorise(absl::string_view method, absl::string_view authorization,
                                             bool is_owner) const {
  Caller caller{"local", "local", "local", Caller::Role::kWriter};
  if (needs_token() && !is_owner) {
    if (!absl::ConsumePrefix(&authorization, "Bearer ")) {
      return absl::UnauthenticatedError("this server needs a token: send the header \"authorization: Bearer TOKEN\"");
    }
    const auto known = callers_.find(Digest::Of(authorization).ToHex());
    if (known == callers_.end()) return absl::UnauthenticatedError("this token is not known here");
    caller = known->second;
  }
  const absl::StatusOr<Access> access = AccessOf(method);
  if (!access.ok() || (*access == Access::kWrite && caller.role != Caller::Role::kWriter)) {
    return absl::PermissionDeniedError(absl::StrCat("the role of this token does not allow ", method));
  }
  return caller;
}

}  // namespace assay::gateway
