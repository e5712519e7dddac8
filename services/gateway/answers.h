// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/statusor.h"
#include "assay/v1/assessment_service.pb.h"
#include "assay/v1/decision_service.pb.h"
#include "assay/v1/evidence_service.pb.h"
#include "assay/v1/framework_service.pb.h"
#include "assay/v1/readiness_service.pb.h"
#include "assay/v1/report_service.pb.h"
#include "assay/v1/submission_service.pb.h"
#include "services/common/rpc/authorization.h"
#include "services/gateway/backend.h"

namespace assay::gateway {

// Answers everything that changes nothing. Thread-safe.
class Answers {
 public:
  explicit Answers(const Backend& backend) : backend_(backend) {}

  absl::StatusOr<v1::Submission> GetSubmission(const rpc::Identity& caller, const v1::GetSubmissionRequest& request,
                                               const ShardCall& call) const;
  absl::StatusOr<v1::ListSubmissionsResponse> ListSubmissions(const rpc::Identity& caller,
                                                              const v1::ListSubmissionsRequest& request,
                                                              const ShardCall& call) const;
  absl::StatusOr<v1::Assessment> GetAssessment(const rpc::Identity& caller, const v1::GetAssessmentRequest& request,
                                               const ShardCall& call) const;
  absl::StatusOr<v1::ListAssessmentsResponse> ListAssessments(const rpc::Identity& caller,
                                                              const v1::ListAssessmentsRequest& request,
                                                              const ShardCall& call) const;
  // A v1::ReadinessRecord in wire form, in pieces: what stands in the store is sent as it is. Waits only for a read
  // token.
  absl::StatusOr<std::vector<std::string>> GetReadiness(const rpc::Identity& caller,
                                                        const v1::GetReadinessRequest& request,
                                                        const ShardCall& call) const;
  absl::StatusOr<v1::ExplainReadinessResponse> Explain(const rpc::Identity& caller,
                                                       const v1::ExplainReadinessRequest& request,
                                                       const ShardCall& call) const;
  absl::StatusOr<v1::EvaluationReport> GetReport(const rpc::Identity& caller, const v1::GetEvaluationReportRequest& request,
                                                 const ShardCall& call) const;
  absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(const rpc::Identity& caller,
                                                          const v1::ListDecisionsRequest& request,
                                                          const ShardCall& call) const;
  // What the digest is, and its bytes opened for reading.
  struct OpenEvidence {
    v1::Evidence evidence;
    // What stands in a result document; else `file` is open.
    std::string content;
    UniqueFd file;
  };
  absl::StatusOr<OpenEvidence> GetEvidence(const rpc::Identity& caller, const v1::GetEvidenceRequest& request,
                                           const ShardCall& call) const;
  absl::StatusOr<v1::ListFrameworksResponse> ListFrameworks(const v1::ListFrameworksRequest& request) const;
  absl::StatusOr<v1::GetFrameworkResponse> GetFramework(const v1::GetFrameworkRequest& request) const;
  // What is wrong with the files is the answer, not an error.
  absl::StatusOr<v1::ValidateFrameworkResponse> ValidateFramework(const v1::ValidateFrameworkRequest& request) const;

 private:
  absl::StatusOr<v1::EvaluationReport> ReadReport(const rpc::Identity& caller,
                                                  const v1::GetEvaluationReportRequest& request,
                                                  v1::Consistency consistency, const ShardCall& call) const;

  const Backend& backend_;
};

// What a shard's v1::ReadinessRecord in wire form lacks, to stand behind it: the names, as the caller asked with them.
std::string ReadinessNames(const std::string& candidate, absl::string_view assessment);

// The part of a report that `id` names: an area, competency, behaviour or gate; everything when empty. NOT_FOUND: the
// framework has none of that id. Pure.
absl::StatusOr<v1::ExplainReadinessResponse> CutToId(v1::EvaluationReport report, absl::string_view id);

}  // namespace assay::gateway
