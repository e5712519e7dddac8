// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/aggregator/domain.h"
#include "services/aggregator/rows.h"
#include "services/common/log/log.h"

namespace assay::aggregator {

// Version of the rules below. A state written by a greater one is refused; records that stand before the StateVersion
// of a greater one are applied by the rules of their time. What each version changed:
// 2: a cancel names its evaluations; tenants have accounts, quotas and queues of their own in the outbox; requests of
//    submissions are forgotten after 30 days; a request_id is honoured by every change, with its content; why a
//    submission was withdrawn is kept with what is personal; an erasure is told to those who watch readiness.
inline constexpr uint32_t kStateVersion = 2;
inline constexpr uint32_t kTenantsVersion = 2;
// How long a request is remembered with its content.
inline constexpr absl::Duration kRequestLife = absl::Hours(24 * 30);
// Steps a shard remembers for those who watch.
inline constexpr uint64_t kChangeHistory = 20'000;

// What applying depends on besides state and event. Constant for the life of the data.
struct ShardContext {
  const Domain* domain = nullptr;
  // Secret that work carries and results must show.
  std::string capability_key;
  std::string log_identity;
  uint32_t partitions = 0;
};

// The shard as a step machine: state and one record in, changed rows out. No clock, randomness, I/O or unordered
// iteration, so the same records give the same bytes wherever and however often they are applied, and however they are
// grouped. What an event's subject does not allow is counted and ignored.
//
// FAILED_PRECONDITION: the record needs something this program does not have (a framework, newer rules, another log);
// nothing of it may be written. DATA_LOSS: a row cannot be read.
absl::Status ApplyRecord(const ShardContext& context, const log::Record& record, RowChanges& rows,
                         storage::v1::ShardMeta& meta);

// Applies records that follow each other, as one batch with state, indexes, outbox, audit leaves and position.
absl::StatusOr<store::Batch> ApplyGroup(const ShardContext& context, const RowReader& rows,
                                        absl::Span<const log::Record> records);

// Where the shard stands; for an empty store: before the first record of the context's log.
absl::StatusOr<storage::v1::ShardMeta> ReadMeta(const ShardContext& context, const RowReader& rows);

// The one place where a submission's state comes from.
v1::Submission::State DeriveState(const storage::v1::SubmissionRow& submission,
                                  const std::vector<const storage::v1::EvaluationRow*>& evaluations);

// True for states that only a release or a rerun leaves.
bool HasEnded(v1::Evaluation::State state);

}  // namespace assay::aggregator
