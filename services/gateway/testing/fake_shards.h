// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/gateway/shards.h"

namespace assay::gateway {

// Shards in memory that hold submissions, their changes and one readiness, and are out of reach when told to.
// Thread-safe.
class FakeShards final : public Shards {
 public:
  explicit FakeShards(uint32_t count) : count_(count), shards_(count) {}

  // The submission as it is now, and the step that led to it. Listeners are told.
  void Step(uint32_t shard, const v1::Submission& submission, const std::string& change);
  // The readiness of every candidate of the shard, and the step that led to it.
  void StepReadiness(uint32_t shard, const v1::ReadinessRecord& record);
  // Steps before `oldest` are no longer kept.
  void Forget(uint32_t shard, uint64_t oldest);
  // Until told otherwise, every question about the shard is answered with `status`.
  void AnswerWith(uint32_t shard, absl::Status status);
  // How often changes of the shard were asked for.
  int reads(uint32_t shard) const;

  uint32_t count() const override { return count_; }
  absl::Status health() const override { return absl::OkStatus(); }
  bool may_block() const override { return false; }
  ShardPressure PressureOf(uint32_t /*shard*/) const override { return {}; }
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
  struct Shard {
    absl::Status status;
    std::vector<shard::v1::ReadChangesResponse::Change> changes;
    uint64_t oldest = 0;
    // In the order of their first step.
    std::vector<std::string> order;
    std::map<std::string, v1::Submission> submissions;
    std::string readiness;
    int reads = 0;
    std::vector<std::function<void()>> listeners;
  };
  void Tell(uint32_t shard);

  const uint32_t count_;
  mutable absl::Mutex mutex_;
  std::vector<Shard> shards_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::gateway
