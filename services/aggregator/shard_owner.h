// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/aggregator/shard.h"
#include "services/common/base/clock.h"
#include "services/common/log/log.h"
#include "services/common/log/log_witness.h"
#include "services/common/store/store.h"

namespace assay::aggregator {

// Follows one partition of the journal and applies it to the shard's store, in groups of what arrived meanwhile. The
// thin shell around the step machine: one thread, no rules of its own. After a failed write it stops: reads go on with
// what is there, health() says why, and a restart heals it.
//
// Thread-safe. The log, store and clock must outlive it.
class ShardOwner {
 public:
  struct Options {
    int32_t partition = 0;
    ShardContext context;
    // File that says how far the shard was written, apart from its store; empty: none. See witnessed loss below.
    std::string witness_path;
    // After each group, from the owner's thread: its records, and how long their synced write took. Null: nobody counts.
    std::function<void(size_t records, absl::Duration write)> on_group;
  };

  // Checks that the store's state came from this very log and is not ahead of it. A state that fell back behind its
  // witness (its write-ahead log was damaged, and cut there in silence) is logged, counted, and mended by applying the
  // records again. FAILED_PRECONDITION: another log, a
  // log that lost records, or a state newer than this program. OUT_OF_RANGE: the log no longer reaches back to the state.
  static absl::StatusOr<std::unique_ptr<ShardOwner>> Create(Options options, log::Log& log, store::Store& store,
                                                            Clock& clock);
  ~ShardOwner();

  void Start();
  // Ends the thread after the group it works on. Called once.
  void Stop();

  // Where the shard stands after the last group.
  struct Standing {
    // Of the last record applied; -1 before the first.
    int64_t applied = -1;
    // The claim in force: where it stands, its event id, and the instance that made it.
    uint64_t epoch = 0;
    std::string claim_id;
    std::string owner;
  };
  Standing standing() const;
  int64_t applied() const;
  // Records that had been written, and were gone when the store was opened.
  int64_t rolled_back() const { return rolled_back_; }
  absl::Status health() const;
  // Waits until `offset` is applied. DEADLINE_EXCEEDED: not yet; else the reason why it never will be.
  absl::Status WaitForApplied(int64_t offset, absl::Time deadline) const;

  // Calls `listener` after every group, from the owner's thread; it must not block. Ends when the handle goes.
  class Subscription {
   public:
    Subscription(ShardOwner& owner, uint64_t id) : owner_(owner), id_(id) {}
    ~Subscription();

   private:
    ShardOwner& owner_;
    const uint64_t id_;
  };
  std::unique_ptr<Subscription> Subscribe(std::function<void()> listener);

 private:
  ShardOwner(Options options, store::Store& store, Clock& clock, std::unique_ptr<log::Reader> reader,
             std::unique_ptr<log::LogWitness> witness, const storage::v1::ShardMeta& meta);
  // Compares the state with the witness; how many records it lost.
  static int64_t CountLoss(const Options& options, const log::LogWitness* witness, const storage::v1::ShardMeta& meta);
  static Standing StandingOf(const storage::v1::ShardMeta& meta);
  static absl::Status CheckLog(const Options& options, log::Log& log, const storage::v1::ShardMeta& meta);
  void Run();
  absl::Status ApplyNext();

  const Options options_;
  store::Store& store_;
  Clock& clock_;
  const std::unique_ptr<log::Reader> reader_;
  const std::unique_ptr<log::LogWitness> witness_;
  const int64_t rolled_back_;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  Standing standing_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);

  // Held while listeners are called, so that a subscription that is gone is never called again.
  absl::Mutex listeners_mutex_;
  uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mutex_) = 0;
  std::map<uint64_t, std::function<void()>> listeners_ ABSL_GUARDED_BY(listeners_mutex_);
};

}  // namespace assay::aggregator
