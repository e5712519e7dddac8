// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/relay_outputs.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// Delivers the outbox of a shard since the moment it was made: every row once, and again when that failed or nobody
// knows. What is no work comes first in every step, so that what a cancel ends is told before what follows it is
// started. A lane that is full holds up itself alone. A step machine: no threads, locks or clocks.
class OutboxDelivery {
 public:
  // With `queue_survives`, work whose attempt was started is left alone: whoever has it will say so, or its timers will.
  // A queue in memory gets it again.
  explicit OutboxDelivery(bool queue_survives) : queue_survives_(queue_survives) {}

  // Sends what can be sent; `applied` tells whether there can be news. When the next step is needed at the latest.
  absl::StatusOr<absl::Time> Step(absl::Time now, int64_t applied, const RowReader& rows, RelayOutputs& outputs);

 private:
  struct Undelivered {
    bool is_sent = false;
    // It failed before; not again before this.
    absl::Time not_before = absl::InfinitePast();
    storage::v1::OutboxRow row;
  };
  struct Lane {
    // Rows before this key were looked at.
    std::string from;
    int64_t applied = -2;
    bool has_more = false;
    // Looked at and not delivered.
    std::map<std::string, Undelivered> rows;
  };

  absl::Status Look(absl::string_view name, int64_t applied, const RowReader& rows, Lane& lane);
  absl::StatusOr<bool> IsStarted(const event::v1::Work& work, const RowReader& rows) const;
  absl::StatusOr<absl::Time> SendLane(absl::Time now, const RowReader& rows, Lane& lane, RelayOutputs& outputs);
  // Says in the journal what was delivered that is no work.
  absl::Time Checkpoint(absl::Time now, RelayOutputs& outputs);

  const bool queue_survives_;
  absl::Time now_;
  // By name; "" is what is no work.
  std::map<std::string, Lane, std::less<>> lanes_;
  // Everything below that is no work is delivered; and what the journal knows of it.
  uint64_t delivered_ = 0;
  uint64_t checkpointed_ = 0;
  bool is_checkpointing_ = false;
  absl::Time next_checkpoint_ = absl::InfinitePast();
};

}  // namespace assay::aggregator
