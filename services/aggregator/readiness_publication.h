// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/relay_outputs.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// Publishes the readiness of a shard: for every change since ShardMeta.published_changes the value as it is now, once for
// all changes of an assessment that are looked at together, and then journals how far it is. When the feed of changes no
// longer reaches back that far, everything is published. A step machine: no threads, locks or clocks.
class ReadinessPublication {
 public:
  explicit ReadinessPublication(uint32_t shard) : shard_(shard) {}

  // Publishes what is next; `meta` is as new as `rows` at most. When the next step is needed at the latest.
  absl::StatusOr<absl::Time> Step(absl::Time now, const storage::v1::ShardMeta& meta, const RowReader& rows,
                                  RelayOutputs& outputs);

  // Publishes the readiness of that assessment again: "tenant/candidate_key/assessment_key".
  void Republish(const std::string& key);

 private:
  // Fills `due_` with what comes next.
  absl::Status Collect(const storage::v1::ShardMeta& meta, const RowReader& rows);
  absl::Status CollectChanges(const storage::v1::ShardMeta& meta, const RowReader& rows);
  absl::Status CollectEverything(const RowReader& rows);
  absl::Status Publish(const std::string& key, uint64_t epoch, const RowReader& rows, RelayOutputs& outputs);
  void Checkpoint(absl::Time now, RelayOutputs& outputs);

  const uint32_t shard_;
  absl::Time now_;
  bool has_begun_ = false;
  // Changes below this one were looked at; when nothing is due or sent any more, they are published.
  uint64_t next_change_ = 0;
  // Everything is being published, from this row on; then the feed is followed from `next_change_` on.
  bool is_everything_ = false;
  std::string from_;
  // Keys of assessments.
  std::set<std::string> due_;
  std::set<std::string> sent_;
  // After a failure.
  absl::Time not_before_ = absl::InfinitePast();
  uint64_t checkpointed_ = 0;
  absl::Time next_checkpoint_ = absl::InfinitePast();
};

}  // namespace assay::aggregator
