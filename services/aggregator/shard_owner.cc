// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/shard_owner.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/common/base/digest.h"
#include "services/common/base/logging.h"

namespace assay::aggregator {
namespace {

constexpr size_t kGroup = 64;
constexpr absl::Duration kIdleWait = absl::Seconds(1);

}  // namespace

absl::Status ShardOwner::CheckLog(const Options& options, log::Log& log, const storage::v1::ShardMeta& meta) {
  const std::string shard = absl::StrCat("shard ", options.partition);
  if (meta.state_version() > kStateVersion) {
    return absl::FailedPreconditionError(absl::StrCat(shard, ": its state has version ", meta.state_version(),
                                                      ", this program knows ", kStateVersion, "; use a newer one"));
  }
  if (meta.log_identity() != options.context.log_identity || meta.partitions() != options.context.partitions) {
    return absl::FailedPreconditionError(
        absl::StrCat(shard, ": its state came from another journal; restore both from one backup, or remove the shard's "
                            "folder to build it again from this journal"));
  }
  if (meta.applied_offset() < 0) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(const log::Offset end, log.EndOffset(options.partition));
  if (meta.applied_offset() >= end) {
    return absl::FailedPreconditionError(absl::StrCat(shard, ": the journal ends at ", end, " but ",
                                                      meta.applied_offset() + 1, " records were applied: it lost some"));
  }
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<log::Reader> reader,
                         log.OpenReader(options.partition, meta.applied_offset()));
  ASSAY_ASSIGN_OR_RETURN(std::vector<log::Record> last, reader->Read(1, kIdleWait));
  if (last.empty() || Digest::Of(last.front().value).bytes() != meta.applied_record_sha256()) {
    return absl::FailedPreconditionError(absl::StrCat(shard, ": record ", meta.applied_offset(),
                                                      " of the journal is not the one that was applied"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ShardOwner>> ShardOwner::Create(Options options, log::Log& log, store::Store& store,
                                                               Clock& clock) {
  ASSAY_ASSIGN_OR_RETURN(const storage::v1::ShardMeta meta, ReadMeta(options.context, StoreRows(store)));
  ASSAY_RETURN_IF_ERROR(CheckLog(options, log, meta));
  std::unique_ptr<log::LogWitness> witness;
  if (!options.witness_path.empty()) {
    ASSAY_ASSIGN_OR_RETURN(witness, log::LogWitness::Open(options.witness_path, 1));
  }
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<log::Reader> reader,
                         log.OpenReader(options.partition, meta.applied_offset() + 1));
  return std::unique_ptr<ShardOwner>(
      new ShardOwner(std::move(options), store, clock, std::move(reader), std::move(witness), meta));
}

int64_t ShardOwner::CountLoss(const Options& options, const log::LogWitness* witness,
                              const storage::v1::ShardMeta& meta) {
  if (witness == nullptr || !witness->found().has_value()) return 0;
  const log::LogWitness::State& seen = *witness->found();
  // Of another journal: the state was replaced on purpose.
  if (seen.identity != options.context.log_identity || seen.ends.empty()) return 0;
  const int64_t lost = seen.ends.front() - (meta.applied_offset() + 1);
  if (lost <= 0) return 0;
  LogError("WAL damage, rolled back",
           {{"shard", absl::StrCat(options.partition)}, {"events", absl::StrCat(lost)}});
  return lost;
}

ShardOwner::ShardOwner(Options options, store::Store& store, Clock& clock, std::unique_ptr<log::Reader> reader,
                       std::unique_ptr<log::LogWitness> witness, const storage::v1::ShardMeta& meta)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      reader_(std::move(reader)),
      witness_(std::move(witness)),
      rolled_back_(CountLoss(options_, witness_.get(), meta)),
      standing_(StandingOf(meta)) {}

ShardOwner::~ShardOwner() { Stop(); }

void ShardOwner::Start() { thread_ = std::thread([this] { Run(); }); }

void ShardOwner::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    if (health_.ok()) health_ = absl::UnavailableError("the server is stopping");
  }
  reader_->Interrupt();
  thread_.join();
}

void ShardOwner::Run() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    const absl::Status status = ApplyNext();
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    if (!status.ok()) {
      LogError("shard stopped", {{"shard", absl::StrCat(options_.partition)}, {"status", status.ToString()}});
      health_ = Annotate(status, absl::StrCat("shard ", options_.partition, " stopped"));
      return;
    }
  }
}

absl::Status ShardOwner::ApplyNext() {
  ASSAY_ASSIGN_OR_RETURN(std::vector<log::Record> records, reader_->Read(kGroup, kIdleWait));
  if (records.empty()) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(const store::Batch batch, ApplyGroup(options_.context, StoreRows(store_), records));
  const absl::Time begun = clock_.TimeNow();
  ASSAY_RETURN_IF_ERROR(store_.Write(batch, /*sync=*/true));
  if (options_.on_group) options_.on_group(records.size(), clock_.TimeNow() - begun);
  ASSAY_ASSIGN_OR_RETURN(const storage::v1::ShardMeta meta, ReadMeta(options_.context, StoreRows(store_)));
  if (witness_ != nullptr) {
    const absl::Status status = witness_->Write(options_.context.log_identity, {meta.applied_offset() + 1});
    // Nothing rests on the witness; without it only damage done later goes unnoticed.
    if (!status.ok()) LogWarning("shard witness not written", {{"status", status.ToString()}});
  }
  {
    absl::MutexLock lock(&mutex_);
    standing_ = StandingOf(meta);
  }
  absl::MutexLock lock(&listeners_mutex_);
  for (const auto& [id, listener] : listeners_) listener();
  return absl::OkStatus();
}

ShardOwner::Standing ShardOwner::StandingOf(const storage::v1::ShardMeta& meta) {
  return {meta.applied_offset(), meta.epoch(), meta.claim_id(), meta.owner()};
}

ShardOwner::Standing ShardOwner::standing() const {
  absl::MutexLock lock(&mutex_);
  return standing_;
}

int64_t ShardOwner::applied() const {
  absl::MutexLock lock(&mutex_);
  return standing_.applied;
}

absl::Status ShardOwner::health() const {
  absl::MutexLock lock(&mutex_);
  return health_;
}

absl::Status ShardOwner::WaitForApplied(int64_t offset, absl::Time deadline) const {
  absl::MutexLock lock(&mutex_);
  const auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return standing_.applied >= offset || !health_.ok(); };
  const bool in_time = clock_.AwaitWithDeadline(&mutex_, absl::Condition(&reached), deadline);
  if (standing_.applied >= offset) return absl::OkStatus();
  if (!in_time) return absl::DeadlineExceededError("the shard has not applied this yet");
  return health_;
}

std::unique_ptr<ShardOwner::Subscription> ShardOwner::Subscribe(std::function<void()> listener) {
  absl::MutexLock lock(&listeners_mutex_);
  const uint64_t id = next_listener_++;
  listeners_[id] = std::move(listener);
  return std::make_unique<Subscription>(*this, id);
}

ShardOwner::Subscription::~Subscription() {
  absl::MutexLock lock(&owner_.listeners_mutex_);
  owner_.listeners_.erase(id_);
}

}  // namespace assay::aggregator
