// SPDX-License-Identifier: Apache-2.0
#include "services/standalone/local_shards.h"

#include <utility>

#include "services/aggregator/shard.h"
#include "services/common/base/status_macros.h"

namespace assay::standalone {
namespace {

// Waits for what the scope asks for, then asks the shard.
template <typename Request, typename Method>
auto Ask(aggregator::Server& aggregator, uint32_t shard, const Request& request, absl::Time deadline, Method method)
    -> decltype((std::declval<const aggregator::ShardReads&>().*method)(request)) {
  ASSAY_ASSIGN_OR_RETURN(const aggregator::ShardReads* reads,
                         aggregator.Read(shard, request.scope().wait_for_offset(), deadline));
  return (reads->*method)(request);
}

using Reads = aggregator::ShardReads;

}  // namespace

absl::StatusOr<shard::v1::FindRequestResponse> LocalShards::FindRequest(uint32_t shard,
                                                                        const shard::v1::FindRequestRequest& request,
                                                                        absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::FindRequest);
}

absl::StatusOr<shard::v1::GetSubmissionResponse> LocalShards::GetSubmission(
    uint32_t shard, const shard::v1::GetSubmissionRequest& request, absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::GetSubmission);
}

absl::StatusOr<shard::v1::ListSubmissionsResponse> LocalShards::ListSubmissions(
    uint32_t shard, const shard::v1::ListSubmissionsRequest& request, absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::ListSubmissions);
}

absl::StatusOr<shard::v1::AssessmentEntry> LocalShards::GetAssessment(uint32_t shard,
                                                                      const shard::v1::GetAssessmentRequest& request,
                                                                      absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::GetAssessment);
}

absl::StatusOr<shard::v1::ListAssessmentsResponse> LocalShards::ListAssessments(
    uint32_t shard, const shard::v1::ListAssessmentsRequest& request, absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::ListAssessments);
}

absl::StatusOr<std::string> LocalShards::GetReadiness(uint32_t shard, const shard::v1::GetReadinessRequest& request,
                                                      absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::GetReadiness);
}

absl::StatusOr<v1::EvaluationReport> LocalShards::GetReport(uint32_t shard, const shard::v1::GetReportRequest& request,
                                                            absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::GetReport);
}

absl::StatusOr<shard::v1::FindEvidenceResponse> LocalShards::FindEvidence(uint32_t shard, const shard::v1::FindEvidenceRequest& request,
                                                       absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::FindEvidence);
}

absl::StatusOr<shard::v1::ListDecisionsResponse> LocalShards::ListDecisions(
    uint32_t shard, const shard::v1::ListDecisionsRequest& request, absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::ListDecisions);
}

absl::StatusOr<shard::v1::ReadChangesResponse> LocalShards::ReadChanges(uint32_t shard,
                                                                        const shard::v1::ReadChangesRequest& request,
                                                                        absl::Time deadline) {
  return Ask(aggregator_, shard, request, deadline, &Reads::ReadChanges);
}

absl::StatusOr<uint64_t> LocalShards::NextChange(uint32_t shard) {
  ASSAY_ASSIGN_OR_RETURN(const Reads* reads, aggregator_.Read(shard, -1, absl::InfinitePast()));
  return reads->NextChange();
}

uint64_t LocalShards::change_history() const { return aggregator::kChangeHistory; }

std::shared_ptr<void> LocalShards::Subscribe(uint32_t shard, std::function<void()> listener) {
  return aggregator_.Subscribe(shard, std::move(listener));
}

}  // namespace assay::standalone
