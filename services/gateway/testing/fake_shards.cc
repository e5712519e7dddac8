// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/testing/fake_shards.h"

#include <algorithm>

#include "services/common/base/status_macros.h"

namespace assay::gateway {
namespace {

absl::Status Unknown() { return absl::NotFoundError("the fake knows nothing of it"); }

}  // namespace

void FakeShards::Tell(uint32_t shard) {
  std::vector<std::function<void()>> listeners;
  {
    absl::MutexLock lock(&mutex_);
    listeners = shards_.at(shard).listeners;
  }
  for (const auto& listener : listeners) listener();
}

void FakeShards::Step(uint32_t shard, const v1::Submission& submission, const std::string& change) {
  {
    absl::MutexLock lock(&mutex_);
    Shard& state = shards_.at(shard);
    if (state.submissions.count(submission.id()) == 0) state.order.push_back(submission.id());
    state.submissions[submission.id()] = submission;
    shard::v1::ReadChangesResponse::Change step;
    step.set_sequence(state.changes.size());
    *step.mutable_submission() = submission;
    step.set_change(change);
    state.changes.push_back(step);
  }
  Tell(shard);
}

void FakeShards::StepReadiness(uint32_t shard, const v1::ReadinessRecord& record) {
  {
    absl::MutexLock lock(&mutex_);
    Shard& state = shards_.at(shard);
    state.readiness = record.SerializeAsString();
    shard::v1::ReadChangesResponse::Change step;
    step.set_sequence(state.changes.size());
    *step.mutable_readiness() = record;
    state.changes.push_back(step);
  }
  Tell(shard);
}

void FakeShards::Forget(uint32_t shard, uint64_t oldest) {
  absl::MutexLock lock(&mutex_);
  shards_.at(shard).oldest = oldest;
}

void FakeShards::AnswerWith(uint32_t shard, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  shards_.at(shard).status = std::move(status);
}

int FakeShards::reads(uint32_t shard) const {
  absl::MutexLock lock(&mutex_);
  return shards_.at(shard).reads;
}

absl::StatusOr<shard::v1::GetSubmissionResponse> FakeShards::GetSubmission(
    uint32_t shard, const shard::v1::GetSubmissionRequest& request, const ShardCall& /*call*/) {
  absl::MutexLock lock(&mutex_);
  const Shard& state = shards_.at(shard);
  ASSAY_RETURN_IF_ERROR(state.status);
  const auto found = state.submissions.find(request.id());
  if (found == state.submissions.end()) return Unknown();
  shard::v1::GetSubmissionResponse response;
  *response.mutable_submission() = found->second;
  return response;
}

absl::StatusOr<shard::v1::ListSubmissionsResponse> FakeShards::ListSubmissions(
    uint32_t shard, const shard::v1::ListSubmissionsRequest& request, const ShardCall& /*call*/) {
  absl::MutexLock lock(&mutex_);
  const Shard& state = shards_.at(shard);
  ASSAY_RETURN_IF_ERROR(state.status);
  shard::v1::ListSubmissionsResponse response;
  for (auto id = state.order.rbegin(); id != state.order.rend(); ++id) {
    if (static_cast<uint32_t>(response.entries_size()) == request.limit()) break;
    *response.add_entries()->mutable_submission() = state.submissions.at(*id);
  }
  return response;
}

absl::StatusOr<std::string> FakeShards::GetReadiness(uint32_t shard, const shard::v1::GetReadinessRequest& /*request*/,
                                                     const ShardCall& /*call*/) {
  absl::MutexLock lock(&mutex_);
  const Shard& state = shards_.at(shard);
  ASSAY_RETURN_IF_ERROR(state.status);
  if (state.readiness.empty()) return Unknown();
  return state.readiness;
}

absl::StatusOr<shard::v1::ReadChangesResponse> FakeShards::ReadChanges(uint32_t shard,
                                                                       const shard::v1::ReadChangesRequest& request,
                                                                       const ShardCall& /*call*/) {
  absl::MutexLock lock(&mutex_);
  Shard& state = shards_.at(shard);
  ++state.reads;
  ASSAY_RETURN_IF_ERROR(state.status);
  if (request.from() < state.oldest) return absl::OutOfRangeError("that is forgotten");
  shard::v1::ReadChangesResponse response;
  const uint64_t end = std::min<uint64_t>(state.changes.size(), request.from() + request.limit());
  for (uint64_t i = request.from(); i < end; ++i) {
    if (state.changes[i].has_readiness() == request.readiness()) *response.add_changes() = state.changes[i];
  }
  response.set_next(std::max(end, request.from()));
  return response;
}

absl::StatusOr<ChangeRange> FakeShards::GetChangeRange(uint32_t shard, const ShardCall& /*call*/) {
  absl::MutexLock lock(&mutex_);
  const Shard& state = shards_.at(shard);
  ASSAY_RETURN_IF_ERROR(state.status);
  return ChangeRange{state.oldest, state.changes.size()};
}

std::shared_ptr<void> FakeShards::Subscribe(uint32_t shard, std::function<void()> listener) {
  absl::MutexLock lock(&mutex_);
  shards_.at(shard).listeners.push_back(std::move(listener));
  return std::shared_ptr<void>(nullptr, [this, shard](void*) {
    absl::MutexLock remove(&mutex_);
    shards_.at(shard).listeners.clear();
  });
}

absl::StatusOr<shard::v1::FindRequestResponse> FakeShards::FindRequest(uint32_t, const shard::v1::FindRequestRequest&,
                                                                       const ShardCall&) {
  return Unknown();
}
absl::StatusOr<shard::v1::AssessmentEntry> FakeShards::GetAssessment(uint32_t, const shard::v1::GetAssessmentRequest&,
                                                                     const ShardCall&) {
  return Unknown();
}
absl::StatusOr<shard::v1::ListAssessmentsResponse> FakeShards::ListAssessments(
    uint32_t, const shard::v1::ListAssessmentsRequest&, const ShardCall&) {
  return Unknown();
}
absl::StatusOr<v1::EvaluationReport> FakeShards::GetReport(uint32_t, const shard::v1::GetReportRequest&,
                                                           const ShardCall&) {
  return Unknown();
}
absl::StatusOr<shard::v1::FindEvidenceResponse> FakeShards::FindEvidence(uint32_t,
                                                                         const shard::v1::FindEvidenceRequest&,
                                                                         const ShardCall&) {
  return Unknown();
}
absl::StatusOr<shard::v1::ListDecisionsResponse> FakeShards::ListDecisions(uint32_t,
                                                                           const shard::v1::ListDecisionsRequest&,
                                                                           const ShardCall&) {
  return Unknown();
}

}  // namespace assay::gateway
