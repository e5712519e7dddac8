// SPDX-License-Identifier: Apache-2.0
#include "services/standalone/local_shards.h"

#include <algorithm>
#include <utility>

#include "services/aggregator/shard.h"
#include "services/common/base/status_macros.h"

namespace assay::standalone {
namespace {

// Waits for what the scope asks for, then asks the shard.
template <typename Request, typename Method>
auto Ask(aggregator::Server& aggregator, uint32_t shard, const Request& request, const gateway::ShardCall& call,
         Method method) -> decltype((std::declval<const aggregator::ShardReads&>().*method)(request)) {
  const bool is_strong = request.scope().consistency() == v1::STRONG;
  ASSAY_ASSIGN_OR_RETURN(const aggregator::ShardReads* reads,
                         is_strong ? aggregator.ReadStrongly(shard, call.deadline)
                                   : aggregator.Read(shard, request.scope().wait_for_offset(), call.deadline));
  return (reads->*method)(request);
}

using Reads = aggregator::ShardReads;

}  // namespace

gateway::ShardPressure LocalShards::PressureOf(uint32_t shard) const {
  gateway::ShardPressure pressure;
  for (const event::v1::ShardReplica& replica : aggregator_.Replicas()) {
    if (replica.shard() != shard) continue;
    pressure.applied_offset = replica.applied_offset();
    pressure.lag_records = replica.lag_records();
    for (const auto& [lane, count] : replica.waiting_work()) pressure.waiting_work += count;
  }
  return pressure;
}

absl::StatusOr<shard::v1::FindRequestResponse> LocalShards::FindRequest(uint32_t shard,
                                                                        const shard::v1::FindRequestRequest& request,
                                                                        const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::FindRequest);
}

absl::StatusOr<shard::v1::GetSubmissionResponse> LocalShards::GetSubmission(
    uint32_t shard, const shard::v1::GetSubmissionRequest& request, const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::GetSubmission);
}

absl::StatusOr<shard::v1::ListSubmissionsResponse> LocalShards::ListSubmissions(
    uint32_t shard, const shard::v1::ListSubmissionsRequest& request, const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::ListSubmissions);
}

absl::StatusOr<shard::v1::AssessmentEntry> LocalShards::GetAssessment(uint32_t shard,
                                                                      const shard::v1::GetAssessmentRequest& request,
                                                                      const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::GetAssessment);
}

absl::StatusOr<shard::v1::ListAssessmentsResponse> LocalShards::ListAssessments(
    uint32_t shard, const shard::v1::ListAssessmentsRequest& request, const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::ListAssessments);
}

absl::StatusOr<std::string> LocalShards::GetReadiness(uint32_t shard, const shard::v1::GetReadinessRequest& request,
                                                      const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::GetReadiness);
}

absl::StatusOr<v1::EvaluationReport> LocalShards::GetReport(uint32_t shard, const shard::v1::GetReportRequest& request,
                                                            const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::GetReport);
}

absl::StatusOr<shard::v1::FindEvidenceResponse> LocalShards::FindEvidence(uint32_t shard, const shard::v1::FindEvidenceRequest& request,
                                                       const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::FindEvidence);
}

absl::StatusOr<shard::v1::ListDecisionsResponse> LocalShards::ListDecisions(
    uint32_t shard, const shard::v1::ListDecisionsRequest& request, const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::ListDecisions);
}

absl::StatusOr<shard::v1::ReadChangesResponse> LocalShards::ReadChanges(uint32_t shard,
                                                                        const shard::v1::ReadChangesRequest& request,
                                                                        const gateway::ShardCall& call) {
  return Ask(aggregator_, shard, request, call, &Reads::ReadChanges);
}

absl::StatusOr<gateway::ChangeRange> LocalShards::GetChangeRange(uint32_t shard, const gateway::ShardCall& call) {
  ASSAY_ASSIGN_OR_RETURN(const Reads* reads, aggregator_.Read(shard, -1, call.deadline));
  ASSAY_ASSIGN_OR_RETURN(const uint64_t next, reads->NextChange());
  return gateway::ChangeRange{next - std::min(next, aggregator::kChangeHistory), next};
}

std::shared_ptr<void> LocalShards::Subscribe(uint32_t shard, std::function<void()> listener) {
  return aggregator_.Subscribe(shard, std::move(listener));
}

}  // namespace assay::standalone
