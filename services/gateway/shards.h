// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/shard/v1/shard.pb.h"
#include "assay/v1/report.pb.h"

namespace assay::gateway {

// The shards as a gateway sees them, wherever they are. Every call waits, until `deadline` at most, for what its scope
// asks to be applied: UNAVAILABLE when that takes too long. NOT_FOUND is the same for what does not exist and for what
// another tenant owns. Thread-safe.
class Shards {
 public:
  virtual ~Shards() = default;
  virtual uint32_t count() const = 0;
  // OK while everything journaled is applied; else why not.
  virtual absl::Status health() const = 0;

  virtual absl::StatusOr<shard::v1::FindRequestResponse> FindRequest(
      uint32_t shard, const shard::v1::FindRequestRequest& request, absl::Time deadline) = 0;
  virtual absl::StatusOr<shard::v1::GetSubmissionResponse> GetSubmission(
      uint32_t shard, const shard::v1::GetSubmissionRequest& request, absl::Time deadline) = 0;
  virtual absl::StatusOr<shard::v1::ListSubmissionsResponse> ListSubmissions(
      uint32_t shard, const shard::v1::ListSubmissionsRequest& request, absl::Time deadline) = 0;
  virtual absl::StatusOr<shard::v1::AssessmentEntry> GetAssessment(
      uint32_t shard, const shard::v1::GetAssessmentRequest& request, absl::Time deadline) = 0;
  virtual absl::StatusOr<shard::v1::ListAssessmentsResponse> ListAssessments(
      uint32_t shard, const shard::v1::ListAssessmentsRequest& request, absl::Time deadline) = 0;
  // A v1::ReadinessRecord in wire form without names; see ReadinessNames() in answers.h.
  virtual absl::StatusOr<std::string> GetReadiness(
      uint32_t shard, const shard::v1::GetReadinessRequest& request, absl::Time deadline) = 0;
  virtual absl::StatusOr<v1::EvaluationReport> GetReport(
      uint32_t shard, const shard::v1::GetReportRequest& request, absl::Time deadline) = 0;
  virtual absl::StatusOr<shard::v1::FindEvidenceResponse> FindEvidence(
      uint32_t shard, const shard::v1::FindEvidenceRequest& request, absl::Time deadline) = 0;
  virtual absl::StatusOr<shard::v1::ListDecisionsResponse> ListDecisions(
      uint32_t shard, const shard::v1::ListDecisionsRequest& request, absl::Time deadline) = 0;
  virtual absl::StatusOr<shard::v1::ReadChangesResponse> ReadChanges(
      uint32_t shard, const shard::v1::ReadChangesRequest& request, absl::Time deadline) = 0;
  // Where the feed of changes ends, and how far back it reaches at most.
  virtual absl::StatusOr<uint64_t> NextChange(uint32_t shard) = 0;
  virtual uint64_t change_history() const = 0;
  // Calls `listener`, which must not block, after changes of the shard until the handle goes. May be null: a server
  // that is read-only never changes.
  virtual std::shared_ptr<void> Subscribe(uint32_t shard, std::function<void()> listener) = 0;
};

}  // namespace assay::gateway
