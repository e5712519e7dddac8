// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "assay/event/v1/event.pb.h"
#include "services/common/base/clock.h"
#include "services/common/log/log.h"
#include "services/gateway/tokens.h"

namespace assay::gateway {

// Writes facts and answers only when they are durable. Thread-safe; log and clock must outlive it.
class Journal {
 public:
  Journal(log::Log& log, Clock& clock, std::string instance)
      : log_(log), clock_(clock), instance_(std::move(instance)), last_offsets_(log.partitions(), -1) {}

  // Where the record stands, shortly before `deadline` at the latest. UNAVAILABLE: the outcome is unknown, the same
  // request is safe to send again. RESOURCE_EXHAUSTED: the queue is full, nothing was written. INVALID_ARGUMENT: larger
  // than a record may be. FAILED_PRECONDITION: the journal cannot be written. Stamps schema, time, writer, and a trace
  // id where the call had none; tenant and candidate_key choose the partition.
  absl::StatusOr<ReadToken> Write(event::v1::Envelope envelope, absl::Time deadline);
  // The same for several at once: one wait for all of them, answers in their order.
  std::vector<absl::StatusOr<ReadToken>> WriteAll(std::vector<event::v1::Envelope> envelopes, absl::Time deadline);

  // Of the shard's records that were written here and reported durable, the highest; -1: none since the start.
  int64_t LastOffset(uint32_t shard) const;

  uint32_t ShardOf(absl::string_view tenant, absl::string_view candidate_key) const;
  std::string identity() const { return log_.identity(); }

 private:
  log::Log& log_;
  Clock& clock_;
  const std::string instance_;
  mutable absl::Mutex mutex_;
  std::vector<int64_t> last_offsets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::gateway
