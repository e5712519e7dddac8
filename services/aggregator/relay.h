// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "assay/event/v1/announcement.pb.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/relay_step.h"
#include "services/aggregator/rows.h"
#include "services/aggregator/shard_owner.h"
#include "services/common/base/clock.h"
#include "services/common/blob/blob_store.h"
#include "services/common/log/log.h"
#include "services/common/log/work_queue.h"

namespace assay::aggregator {

// Does what RelayStep decides for one shard: work to the queue, cancels to the evaluators, erasures to the blobs, events
// to the journal. The thin shell around the step machine: one thread, no rules of its own.
//
// Everything passed in must outlive it.
class Relay {
 public:
  struct Options {
    int32_t partition = 0;
    RelayStep::Options step;
    // Ends what runs of evaluations, and keeps them from running. Must not block for long.
    std::function<void(const event::v1::Cancellation& cancellation)> cancel;
    // Whether to claim the shard from whoever `meta` says holds it. Null: always.
    std::function<bool(const storage::v1::ShardMeta& meta)> may_claim;
    // Whether all who follow the shard know the rules of that version. Null: there is nobody else.
    std::function<bool(uint32_t state_version)> peers_know;
  };

  Relay(Options options, const ShardContext& context, ShardOwner& owner, const RowReader& rows, log::Log& log,
        log::WorkQueue& queue, blob::BlobStore& blobs, Clock& clock);
  ~Relay();

  void Start();
  void Stop();

  // The event id of its claim while that was in force when the relay last looked; empty: it is not the owner.
  std::string held_claim() const;

 private:
  // Shared with callbacks, which may come after the relay is gone.
  struct Inbox {
    absl::Mutex mutex;
    bool stopping ABSL_GUARDED_BY(mutex) = false;
    bool woken ABSL_GUARDED_BY(mutex) = true;
    std::vector<RelayReport> reports ABSL_GUARDED_BY(mutex);
    std::string held_claim ABSL_GUARDED_BY(mutex);
  };

  void Run();
  absl::StatusOr<RelayStep::Result> DoStep(std::vector<RelayReport> reports);
  void Begin(RelayOutput output);
  void Report(uint64_t id, absl::Status status, int64_t offset = -1);
  absl::Status CarryOutNow(const storage::v1::OutboxRow& row);
  absl::Status EraseBlobs(const storage::v1::OutboxRow::EraseBlobs& erase);

  const Options options_;
  const ShardContext& context_;
  ShardOwner& owner_;
  const RowReader& rows_;
  log::Log& log_;
  log::WorkQueue& queue_;
  blob::BlobStore& blobs_;
  Clock& clock_;
  RelayStep step_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::unique_ptr<ShardOwner::Subscription> subscription_;
  std::thread thread_;
};

}  // namespace assay::aggregator
