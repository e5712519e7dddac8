// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/v1/assessment_service.pb.h"
#include "assay/v1/candidate_service.pb.h"
#include "assay/v1/submission_service.pb.h"
#include "services/common/rpc/authorization.h"
#include "services/gateway/backend.h"

namespace assay::gateway {

// Everything that changes what is there already: journals the request and answers with what it led to. The same
// request_id again does nothing more. Thread-safe.
class Requests {
 public:
  explicit Requests(const Backend& backend) : backend_(backend) {}

  absl::StatusOr<v1::Submission> Cancel(const rpc::Identity& caller, const v1::CancelSubmissionRequest& request,
                                        absl::Time deadline) const;
  absl::StatusOr<v1::Submission> Withdraw(const rpc::Identity& caller, const v1::WithdrawSubmissionRequest& request,
                                          absl::Time deadline) const;
  absl::StatusOr<v1::RerunSubmissionsResponse> Rerun(const rpc::Identity& caller, const v1::RerunSubmissionsRequest& request,
                                                     absl::Time deadline) const;
  absl::StatusOr<v1::DeleteCandidateResponse> DeleteCandidate(const rpc::Identity& caller,
                                                              const v1::DeleteCandidateRequest& request,
                                                              absl::Time deadline) const;
  absl::StatusOr<v1::Assessment> CreateAssessment(const rpc::Identity& caller, const v1::CreateAssessmentRequest& request,
                                                  absl::Time deadline) const;

 private:
  absl::Status CheckCanWrite() const;
  absl::StatusOr<shard::v1::GetSubmissionResponse> Find(const Subject& subject, absl::string_view id,
                                                        absl::Time deadline) const;
  event::v1::Envelope NewEnvelope(const rpc::Identity& caller, const Subject& subject, absl::string_view call,
                                  absl::string_view candidate, absl::string_view request_id) const;
  // Journals, waits until it is applied, and answers with the submission as it is then.
  absl::StatusOr<v1::Submission> WriteAndFind(event::v1::Envelope envelope, Subject subject, absl::string_view id,
                                              absl::Time deadline) const;
  absl::StatusOr<std::vector<v1::Submission>> RerunTargets(const Subject& subject,
                                                           const v1::RerunSubmissionsRequest& request,
                                                           absl::Time deadline) const;

  const Backend& backend_;
};

}  // namespace assay::gateway
