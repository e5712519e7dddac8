// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/gateway/shards.h"

namespace assay::gateway {

struct AdmissionLimits {
  // Submissions of a tenant in the long run; after a pause two seconds' worth may come at once. One account of it has
  // half of that, so that none uses up what all of them have.
  double submissions_per_second = 20'000;
  // Tenants with a rate of their own.
  std::map<std::string, double, std::less<>> submissions_per_second_of_tenant;
  // A record that the journal has not reported for so long means that it takes none at the moment.
  absl::Duration journal_patience = absl::Milliseconds(500);
  // How far behind a shard may be.
  absl::Duration max_lag = absl::Seconds(30);
  // Evaluations of a shard that wait for room in the work queue.
  uint64_t max_waiting_work = 20'000;
};

// Whether new work is taken in, decided from what was observed; the time is passed in. Refusals carry RetryInfo and
// change nothing. Bounded: an account that is full again is forgotten. Not thread-safe.
class Admission {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(std::move(limits)) {}

  // Takes `count` submissions off the accounts of the caller. RESOURCE_EXHAUSTED: they come too fast. More than a whole
  // burst at once is let in from a full account, and paid off afterwards.
  absl::Status Submit(absl::string_view tenant, absl::string_view principal, size_t count, absl::Time now);
  // UNAVAILABLE: the oldest record that was not reported is `oldest_unreported` old, so another one would only wait.
  absl::Status CheckJournal(absl::Duration oldest_unreported) const;
  // RESOURCE_EXHAUSTED: the shard, whose pressure is this now, is too far behind or has too much work waiting.
  absl::Status CheckShard(uint32_t shard, const ShardPressure& pressure, absl::Time now);

 private:
  // Tokens come back with time.
  struct Rate {
    double per_second = 0;
    double burst = 0;
  };
  struct Bucket {
    double tokens = 0;
    absl::Time filled;
  };
  // Where the journal ended when, to tell how old the oldest record is that a shard has not applied. Oldest first.
  struct End {
    absl::Time seen;
    int64_t offset = 0;
  };

  double RateOf(absl::string_view tenant) const;
  Bucket& Fill(const std::string& account, const Rate& rate, absl::Time now);
  void ForgetFullBuckets(absl::Time now);

  const AdmissionLimits limits_;
  absl::flat_hash_map<std::string, Bucket> buckets_;
  absl::flat_hash_map<uint32_t, std::deque<End>> ends_;
};

// Admission at the door, over what the journal and the shards say at the moment. Thread-safe; what is passed in must
// outlive it.
class AdmissionGate {
 public:
  // `oldest_unreported` is the journal's.
  AdmissionGate(AdmissionLimits limits, Shards& shards, std::function<absl::Duration()> oldest_unreported, Clock& clock)
      : shards_(shards), oldest_unreported_(std::move(oldest_unreported)), clock_(clock), admission_(std::move(limits)) {}

  // For whatever is journaled. Errors: see Admission.
  absl::Status CheckJournal() const;
  // For `count` submissions of a caller, before anything is looked at.
  absl::Status Submit(absl::string_view tenant, absl::string_view principal, size_t count);
  // For one submission, once its shard is known.
  absl::Status CheckShard(uint32_t shard);

 private:
  Shards& shards_;
  const std::function<absl::Duration()> oldest_unreported_;
  Clock& clock_;
  mutable absl::Mutex mutex_;
  Admission admission_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::gateway
