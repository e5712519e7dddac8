// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/relay.h"
#include "services/aggregator/shard_owner.h"
#include "services/common/base/file.h"
#include "services/common/store/rocks_store.h"

namespace assay::aggregator {

// In the order of their start; destroyed backwards.
struct Server::Shard {
  ShardContext context;
  std::unique_ptr<store::RocksStore> store;
  std::unique_ptr<StoreRows> rows;
  std::unique_ptr<ShardReads> reads;
  std::unique_ptr<ShardOwner> owner;
  std::unique_ptr<Relay> relay;
};

Server::Server(Options options, log::Log* log, blob::BlobStore& blobs, Clock& clock)
    : options_(std::move(options)), log_(log), blobs_(blobs), clock_(clock), domain_(options_.frameworks) {}

Server::~Server() { Stop(); }

absl::StatusOr<std::unique_ptr<Server>> Server::Create(Options options, log::Log* log, log::WorkQueue* queue,
                                                       blob::BlobStore& blobs, Clock& clock) {
  const uint32_t shards = options.shards;
  if (log != nullptr && static_cast<uint32_t>(log->partitions()) != shards) {
    return absl::FailedPreconditionError(
        absl::StrCat("the journal has ", log->partitions(), " partitions, the configuration says ", shards));
  }
  std::unique_ptr<Server> server(new Server(std::move(options), log, blobs, clock));
  for (uint32_t index = 0; index < shards; ++index) ASSAY_RETURN_IF_ERROR(server->OpenShard(index, queue));
  return server;
}

absl::Status Server::OpenShard(uint32_t index, log::WorkQueue* queue) {
  auto shard = std::make_unique<Shard>();
  shard->context.domain = &domain_;
  shard->context.capability_key = options_.capability_key;
  shard->context.partitions = options_.shards;
  if (log_ != nullptr) shard->context.log_identity = log_->identity();

  store::RocksStoreOptions store_options;
  store_options.path = absl::StrCat(options_.directory, "/", index);
  store_options.read_only = options_.read_only;
  for (const store::Table& table : ShardTables()) store_options.tables.push_back({table, 0});
  if (!options_.read_only) ASSAY_RETURN_IF_ERROR(MakeDirectories(store_options.path));
  ASSAY_ASSIGN_OR_RETURN(shard->store, store::RocksStore::Open(std::move(store_options)));
  shard->rows = std::make_unique<StoreRows>(*shard->store);
  shard->reads = std::make_unique<ShardReads>(index, *shard->rows, blobs_, domain_);
  if (!options_.read_only) {
    ASSAY_ASSIGN_OR_RETURN(
        shard->owner,
        ShardOwner::Create({static_cast<int32_t>(index), shard->context}, *log_, *shard->store, clock_));
    Relay::Options relay;
    relay.partition = static_cast<int32_t>(index);
    relay.writer = options_.instance;
    relay.cancel = options_.cancel;
    shard->relay =
        std::make_unique<Relay>(std::move(relay), *shard->owner, *shard->rows, *log_, *queue, blobs_, clock_);
  }
  shards_.push_back(std::move(shard));
  return absl::OkStatus();
}

void Server::Start() {
  for (const auto& shard : shards_) {
    if (shard->owner == nullptr) continue;
    shard->owner->Start();
    shard->relay->Start();
  }
}

void Server::Stop() {
  for (const auto& shard : shards_) {
    if (shard->relay != nullptr) shard->relay->Stop();
  }
  for (const auto& shard : shards_) {
    if (shard->owner != nullptr) shard->owner->Stop();
  }
}

absl::Status Server::health() const {
  for (const auto& shard : shards_) {
    if (shard->owner == nullptr) continue;
    // The store knows why a write failed.
    ASSAY_RETURN_IF_ERROR(shard->store->health());
    ASSAY_RETURN_IF_ERROR(shard->owner->health());
  }
  return absl::OkStatus();
}

uint64_t Server::lag() const {
  uint64_t lag = 0;
  for (uint32_t index = 0; log_ != nullptr && index < shards(); ++index) {
    const absl::StatusOr<log::Offset> end = log_->EndOffset(static_cast<int32_t>(index));
    const int64_t applied = shards_[index]->owner->applied();
    if (end.ok() && *end > applied + 1) lag += static_cast<uint64_t>(*end - applied - 1);
  }
  return lag;
}

absl::StatusOr<const ShardReads*> Server::Read(uint32_t shard, int64_t wait_for_offset, absl::Time deadline) const {
  if (shard >= shards_.size()) return absl::InvalidArgumentError(absl::StrCat("there is no shard ", shard));
  const Shard& found = *shards_[shard];
  if (wait_for_offset >= 0 && found.owner != nullptr) {
    const absl::Status applied = found.owner->WaitForApplied(wait_for_offset, deadline);
    if (!applied.ok()) return absl::UnavailableError(applied.message());
  }
  return found.reads.get();
}

std::shared_ptr<void> Server::Subscribe(uint32_t shard, std::function<void()> listener) {
  if (shard >= shards_.size() || shards_[shard]->owner == nullptr) return nullptr;
  return std::shared_ptr<ShardOwner::Subscription>(shards_[shard]->owner->Subscribe(std::move(listener)));
}

absl::StatusOr<std::string> Server::StateHash(uint32_t shard) const {
  return shards_.at(shard)->store->StateHash(ShardTables());
}

absl::StatusOr<storage::v1::ShardMeta> Server::Meta(uint32_t shard) const {
  return ReadMeta(shards_.at(shard)->context, *shards_.at(shard)->rows);
}

}  // namespace assay::aggregator
