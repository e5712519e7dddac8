// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "services/aggregator/server.h"
#include "services/gateway/shards.h"

namespace assay::standalone {

// The shards of an aggregator in the same process. Thread-safe; the aggregator must outlive it.
class LocalShards final : public gateway::Shards {
 public:
  explicit LocalShards(aggregator::Server& aggregator) : aggregator_(aggregator) {}

  uint32_t count() const override { return aggregator_.shards(); }
  absl::Status health() const override { return aggregator_.health(); }
  absl::StatusOr<shard::v1::FindRequestResponse> FindRequest(uint32_t shard,
                                                             const shard::v1::FindRequestRequest& request,
                                                             absl::Time deadline) override;
  absl::StatusOr<shard::v1::GetSubmissionResponse> GetSubmission(uint32_t shard,
                                                                 const shard::v1::GetSubmissionRequest& request,
                                                                 absl::Time deadline) override;
  absl::StatusOr<shard::v1::ListSubmissionsResponse> ListSubmissions(uint32_t shard,
                                                                     const shard::v1::ListSubmissionsRequest& request,
                                                                     absl::Time deadline) override;
  absl::StatusOr<shard::v1::AssessmentEntry> GetAssessment(uint32_t shard,
                                                           const shard::v1::GetAssessmentRequest& request,
                                                           absl::Time deadline) override;
  absl::StatusOr<shard::v1::ListAssessmentsResponse> ListAssessments(uint32_t shard,
                                                                     const shard::v1::ListAssessmentsRequest& request,
                                                                     absl::Time deadline) override;
  absl::StatusOr<std::string> GetReadiness(uint32_t shard, const shard::v1::GetReadinessRequest& request,
                                           absl::Time deadline) override;
  absl::StatusOr<v1::EvaluationReport> GetReport(uint32_t shard, const shard::v1::GetReportRequest& request,
                                                 absl::Time deadline) override;
  absl::StatusOr<shard::v1::FindEvidenceResponse> FindEvidence(uint32_t shard, const shard::v1::FindEvidenceRequest& request,
                                            absl::Time deadline) override;
  absl::StatusOr<shard::v1::ListDecisionsResponse> ListDecisions(uint32_t shard,
                                                                 const shard::v1::ListDecisionsRequest& request,
                                                                 absl::Time deadline) override;
  absl::StatusOr<shard::v1::ReadChangesResponse> ReadChanges(uint32_t shard,
                                                             const shard::v1::ReadChangesRequest& request,
                                                             absl::Time deadline) override;
  absl::StatusOr<uint64_t> NextChange(uint32_t shard) override;
  uint64_t change_history() const override;
  std::shared_ptr<void> Subscribe(uint32_t shard, std::function<void()> listener) override;

 private:
  aggregator::Server& aggregator_;
};

}  // namespace assay::standalone
