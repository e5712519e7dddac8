// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "assay/v1/artifact_service.pb.h"
#include "assay/v1/assessment_service.pb.h"
#include "assay/v1/candidate_service.pb.h"
#include "assay/v1/decision_service.pb.h"
#include "assay/v1/evidence_service.pb.h"
#include "assay/v1/framework_service.pb.h"
#include "assay/v1/readiness_service.pb.h"
#include "assay/v1/report_service.pb.h"
#include "assay/v1/submission_service.pb.h"
#include "services/common/rpc/status.h"
#include "services/readiness/framework.h"

namespace assay::gateway {

// Every rule that a request must keep, in one place. All that is wrong with a request is reported at once:
// INVALID_ARGUMENT with a google.rpc.BadRequest, each violation naming its field, what was found and what is allowed.
// Nothing is changed by a request that fails here. Pure.

// Collects what is wrong with one request.
class Violations {
 public:
  void Add(absl::string_view field, absl::string_view found, absl::string_view allowed);
  // OK, or INVALID_ARGUMENT with the list.
  absl::Status ToStatus() const { return entries_.empty() ? absl::OkStatus() : rpc::InvalidFields(entries_); }

 private:
  std::vector<rpc::FieldViolation> entries_;
};

inline constexpr int kMaxBatch = 500;
inline constexpr int kMaxPageSize = 500;
inline constexpr int kDefaultPageSize = 50;

// 0 is the default, more than the most is the most.
int PageSizeOf(int32_t requested);

absl::Status Validate(const v1::CreateSubmissionRequest& request);
absl::Status Validate(const v1::BatchCreateSubmissionsRequest& request);
absl::Status Validate(const v1::GetSubmissionRequest& request);
absl::Status Validate(const v1::ListSubmissionsRequest& request);
absl::Status Validate(const v1::CancelSubmissionRequest& request);
absl::Status Validate(const v1::WithdrawSubmissionRequest& request);
absl::Status Validate(const v1::RerunSubmissionsRequest& request);
absl::Status Validate(const v1::WatchSubmissionsRequest& request);
absl::Status Validate(const v1::CreateAssessmentRequest& request);
absl::Status Validate(const v1::GetAssessmentRequest& request);
absl::Status Validate(const v1::ListAssessmentsRequest& request);
absl::Status Validate(const v1::DeleteCandidateRequest& request);
absl::Status Validate(const v1::ListDecisionsRequest& request);
absl::Status Validate(const v1::GetEvidenceRequest& request);
absl::Status Validate(const v1::GetReadinessRequest& request);
absl::Status Validate(const v1::WatchReadinessRequest& request);
absl::Status Validate(const v1::ExplainReadinessRequest& request);
absl::Status Validate(const v1::GetEvaluationReportRequest& request);
absl::Status Validate(const v1::ValidateFrameworkRequest& request);
absl::Status Validate(const v1::UploadArtifactRequest::Metadata& metadata);

// The content of a submission against the framework it is for: ids, ranges, evidence, every rule of its kind.
absl::Status ValidateContent(const v1::NewSubmission& submission, const readiness::CompiledFramework& framework);

}  // namespace assay::gateway
