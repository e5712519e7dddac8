// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/aggregator/relay_outputs.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// Journals the timers of a shard that came due, once for each time they are set. A step machine: no threads, locks or
// clocks.
class TimerFiring {
 public:
  // Until `grace_end` the silence of workers means nothing: they may just not have been heard.
  explicit TimerFiring(absl::Time grace_end) : grace_end_(grace_end) {}

  // Journals what is due; `applied` is where the rows stand at least. When the next step is needed at the latest.
  absl::StatusOr<absl::Time> Step(absl::Time now, int64_t applied, const RowReader& rows, RelayOutputs& outputs);

 private:
  void Fire(const std::string& key, const storage::v1::TimerRow& row, RelayOutputs& outputs);
  bool IsFired(const std::string& key, int64_t applied) const;

  const absl::Time grace_end_;
  // When a look at the timers begins: each passes over those set and taken back since the last flush.
  absl::Time next_look_ = absl::InfinitePast();
  // Where the look goes on; empty: it begins.
  std::string from_;
  // Earliest timer not due that the look met.
  absl::Time next_due_ = absl::InfiniteFuture();
  // Journaled timers, by key, and where; -1: not known yet. Those that are not met in a whole look are gone.
  struct Fired {
    int64_t offset = -1;
    uint64_t look = 0;
  };
  std::map<std::string, Fired> fired_;
  uint64_t look_ = 0;
};

}  // namespace assay::aggregator
