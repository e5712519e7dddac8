// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "assay/shard/v1/shard_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/gateway/routes.h"
#include "services/gateway/shard_followers.h"
#include "services/gateway/shard_peers.h"
#include "services/gateway/shards.h"
#include "services/membership/announcements.h"

namespace assay::gateway {

// The shards of aggregators elsewhere, found by their announcements. An owner that moved is followed once. Without an
// owner, or when it does not answer, a standby answers what is not STRONG, once it applied what the scope waits for;
// what it says is marked as stale. When nobody can be asked: UNAVAILABLE with RetryInfo. Thread-safe; what is passed in must
// outlive it.
class RemoteShards final : public Shards {
 public:
  RemoteShards(uint32_t shards, rpc::ChannelOptions tls, membership::Announcements& announcements, Clock& clock);
  ~RemoteShards() override;

  uint32_t count() const override { return count_; }
  // Not OK when announcements cannot be read, or no shard has anybody to ask.
  absl::Status health() const override;
  bool may_block() const override { return true; }
  ShardPressure PressureOf(uint32_t shard) const override;

  // Where the shard is at the moment.
  Route RouteOf(uint32_t shard) const;

  absl::StatusOr<shard::v1::FindRequestResponse> FindRequest(uint32_t shard,
                                                             const shard::v1::FindRequestRequest& request,
                                                             const ShardCall& call) override;
  absl::StatusOr<shard::v1::GetSubmissionResponse> GetSubmission(uint32_t shard,
                                                                 const shard::v1::GetSubmissionRequest& request,
                                                                 const ShardCall& call) override;
  absl::StatusOr<shard::v1::ListSubmissionsResponse> ListSubmissions(uint32_t shard,
                                                                     const shard::v1::ListSubmissionsRequest& request,
                                                                     const ShardCall& call) override;
  absl::StatusOr<shard::v1::AssessmentEntry> GetAssessment(uint32_t shard,
                                                           const shard::v1::GetAssessmentRequest& request,
                                                           const ShardCall& call) override;
  absl::StatusOr<shard::v1::ListAssessmentsResponse> ListAssessments(uint32_t shard,
                                                                     const shard::v1::ListAssessmentsRequest& request,
                                                                     const ShardCall& call) override;
  absl::StatusOr<std::string> GetReadiness(uint32_t shard, const shard::v1::GetReadinessRequest& request,
                                           const ShardCall& call) override;
  absl::StatusOr<v1::EvaluationReport> GetReport(uint32_t shard, const shard::v1::GetReportRequest& request,
                                                 const ShardCall& call) override;
  absl::StatusOr<shard::v1::FindEvidenceResponse> FindEvidence(uint32_t shard,
                                                               const shard::v1::FindEvidenceRequest& request,
                                                               const ShardCall& call) override;
  absl::StatusOr<shard::v1::ListDecisionsResponse> ListDecisions(uint32_t shard,
                                                                 const shard::v1::ListDecisionsRequest& request,
                                                                 const ShardCall& call) override;
  absl::StatusOr<shard::v1::ReadChangesResponse> ReadChanges(uint32_t shard,
                                                             const shard::v1::ReadChangesRequest& request,
                                                             const ShardCall& call) override;
  absl::StatusOr<ChangeRange> GetChangeRange(uint32_t shard, const ShardCall& call) override;
  std::shared_ptr<void> Subscribe(uint32_t shard, std::function<void()> listener) override;

 private:
  template <typename Request, typename Response>
  using Method = grpc::Status (shard::v1::ShardService::Stub::*)(grpc::ClientContext*, const Request&, Response*);

  // Asks who can be asked, one after the other.
  template <typename Response, typename Request>
  absl::StatusOr<Response> Ask(uint32_t shard, const Request& request, const ShardCall& call,
                               Method<Request, Response> method);
  // Asks one of them, and notes what it says of its staleness.
  template <typename Response, typename Request>
  absl::StatusOr<Response> AskOne(const ReadPlan::Target& target, const Request& request, absl::Time deadline,
                                  Staleness* staleness, Method<Request, Response> method);
  void Refresh() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint32_t count_;
  membership::Announcements& announcements_;
  Clock& clock_;
  ShardPeers peers_;
  mutable absl::Mutex mutex_;
  mutable std::vector<Route> routes_ ABSL_GUARDED_BY(mutex_);
  mutable absl::Time refreshed_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::unique_ptr<ShardFollowers> followers_;
};

}  // namespace assay::gateway
