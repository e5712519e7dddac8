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
#include "services/aggregator/blob_sweep.h"
#include "services/aggregator/relay_step.h"
#include "services/aggregator/rows.h"
#include "services/aggregator/shard_owner.h"
#include "services/common/base/clock.h"
#include "services/common/blob/blob_store.h"
#include "services/common/log/log.h"
#include "services/common/log/work_queue.h"

namespace assay::aggregator {

// Does what RelayStep decides for one shard: work to the queue, cancels to the evaluators, erasures to the blobs, events
// to the journal; and while it owns the shard, sweeps blobs that nothing names. The thin shell around the step machines:
// one thread, no rules of its own.
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
    // Whether all who follow the shard know what this program knows. Null: there is nobody else.
    std::function<bool()> peers_know;
    // What evaluators offer now. Null: nothing is ever released by it.
    std::function<OfferedPlugins()> plugins;
    // From an append of this relay until its report. Null: nobody counts.
    std::function<void(absl::Duration)> on_append;
  };

  // What it writes to. `readiness` is the topic of published readiness; null: nothing is published.
  struct Targets {
    log::Log& journal;
    log::WorkQueue& queue;
    blob::BlobStore& blobs;
    log::Log* readiness = nullptr;
  };

  Relay(Options options, const ShardContext& context, ShardOwner& owner, const RowReader& rows, Targets targets,
        Clock& clock);
  ~Relay();

  void Start();
  void Stop();

  // The event id of its claim while that was in force when the relay last looked; empty: it is not the owner.
  std::string held_claim() const;
  // Something older landed behind what was published of that assessment: "tenant/candidate_key/assessment_key".
  void Republish(const std::string& key);

 private:
  // Shared with callbacks, which may come after the relay is gone.
  struct Inbox {
    absl::Mutex mutex;
    bool stopping ABSL_GUARDED_BY(mutex) = false;
    bool woken ABSL_GUARDED_BY(mutex) = true;
    std::vector<RelayReport> reports ABSL_GUARDED_BY(mutex);
    // No more than kMaxRepublish.
    std::vector<std::string> republish ABSL_GUARDED_BY(mutex);
    std::string held_claim ABSL_GUARDED_BY(mutex);
  };

  void Run();
  absl::StatusOr<RelayStep::Result> DoStep(RelayStep::Input input);
  void Begin(RelayOutput output);
  void Report(uint64_t id, absl::Status status, int64_t offset = -1);
  absl::Status CarryOutNow(const storage::v1::OutboxRow& row);
  // Returns when it is needed again.
  absl::Time SweepBlobs();

  const Options options_;
  const ShardContext& context_;
  ShardOwner& owner_;
  const RowReader& rows_;
  const Targets targets_;
  Clock& clock_;
  RelayStep step_;
  BlobSweep sweep_;
  // What others know and offer, as it was a little ago. Of the thread alone.
  absl::Time next_look_at_others_ = absl::InfinitePast();
  bool peers_know_ = false;
  OfferedPlugins plugins_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::unique_ptr<ShardOwner::Subscription> subscription_;
  std::thread thread_;
};

}  // namespace assay::aggregator
