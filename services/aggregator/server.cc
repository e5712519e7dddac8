// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/server.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/accounting.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/relay.h"
#include "services/aggregator/shard_owner.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/store/rocks_store.h"

namespace assay::aggregator {
namespace {

// Of one shard, in its store's folder.
constexpr absl::string_view kWitnessName = "witness";
// So many shards at most have memory of their own; more share a fixed amount.
constexpr uint32_t kSharesOfMemory = 4;
constexpr size_t kCacheBytes = 256 << 20;
constexpr size_t kWriteBufferBytes = 128 << 20;

Relay::Options RelayOptions(const Server::Options& options, uint32_t index, bool publishes) {
  Relay::Options relay;
  relay.partition = static_cast<int32_t>(index);
  relay.step.instance = options.instance;
  relay.step.nonce = RandomBytes(16);
  relay.step.queue_survives = options.queue_survives;
  relay.step.quotas = options.quotas;
  if (options.credit) relay.step.credit = options.credit;
  relay.cancel = options.cancel;
  relay.step.shard = index;
  relay.step.publishes = publishes;
  for (const auto& framework : options.frameworks) relay.step.catalog.push_back(framework->digest_text());
  std::sort(relay.step.catalog.begin(), relay.step.catalog.end());
  relay.peers_know = options.peers_know;
  relay.plugins = options.plugins;
  relay.on_append = options.on_append;
  if (options.may_claim) {
    relay.may_claim = [may_claim = options.may_claim, index](const storage::v1::ShardMeta& meta) {
      return may_claim(index, meta);
    };
  }
  return relay;
}

// The rows of a shard at the moment it was made.
class SnapshotRows final : public RowReader {
 public:
  explicit SnapshotRows(store::RocksStore& store) : snapshot_(store.TakeSnapshot()) {}
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view table, absl::string_view key) const override {
    absl::StatusOr<std::string> value = snapshot_->Get(table, key);
    if (absl::IsNotFound(value.status())) return std::optional<std::string>();
    if (!value.ok()) return value.status();
    return std::optional<std::string>(*std::move(value));
  }
  absl::StatusOr<std::vector<store::Row>> Scan(absl::string_view table, absl::string_view prefix,
                                               absl::string_view start, size_t limit) const override {
    return snapshot_->Scan(table, prefix, start, limit);
  }

 private:
  const std::unique_ptr<store::RocksSnapshot> snapshot_;
};

}  // namespace

// In the order of their start; destroyed backwards.
struct Server::Shard {
  ShardContext context;
  std::unique_ptr<store::RocksStore> store;
  std::unique_ptr<StoreRows> rows;
  std::unique_ptr<ShardReads> reads;
  std::unique_ptr<ShardOwner> owner;
  std::unique_ptr<Relay> relay;
  std::atomic<uint64_t> lag = 0;
};

Server::Server(Options options, const Dependencies& dependencies)
    : options_(std::move(options)),
      uses_(dependencies),
      domain_(options_.frameworks),
      memory_(options_.shards > kSharesOfMemory ? store::StoreMemory::Create(kCacheBytes, kWriteBufferBytes) : nullptr) {}

Server::~Server() { Stop(); }

absl::StatusOr<std::unique_ptr<Server>> Server::Create(Options options, const Dependencies& dependencies) {
  const uint32_t shards = options.shards;
  const log::Log* const journal = dependencies.journal;
  if (journal != nullptr && static_cast<uint32_t>(journal->partitions()) != shards) {
    return absl::FailedPreconditionError(
        absl::StrCat("the journal has ", journal->partitions(), " partitions, the configuration says ", shards));
  }
  std::unique_ptr<Server> server(new Server(std::move(options), dependencies));
  for (uint32_t index = 0; index < shards; ++index) ASSAY_RETURN_IF_ERROR(server->OpenShard(index));
  if (!server->options_.read_only) server->MakeSweeper();
  return server;
}

absl::Status Server::OpenShard(uint32_t index) {
  auto shard = std::make_unique<Shard>();
  shard->context.domain = &domain_;
  shard->context.capability_key = options_.capability_key;
  shard->context.partitions = options_.shards;
  if (uses_.journal != nullptr) shard->context.log_identity = uses_.journal->identity();

  store::RocksStoreOptions store_options;
  store_options.path = absl::StrCat(options_.directory, "/", index);
  store_options.read_only = options_.read_only;
  store_options.memory = memory_;
  for (const store::Table& table : ShardTables()) store_options.tables.push_back({table, 0});
  if (!options_.read_only) ASSAY_RETURN_IF_ERROR(MakeDirectories(store_options.path));
  ASSAY_ASSIGN_OR_RETURN(shard->store, store::RocksStore::Open(std::move(store_options)));
  shard->rows = std::make_unique<StoreRows>(*shard->store);
  shard->reads = std::make_unique<ShardReads>(index, *shard->rows, uses_.blobs, domain_);
  if (!options_.read_only) {
    ShardOwner::Options owner;
    owner.partition = static_cast<int32_t>(index);
    owner.context = shard->context;
    owner.witness_path = absl::StrCat(options_.directory, "/", index, "/", kWitnessName);
    owner.on_group = options_.on_group;
    ASSAY_ASSIGN_OR_RETURN(shard->owner,
                           ShardOwner::Create(std::move(owner), *uses_.journal, *shard->store, uses_.clock));
    shard->relay = std::make_unique<Relay>(
        RelayOptions(options_, index, uses_.readiness != nullptr), shard->context, *shard->owner, *shard->rows,
        Relay::Targets{*uses_.journal, *uses_.queue, uses_.blobs, uses_.readiness}, uses_.clock);
  }
  shards_.push_back(std::move(shard));
  return absl::OkStatus();
}

void Server::MakeSweeper() {
  std::vector<Sweeper::Snapshot> snapshots;
  for (const auto& shard : shards_) {
    snapshots.push_back([store = shard->store.get()] { return std::make_unique<SnapshotRows>(*store); });
  }
  sweeper_ = std::make_unique<Sweeper>(options_.sweeper, std::move(snapshots), uses_.clock);
}

void Server::Start() {
  if (sweeper_ != nullptr) sweeper_->Start();
  for (const auto& shard : shards_) {
    if (shard->owner == nullptr) continue;
    shard->owner->Start();
    shard->relay->Start();
  }
}

void Server::Stop() {
  if (sweeper_ != nullptr) sweeper_->Stop();
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

void Server::LookAtLag() {
  for (uint32_t index = 0; uses_.journal != nullptr && index < shards(); ++index) {
    const absl::StatusOr<log::Offset> end = uses_.journal->EndOffset(static_cast<int32_t>(index));
    if (!end.ok()) continue;
    const int64_t applied = shards_[index]->owner->applied();
    shards_[index]->lag = *end > applied + 1 ? static_cast<uint64_t>(*end - applied - 1) : 0;
  }
}

uint64_t Server::LagOf(uint32_t shard) const { return shards_.at(shard)->lag; }

uint64_t Server::lag() const {
  uint64_t lag = 0;
  for (const auto& shard : shards_) lag += shard->lag;
  return lag;
}

bool Server::Owns(uint32_t shard) const {
  const Shard& found = *shards_.at(shard);
  if (found.relay == nullptr) return false;
  const std::string claim = found.relay->held_claim();
  return !claim.empty() && found.owner->standing().claim_id == claim;
}

std::string Server::OwnerOf(uint32_t shard) const {
  const Shard& found = *shards_.at(shard);
  return found.owner == nullptr ? "" : found.owner->standing().owner;
}

void Server::SeePublished(const event::v1::ReadinessPublished& published) {
  const uint32_t index = published.shard();
  if (index >= shards() || !Owns(index)) return;
  const Shard& shard = *shards_[index];
  // What this owner appended itself landed in its order.
  if (published.writer_epoch() == shard.owner->standing().epoch) return;
  const std::string key =
      Key(published.tenant(), published.candidate_key(), published.assessment_key());
  const auto row = shard.rows->Find<storage::v1::ReadinessRowBytes>(kReadinessTable, key);
  if (!row.ok()) return;
  storage::v1::ReadinessRecordBytes ours, theirs;
  if (row->has_value() && !ours.ParseFromString((*row)->record())) return;
  const bool is_readable = theirs.ParseFromString(published.record());
  const auto age = [](const storage::v1::ReadinessRecordBytes& record) {
    return std::make_pair(record.epoch(), record.version());
  };
  // Erased here, or newer here.
  const bool is_older = row->has_value() ? !is_readable || age(theirs) < age(ours) : !published.record().empty();
  if (is_older) shard.relay->Republish(key);
}

int64_t Server::rolled_back() const {
  int64_t sum = 0;
  for (const auto& shard : shards_) sum += shard->owner == nullptr ? 0 : shard->owner->rolled_back();
  return sum;
}

std::vector<event::v1::ShardReplica> Server::Replicas() const {
  std::vector<event::v1::ShardReplica> replicas;
  for (uint32_t index = 0; index < shards(); ++index) {
    const Shard& shard = *shards_[index];
    if (shard.owner == nullptr) continue;
    const ShardOwner::Standing standing = shard.owner->standing();
    event::v1::ShardReplica& replica = replicas.emplace_back();
    replica.set_shard(index);
    replica.set_is_owner(Owns(index));
    replica.set_epoch(standing.epoch);
    replica.set_applied_offset(standing.applied);
    replica.set_lag_records(shard.lag);
    const absl::StatusOr<storage::v1::ShardMeta> meta = Meta(index);
    if (meta.ok() && replica.is_owner()) {
      for (const auto& [lane, state] : meta->lanes()) {
        (*replica.mutable_waiting_work())[lane] = state.waiting();
        (*replica.mutable_outstanding_work())[lane] = state.running();
      }
    }
    const absl::Status health = shard.owner->health();
    if (!health.ok()) replica.set_stopped(std::string(health.message()));
  }
  return replicas;
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

absl::StatusOr<const ShardReads*> Server::ReadStrongly(uint32_t shard, absl::Time deadline) const {
  if (shard >= shards_.size()) return absl::InvalidArgumentError(absl::StrCat("there is no shard ", shard));
  // Nobody writes what is open for reading.
  if (options_.read_only) return Read(shard, -1, deadline);
  // One that is alone has only not claimed it yet.
  const absl::Status not_owner =
      options_.may_claim ? absl::FailedPreconditionError(absl::StrCat("shard ", shard, " is owned elsewhere"))
                         : absl::UnavailableError(absl::StrCat("shard ", shard, " is not claimed yet"));
  if (!Owns(shard)) return not_owner;
  const absl::StatusOr<log::Offset> end = uses_.journal->EndOffset(static_cast<int32_t>(shard));
  if (!end.ok()) return absl::UnavailableError(end.status().message());
  ASSAY_ASSIGN_OR_RETURN(const ShardReads* reads, Read(shard, *end - 1, deadline));
  // A claim that stood among them would have ended ours.
  if (!Owns(shard)) return not_owner;
  return reads;
}

std::shared_ptr<void> Server::Subscribe(uint32_t shard, std::function<void()> listener) {
  if (shard >= shards_.size() || shards_[shard]->owner == nullptr) return nullptr;
  return std::shared_ptr<ShardOwner::Subscription>(shards_[shard]->owner->Subscribe(std::move(listener)));
}

absl::StatusOr<std::string> Server::StateHash(uint32_t shard) const {
  return shards_.at(shard)->store->StateHash(ShardTables());
}

absl::StatusOr<Server::HashedState> Server::HashState(uint32_t shard) const {
  constexpr int kAttempts = 5;
  const Shard& found = *shards_.at(shard);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    HashedState state;
    ASSAY_ASSIGN_OR_RETURN(const storage::v1::ShardMeta before, Meta(shard));
    ASSAY_ASSIGN_OR_RETURN(state.hash, found.store->StateHash(ShardTables()));
    ASSAY_ASSIGN_OR_RETURN(const storage::v1::ShardMeta after, Meta(shard));
    state.applied = after.applied_offset();
    if (before.applied_offset() == state.applied) return state;
  }
  return absl::AbortedError(absl::StrCat("shard ", shard, ": records were applied all the time"));
}

absl::StatusOr<storage::v1::ShardMeta> Server::Meta(uint32_t shard) const {
  return ReadMeta(shards_.at(shard)->context, *shards_.at(shard)->rows);
}

absl::StatusOr<Server::Accounts> Server::AccountsOf(uint32_t shard) const {
  ASSAY_ASSIGN_OR_RETURN(const storage::v1::ShardMeta meta, Meta(shard));
  Accounts accounts;
  accounts.accounting = meta.accounting();
  if (sweeper_ != nullptr) accounts.sweep = sweeper_->Last(shard);
  accounts.holds = Holds(meta.accounting()) && (!accounts.sweep || accounts.sweep->report.findings == 0);
  return accounts;
}

const RowReader& Server::rows(uint32_t shard) const { return *shards_.at(shard)->rows; }

}  // namespace assay::aggregator
