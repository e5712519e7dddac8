// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/shard/v1/shard.pb.h"
#include "assay/v1/report.pb.h"
#include "services/aggregator/domain.h"
#include "services/aggregator/rows.h"
#include "services/common/blob/blob_store.h"

namespace assay::aggregator {

// Answers questions about one shard from its rows as they are now; waiting for a position is the caller's part. What
// another tenant owns is NOT_FOUND like what does not exist. Thread-safe; everything passed in must outlive it.
class ShardReads {
 public:
  ShardReads(uint32_t shard, const RowReader& rows, blob::BlobStore& blobs, const Domain& domain)
      : shard_(shard), rows_(rows), blobs_(blobs), domain_(domain) {}

  absl::StatusOr<shard::v1::FindRequestResponse> FindRequest(const shard::v1::FindRequestRequest& request) const;
  // With an empty candidate the id alone is looked up.
  absl::StatusOr<shard::v1::GetSubmissionResponse> GetSubmission(const shard::v1::GetSubmissionRequest& request) const;
  absl::StatusOr<shard::v1::ListSubmissionsResponse> ListSubmissions(
      const shard::v1::ListSubmissionsRequest& request) const;
  absl::StatusOr<shard::v1::AssessmentEntry> GetAssessment(const shard::v1::GetAssessmentRequest& request) const;
  absl::StatusOr<shard::v1::ListAssessmentsResponse> ListAssessments(
      const shard::v1::ListAssessmentsRequest& request) const;
  // A v1::ReadinessRecord in wire form, without the names of candidate and assessment: as it is stored, to be passed on.
  absl::StatusOr<std::string> GetReadiness(const shard::v1::GetReadinessRequest& request) const;
  absl::StatusOr<v1::EvaluationReport> GetReport(const shard::v1::GetReportRequest& request) const;
  // What a digest of the candidate is, and where its bytes are.
  absl::StatusOr<shard::v1::FindEvidenceResponse> FindEvidence(const shard::v1::FindEvidenceRequest& request) const;
  absl::StatusOr<shard::v1::ListDecisionsResponse> ListDecisions(const shard::v1::ListDecisionsRequest& request) const;
  absl::StatusOr<shard::v1::ReadChangesResponse> ReadChanges(const shard::v1::ReadChangesRequest& request) const;
  // Where the feed of changes ends now: the place to follow it from.
  absl::StatusOr<uint64_t> NextChange() const;

 private:
  absl::StatusOr<v1::Submission> LoadView(const storage::v1::SubmissionRow& row) const;
  // Those of the scope that were not erased. FAILED_PRECONDITION: more than a report tells of.
  absl::StatusOr<std::vector<v1::Submission>> AllSubmissions(const shard::v1::Scope& scope) const;
  absl::StatusOr<storage::v1::AssessmentRow> FindAssessment(const shard::v1::Scope& scope) const;
  // Fills in the blobs of the task that speaks.
  absl::Status AddTask(const shard::v1::Scope& scope, shard::v1::AssessmentEntry& entry) const;
  // The readiness a change tells of, with names.
  absl::Status FillReadiness(storage::v1::ChangeRow& row, v1::ReadinessRecord& record) const;

  const uint32_t shard_;
  const RowReader& rows_;
  blob::BlobStore& blobs_;
  const Domain& domain_;
};

}  // namespace assay::aggregator
