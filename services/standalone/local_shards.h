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
  bool may_block() const override { return false; }
  gateway::ShardPressure PressureOf(uint32_t shard) const override;
  absl::StatusOr<shard::v1::FindRequestResponse> FindRequest(uint32_t shard,
                                                             const shard::v1::FindRequestRequest& request,
                                                             const gateway::ShardCall& call) override;
  absl::StatusOr<shard::v1::GetSubmissionResponse> GetSubmission(uint32_t shard,
                                                                 const shard::v1::GetSubmissionRequest& request,
                                                                 const gateway::ShardCall& call) override;
  absl::StatusOr<shard::v1::ListSubmissionsResponse> ListSubmissions(uint32_t shard,
                                                                     const shard::v1::ListSubmissionsRequest& request,
                                                                     const gateway::ShardCall& call) override;
  absl::StatusOr<shard::v1::AssessmentEntry> GetAssessment(uint32_t shard,
                                                           const shard::v1::GetAssessmentRequest& request,
                                                           const gateway::ShardCall& call) override;
  absl::StatusOr<shard::v1::ListAssessmentsResponse> ListAssessments(uint32_t shard,
                                                                     const shard::v1::ListAssessmentsRequest& request,
                                                                     const gateway::ShardCall& call) override;
  absl::StatusOr<std::string> GetReadiness(uint32_t shard, const shard::v1::GetReadinessRequest& request,
                                           const gateway::ShardCall& call) override;
  absl::StatusOr<v1::EvaluationReport> GetReport(uint32_t shard, const shard::v1::GetReportRequest& request,
                                                 const gateway::ShardCall& call) override;
  absl::StatusOr<shard::v1::FindEvidenceResponse> FindEvidence(uint32_t shard, const shard::v1::FindEvidenceRequest& request,
                                            const gateway::ShardCall& call) override;
  absl::StatusOr<shard::v1::ListDecisionsResponse> ListDecisions(uint32_t shard,
                                                                 const shard::v1::ListDecisionsRequest& request,
                                                                 const gateway::ShardCall& call) override;
  absl::StatusOr<shard::v1::ReadChangesResponse> ReadChanges(uint32_t shard,
                                                             const shard::v1::ReadChangesRequest& request,
                                                             const gateway::ShardCall& call) override;
  absl::StatusOr<gateway::ChangeRange> GetChangeRange(uint32_t shard, const gateway::ShardCall& call) override;
  std::shared_ptr<void> Subscribe(uint32_t shard, std::function<void()> listener) override;

 private:
  aggregator::Server& aggregator_;
};

}  // namespace assay::standalone
