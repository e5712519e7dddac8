// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/dispatch_plan.h"
#include "services/aggregator/relay_outputs.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// Delivers the outbox of a shard since the moment it was made: every row once, and again when that failed or nobody
// knows. What is no work comes first in every step, so that what a cancel ends is told before what follows it is
// started; work goes as DispatchPlan orders it. A lane that is full holds up itself alone. A shard whose rules predate
// kTenantsVersion has no outbox that is read here: its owner moves it on first. A step machine: no threads, locks or
// clocks.
class OutboxDelivery {
 public:
  // How much work of a lane may be put and not ended.
  using Credit = std::function<size_t(absl::string_view lane)>;

  // With `queue_survives`, work whose attempt was started is left alone: whoever has it will say so, or its timers will.
  // A queue in memory gets it again.
  OutboxDelivery(bool queue_survives, Credit credit) : queue_survives_(queue_survives), credit_(std::move(credit)) {}

  // Sends what can be sent; `meta` is not newer than `rows`. When the next step is needed at the latest.
  absl::StatusOr<absl::Time> Step(absl::Time now, const storage::v1::ShardMeta& meta, const RowReader& rows,
                                  RelayOutputs& outputs);

 private:
  struct Lane {
    std::string name;
    DispatchPlan plan;
    // It was full: not again before this.
    absl::Time not_before = absl::InfinitePast();
  };
  struct Undelivered {
    bool is_sent = false;
    // It failed before; not again before this.
    absl::Time not_before = absl::InfinitePast();
    storage::v1::OutboxRow row;
  };

  // Tells the plans whose tenants have news.
  absl::Status FollowChanges(const storage::v1::ShardMeta& meta, const RowReader& rows);
  absl::StatusOr<absl::Time> SendWork(absl::Time now, const RowReader& rows, Lane& lane, RelayOutputs& outputs);
  absl::StatusOr<bool> IsStarted(const event::v1::Work& work, const RowReader& rows) const;
  absl::Status LookForMessages(const RowReader& rows);
  absl::Time SendMessages(absl::Time now, RelayOutputs& outputs);
  // Says in the journal what was delivered that is no work.
  absl::Time Checkpoint(absl::Time now, RelayOutputs& outputs);

  const bool queue_survives_;
  const Credit credit_;
  absl::Time now_;
  Lane lanes_[2] = {{"fast", DispatchPlan("fast")}, {"slow", DispatchPlan("slow")}};
  // Of the feed of changes; the plans know all before it. Unset: they know nothing.
  std::optional<uint64_t> next_change_;
  // Messages before this number were looked at; those of them that are not delivered, by number.
  uint64_t next_message_ = 0;
  std::map<uint64_t, Undelivered> messages_;
  // Every message below is delivered; and what the journal knows of it.
  uint64_t delivered_ = 0;
  uint64_t checkpointed_ = 0;
  bool is_checkpointing_ = false;
  absl::Time next_checkpoint_ = absl::InfinitePast();
};

}  // namespace assay::aggregator
