// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/v1/assessment_service.pb.h"
#include "assay/v1/candidate_service.pb.h"
#include "assay/v1/submission_service.pb.h"
#include "services/common/rpc/call.h"
#include "services/gateway/backend.h"

namespace assay::gateway {

// Everything that changes what is there already: journals the request and answers with what it led to. The same
// request_id again does nothing more. Thread-safe.
class Requests {
 public:
  explicit Requests(const Backend& backend) : backend_(backend) {}

  absl::StatusOr<v1::Submission> Cancel(const rpc::Call& call, const v1::CancelSubmissionRequest& request,
                                        absl::Time deadline) const;
  absl::StatusOr<v1::Submission> Withdraw(const rpc::Call& call, const v1::WithdrawSubmissionRequest& request,
                                          absl::Time deadline) const;
  absl::StatusOr<v1::RerunSubmissionsResponse> Rerun(const rpc::Call& call, const v1::RerunSubmissionsRequest& request,
                                                     absl::Time deadline) const;
  absl::StatusOr<v1::DeleteCandidateResponse> DeleteCandidate(const rpc::Call& call,
                                                              const v1::DeleteCandidateRequest& request,
                                                              absl::Time deadline) const;
  absl::StatusOr<v1::Assessment> CreateAssessment(const rpc::Call& call, const v1::CreateAssessmentRequest& request,
                                                  absl::Time deadline) const;

 private:
  absl::Status CheckCanWrite() const;
  // What an earlier call with the event's id led to; none: there was none. ALREADY_EXISTS: it had other content.
  absl::StatusOr<std::optional<shard::v1::FindRequestResponse>> FindRepeated(const Subject& subject,
                                                                             const event::v1::Envelope& envelope,
                                                                             absl::Time deadline) const;
  absl::StatusOr<shard::v1::GetSubmissionResponse> Find(const Subject& subject, absl::string_view id,
                                                        absl::Time deadline) const;
  // The event of a call: `content` is the whole request, which makes its digest.
  event::v1::Envelope NewEnvelope(const rpc::Call& call, const Subject& subject, absl::string_view action,
                                  absl::string_view candidate, absl::string_view request_id,
                                  absl::string_view content) const;
  // Journals, waits until it is applied, and answers with the submission as it is then.
  absl::StatusOr<v1::Submission> WriteAndFind(event::v1::Envelope envelope, Subject subject, absl::string_view id,
                                              absl::Time deadline) const;
  // INVALID_ARGUMENT: it has no evaluation by one of the evaluators named.
  absl::Status CheckNamed(const v1::RerunSubmissionsRequest& request, const std::vector<v1::Submission>& targets) const;
  // The submissions meant, oldest first. FAILED_PRECONDITION: more than one call reruns.
  absl::StatusOr<std::vector<v1::Submission>> RerunTargets(const Subject& subject,
                                                           const v1::RerunSubmissionsRequest& request,
                                                           absl::Time deadline) const;

  // Journals the rerun of one submission, unless it was done, and names the evaluations it made.
  absl::Status RerunOne(event::v1::Envelope envelope, const Subject& subject, const v1::Submission& target,
                        const v1::RerunSubmissionsRequest& request, absl::Time deadline,
                        v1::RerunSubmissionsResponse& response) const;

  const Backend& backend_;
};

}  // namespace assay::gateway
