// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "assay/storage/v1/shard_state.pb.h"

namespace assay::aggregator {

// What one submission amounts to in the accounts of its tenant and in the lanes of its shard.
struct Standing {
  enum class Account { kNone, kInFlight, kPublished, kFailed };
  struct Lane {
    uint64_t waiting = 0;
    uint64_t running = 0;
    // Rows in the outbox.
    uint64_t rows = 0;
  };
  Account account = Account::kNone;
  // Only lanes in which it has something.
  std::map<std::string, Lane> lanes;
};

// Where a submission in that state is counted.
Standing::Account AccountOf(v1::Submission::State state);

Standing StandingOf(v1::Submission::State state, const std::vector<const storage::v1::EvaluationRow*>& evaluations);

// Books a submission's step from `before` to `after` at `time`, for its tenant and for the shard. Whatever comes out of
// kNone is newly accepted. True when the tenant's row changed. Pure.
bool Book(const Standing& before, const Standing& after, absl::Time time, storage::v1::TenantRow& tenant,
          storage::v1::ShardMeta& meta);

// accepted = published + failed + in_flight.
bool Holds(const storage::v1::Accounting& accounting);

// Why the tenant's quota refuses one more submission in flight, and one more on the day of `time` when `is_new`; empty:
// it does not. Without a quota nothing is refused.
std::string QuotaRefusal(const storage::v1::TenantRow& tenant, bool is_new, absl::Time time);
// Counts a submission that was not refused.
void CountOnDay(absl::Time time, storage::v1::TenantRow& tenant);

}  // namespace assay::aggregator
