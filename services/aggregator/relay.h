// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "assay/event/v1/announcement.pb.h"
#include "assay/event/v1/event.pb.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/rows.h"
#include "services/aggregator/shard_owner.h"
#include "services/common/base/clock.h"
#include "services/common/blob/blob_store.h"
#include "services/common/log/log.h"
#include "services/common/log/work_queue.h"

namespace assay::aggregator {

// Carries what a shard has to say: outbox rows to the work queue, cancels to the evaluator, erasures to the blobs; and
// journals the timers that came due. One thread; everything it does may be done twice. At start it puts all work whose
// attempt has not ended into the queue again, which on the embedded log is all the durability a queue in memory needs.
//
// Everything passed in must outlive it.
class Relay {
 public:
  struct Options {
    int32_t partition = 0;
    // Writes TimerFired and RelayCheckpoint under this name.
    std::string writer;
    // Ends what runs of evaluations, and keeps them from running. Must not block for long.
    std::function<void(const event::v1::Cancellation& cancellation)> cancel;
    // How long workers get after a start before their silence means anything.
    absl::Duration start_grace = absl::Seconds(60);
  };

  Relay(Options options, ShardOwner& owner, const RowReader& rows, log::Log& log, log::WorkQueue& queue,
        blob::BlobStore& blobs, Clock& clock);
  ~Relay();

  void Start();
  void Stop();

  // One round: delivers what is new and journals what is due; returns when the next round is needed at the latest.
  absl::StatusOr<absl::Time> Step(absl::Time now);

 private:
  // How far a lane's rows are delivered: all below `next`, and those in `ahead`.
  struct Progress {
    uint64_t next = 0;
    std::set<uint64_t> ahead;
  };
  struct Numbered {
    uint64_t sequence = 0;
    storage::v1::OutboxRow row;
  };
  void Run();
  // Makes this instance the owner in the order of the journal, once everything before is applied.
  absl::Status Claim();
  // From here on the rules of this program hold for the shard.
  absl::Status RaiseStateVersion();
  absl::Status DeliverLane(absl::string_view lane);
  // Puts all rows at once and waits for the reports: RESOURCE_EXHAUSTED and UNAVAILABLE leave those for later.
  std::vector<absl::Status> Put(const std::vector<Numbered>& rows);
  // What is no work.
  absl::Status CarryOut(const storage::v1::OutboxRow& row);
  absl::Status EraseBlobs(const storage::v1::OutboxRow::EraseBlobs& erase);
  absl::StatusOr<absl::Time> FireTimers(absl::Time now);
  absl::Status Journal(event::v1::Envelope envelope);

  const Options options_;
  ShardOwner& owner_;
  const RowReader& rows_;
  log::Log& log_;
  log::WorkQueue& queue_;
  blob::BlobStore& blobs_;
  Clock& clock_;
  absl::Time started_;
  std::unique_ptr<ShardOwner::Subscription> subscription_;
  std::thread thread_;
  // For each lane, and for what is no work.
  std::map<std::string, Progress, std::less<>> progress_;
  // When timers are looked at again: each look passes over those set and taken back since the last flush.
  absl::Time next_look_ = absl::InfinitePast();
  // Due timers journaled and not applied yet.
  std::set<std::string> fired_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = true;
};

}  // namespace assay::aggregator
