// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "assay/event/v1/announcement.pb.h"
#include "assay/event/v1/readiness_published.pb.h"
#include "services/aggregator/catalog_domain.h"
#include "services/aggregator/quotas.h"
#include "services/aggregator/shard_reads.h"
#include "services/aggregator/sweeper.h"
#include "services/common/base/clock.h"
#include "services/common/blob/blob_store.h"
#include "services/common/log/log.h"
#include "services/common/log/work_queue.h"

namespace assay::store {
class StoreMemory;
}

namespace assay::aggregator {

// Follows all shards of a journal: applies them, answers reads, and for those it owns dispatches work and keeps timers.
// Thread-safe.
class Server {
 public:
  struct Options {
    // One folder for each shard is made in it.
    std::string directory;
    uint32_t shards = 4;
    // Answers reads from what is on disk; follows no journal.
    bool read_only = false;
    // Names this process in what it journals.
    std::string instance;
    // Secret of this data folder: work carries a MAC made with it. Never changes.
    std::string capability_key;
    std::vector<std::shared_ptr<const readiness::CompiledFramework>> frameworks;
    // Ends what runs of evaluations, and keeps them from running. Must not block for long.
    std::function<void(const event::v1::Cancellation& cancellation)> cancel;
    // The queue keeps what was put into it, whatever happens to this process.
    bool queue_survives = false;
    // What other aggregators mean for this one; as in Relay::Options. Null: there are none.
    std::function<bool(uint32_t shard, const storage::v1::ShardMeta& meta)> may_claim;
    std::function<bool()> peers_know;
    // In each shard.
    Quotas quotas;
    // Work of a lane that each shard may have handed out and not ended. Null: 64.
    std::function<size_t(absl::string_view lane)> credit;
    Sweeper::Options sweeper;
    // Evaluator → digest of the plugin that is offered for it now. Null: nothing that was parked for want of one is
    // released.
    std::function<std::map<std::string, std::string>()> plugins;
    // For metrics; called from threads of the shards, and must not block. Null: nobody counts.
    std::function<void(size_t records, absl::Duration write)> on_group;
    std::function<void(absl::Duration append)> on_append;
  };

  // What the shards are built over; everything outlives the server.
  struct Dependencies {
    // Both null when read_only.
    log::Log* journal;
    log::WorkQueue* queue;
    blob::BlobStore& blobs;
    // The topic of published readiness; null: nothing is published.
    log::Log* readiness = nullptr;
    Clock& clock;
  };

  // Opens the stores. Errors name the shard: see ShardOwner::Create and RocksStore::Open.
  static absl::StatusOr<std::unique_ptr<Server>> Create(Options options, const Dependencies& dependencies);
  ~Server();

  void Start();
  // Ends the threads: nothing is applied or dispatched any more. Reads go on until destruction. Called once.
  void Stop();

  uint32_t shards() const { return static_cast<uint32_t>(shards_.size()); }
  // OK while every shard applies what is journaled; else why one does not.
  absl::Status health() const;
  // The sum of LagOf() over all shards.
  uint64_t lag() const;

  // Reads of one shard once `wait_for_offset` is applied (-1: at once). UNAVAILABLE: not within `deadline`.
  absl::StatusOr<const ShardReads*> Read(uint32_t shard, int64_t wait_for_offset, absl::Time deadline) const;
  // Reads that see every record acknowledged before the call: once all of them are applied, and the claim of this
  // process was in force after the last. FAILED_PRECONDITION: it is not. UNAVAILABLE: not within `deadline`, the
  // journal cannot be asked, or a process that is alone has not claimed the shard yet.
  absl::StatusOr<const ShardReads*> ReadStrongly(uint32_t shard, absl::Time deadline) const;
  // Whether the claim in force is of this very process, as far as the shard has applied.
  bool Owns(uint32_t shard) const;
  // Instance that holds the claim in force; empty: nobody ever did.
  std::string OwnerOf(uint32_t shard) const;
  // Records journaled and not applied yet, as LookAtLag() saw it last.
  uint64_t LagOf(uint32_t shard) const;
  // Asks the journal where its partitions end; blocks as long as that takes.
  void LookAtLag();
  // A record of the topic of published readiness: an owner publishes again what an older one put behind its own.
  void SeePublished(const event::v1::ReadinessPublished& published);
  // Records that had been written, and were gone when the shards were opened.
  int64_t rolled_back() const;
  // How the replicas here stand, by number; without hashes.
  std::vector<event::v1::ShardReplica> Replicas() const;
  // Calls `listener` after changes of a shard, from its thread, until the handle goes. Null for a server that is
  // read-only: nothing ever changes.
  std::shared_ptr<void> Subscribe(uint32_t shard, std::function<void()> listener);

  // SHA-256 over all rows of a shard: equal for equal journals.
  absl::StatusOr<std::string> StateHash(uint32_t shard) const;
  // The same with the offset it holds for. ABORTED: records were applied all the time.
  struct HashedState {
    std::string hash;
    int64_t applied = -1;
  };
  absl::StatusOr<HashedState> HashState(uint32_t shard) const;
  // Counters of a shard, for metrics.
  absl::StatusOr<storage::v1::ShardMeta> Meta(uint32_t shard) const;
  // Where the submissions of a shard stand, and what its last sweep found: nothing, or there is something to mend.
  struct Accounts {
    storage::v1::Accounting accounting;
    // The account adds up, and no sweep found one that does not.
    bool holds = false;
    // Unset: no sweep has ended yet.
    std::optional<Sweeper::Outcome> sweep;
  };
  absl::StatusOr<Accounts> AccountsOf(uint32_t shard) const;
  const RowReader& rows(uint32_t shard) const;

 private:
  struct Shard;
  Server(Options options, const Dependencies& dependencies);
  absl::Status OpenShard(uint32_t index);
  void MakeSweeper();

  const Options options_;
  const Dependencies uses_;
  const CatalogDomain domain_;
  // Null: each store has its own.
  const std::shared_ptr<store::StoreMemory> memory_;
  std::vector<std::unique_ptr<Shard>> shards_;
  // Null when read_only.
  std::unique_ptr<Sweeper> sweeper_;
};

}  // namespace assay::aggregator
