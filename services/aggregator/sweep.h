// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// What a sweep found.
struct SweepReport {
  // Where the shard stood.
  int64_t applied_offset = -1;
  // Counted from the submissions themselves.
  storage::v1::Accounting accounting;
  // Places that do not fit together: work that nothing will bring to an end, or counts that are wrong.
  uint64_t findings = 0;
  // The first of them, in words for an operator; keys and ids, nothing personal.
  std::vector<std::string> first_findings;
};

// Looks for lost work in the rows of a shard, at one moment: evaluations that nothing will bring further, timers and
// outbox rows that nobody waits for, accounts that are not what the submissions add up to. It changes nothing.
//
// Goes through the rows in steps, so that a thread with other things to do can pace it. Holds one account for each
// tenant. A shard whose rules predate accounts (see kTenantsVersion) has nothing to compare and is done at once. Not
// thread-safe; `rows` must outlive it and show one moment throughout.
class Sweep {
 public:
  explicit Sweep(const RowReader& rows) : rows_(rows) {}

  // Looks at `limit` more rows of one table; true when all are done.
  absl::StatusOr<bool> Step(size_t limit);
  const SweepReport& report() const { return report_; }

 private:
  enum class Phase { kBegin, kSubmissions, kTimers, kOutbox, kTenants, kDone };
  using EvaluationRow = storage::v1::EvaluationRow;

  absl::Status Begin();
  absl::Status LookAt(const store::Row& row);
  absl::Status LookAtSubmission(const store::Row& row);
  absl::Status LookAtEvaluation(const std::string& key, const EvaluationRow& row,
                                const std::vector<const EvaluationRow*>& others);
  absl::Status LookAtAttempt(const std::string& key, const EvaluationRow& row);
  absl::Status LookAtTimer(const store::Row& row);
  absl::Status LookAtOutbox(const store::Row& row);
  absl::Status LookAtTenant(const store::Row& row);
  void End();
  absl::Status ExpectRow(absl::string_view table, const std::string& key, const std::string& evaluation,
                         absl::string_view what);
  void Find(std::string finding);

  const RowReader& rows_;
  Phase phase_ = Phase::kBegin;
  std::string from_;
  storage::v1::ShardMeta meta_;
  // What the submissions add up to.
  std::map<std::string, storage::v1::TenantRow> counted_;
  storage::v1::ShardMeta counted_meta_;
  SweepReport report_;
};

}  // namespace assay::aggregator
