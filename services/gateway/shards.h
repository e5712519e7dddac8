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

// That an answer comes from a standby, and how many records it had not applied.
struct Staleness {
  bool is_stale = false;
  uint64_t lag_records = 0;
};

// How a shard is asked. A deadline alone will do where nobody is told about staleness.
struct ShardCall {
  // NOLINTNEXTLINE(google-explicit-constructor)
  ShardCall(absl::Time until, Staleness* told = nullptr) : deadline(until), staleness(told) {}

  absl::Time deadline;
  // Added to when the answer is a standby's; may be null. One call at a time.
  Staleness* staleness;
};

// How much a shard has to do.
struct ShardPressure {
  // -1 before the first.
  int64_t applied_offset = -1;
  uint64_t lag_records = 0;
  // Evaluations that wait for room in the work queue, over all lanes.
  uint64_t waiting_work = 0;
};

// Changes from `oldest` on are kept; the next one will be `next`.
struct ChangeRange {
  uint64_t oldest = 0;
  uint64_t next = 0;
};

// The shards as a gateway sees them, wherever they are. Every call waits, until its deadline at most, for what its scope
// asks to be applied: UNAVAILABLE when that takes too long, or when nobody can be asked. NOT_FOUND is the same for what
// does not exist and for what another tenant owns. Thread-safe.
class Shards {
 public:
  virtual ~Shards() = default;
  virtual uint32_t count() const = 0;
  // OK while what is accepted will be applied; else why not.
  virtual absl::Status health() const = 0;
  // Whether a call that waits for no record may block all the same.
  virtual bool may_block() const = 0;
  // As far as it is known; nothing of a shard that nobody owns. Does not block.
  virtual ShardPressure PressureOf(uint32_t shard) const = 0;

  virtual absl::StatusOr<shard::v1::FindRequestResponse> FindRequest(
      uint32_t shard, const shard::v1::FindRequestRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<shard::v1::GetSubmissionResponse> GetSubmission(
      uint32_t shard, const shard::v1::GetSubmissionRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<shard::v1::ListSubmissionsResponse> ListSubmissions(
      uint32_t shard, const shard::v1::ListSubmissionsRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<shard::v1::AssessmentEntry> GetAssessment(
      uint32_t shard, const shard::v1::GetAssessmentRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<shard::v1::ListAssessmentsResponse> ListAssessments(
      uint32_t shard, const shard::v1::ListAssessmentsRequest& request, const ShardCall& call) = 0;
  // A v1::ReadinessRecord in wire form without names; see ReadinessNames() in answers.h.
  virtual absl::StatusOr<std::string> GetReadiness(
      uint32_t shard, const shard::v1::GetReadinessRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<v1::EvaluationReport> GetReport(
      uint32_t shard, const shard::v1::GetReportRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<shard::v1::FindEvidenceResponse> FindEvidence(
      uint32_t shard, const shard::v1::FindEvidenceRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<shard::v1::ListDecisionsResponse> ListDecisions(
      uint32_t shard, const shard::v1::ListDecisionsRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<shard::v1::ReadChangesResponse> ReadChanges(
      uint32_t shard, const shard::v1::ReadChangesRequest& request, const ShardCall& call) = 0;
  virtual absl::StatusOr<ChangeRange> GetChangeRange(uint32_t shard, const ShardCall& call) = 0;
  // Calls `listener`, which must not block, after changes of the shard until the handle goes; at times without any. May
  // be null: a server that is read-only never changes.
  virtual std::shared_ptr<void> Subscribe(uint32_t shard, std::function<void()> listener) = 0;
};

}  // namespace assay::gateway
