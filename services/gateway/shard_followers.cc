// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/shard_followers.h"

#include <grpcpp/support/client_callback.h>

#include <algorithm>
#include <utility>

namespace assay::gateway {
namespace {

// How often it is looked whether a shard moved.
constexpr absl::Duration kLook = absl::Milliseconds(500);
constexpr absl::Duration kRetryWait = absl::Milliseconds(300);

}  // namespace

// One WatchShard call. gRPC keeps it until OnDone().
class ShardFollowers::Stream final : public grpc::ClientReadReactor<shard::v1::WatchShardResponse> {
 public:
  Stream(std::shared_ptr<ShardPeers::Stub> stub, std::shared_ptr<Listeners> listeners, std::function<void()> ended)
      : stub_(std::move(stub)), listeners_(std::move(listeners)), ended_(std::move(ended)) {}

  void Start(uint32_t shard, std::shared_ptr<Stream> self) {
    self_ = std::move(self);
    request_.set_shard(shard);
    stub_->async()->WatchShard(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void Cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    listeners_->Call();
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& /*status*/) override {
    const std::shared_ptr<Stream> self = std::move(self_);
    ended_();
  }

 private:
  const std::shared_ptr<ShardPeers::Stub> stub_;
  const std::shared_ptr<Listeners> listeners_;
  const std::function<void()> ended_;
  std::shared_ptr<Stream> self_;
  grpc::ClientContext context_;
  shard::v1::WatchShardRequest request_;
  shard::v1::WatchShardResponse response_;
};

void ShardFollowers::Listeners::Call() {
  absl::MutexLock lock(&mutex);
  for (const auto& [id, listener] : by_id) listener();
}

bool ShardFollowers::Listeners::any() {
  absl::MutexLock lock(&mutex);
  return !by_id.empty();
}

ShardFollowers::ShardFollowers(uint32_t shards, ShardPeers& peers, std::function<std::string(uint32_t)> owner_of,
                               Clock& clock)
    : count_(shards), peers_(peers), owner_of_(std::move(owner_of)), clock_(clock), shards_(shards) {
  thread_ = std::thread([this] { Run(); });
}

ShardFollowers::~ShardFollowers() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  std::vector<std::shared_ptr<Stream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    for (const Shard& shard : shards_) {
      if (shard.stream != nullptr) streams.push_back(shard.stream);
    }
  }
  for (const auto& stream : streams) stream->Cancel();
  streams.clear();
  const auto all_ended = [this] {
    mutex_.AssertHeld();
    return std::all_of(shards_.begin(), shards_.end(), [](const Shard& shard) { return shard.stream == nullptr; });
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&all_ended));
}

std::shared_ptr<void> ShardFollowers::Subscribe(uint32_t shard, std::function<void()> listener) {
  std::shared_ptr<Listeners> listeners;
  {
    absl::MutexLock lock(&mutex_);
    listeners = shards_.at(shard).listeners;
    woken_ = true;
  }
  absl::MutexLock lock(&listeners->mutex);
  const uint64_t id = listeners->next++;
  listeners->by_id[id] = std::move(listener);
  return std::shared_ptr<void>(nullptr, [listeners, id](void*) {
    absl::MutexLock remove(&listeners->mutex);
    listeners->by_id.erase(id);
  });
}

void ShardFollowers::StreamEnded(uint32_t shard) {
  absl::MutexLock lock(&mutex_);
  shards_[shard].stream.reset();
  shards_[shard].next_try = clock_.TimeNow() + kRetryWait;
  woken_ = true;
}

void ShardFollowers::Look(uint32_t shard) {
  const std::string owner = owner_of_(shard);
  std::shared_ptr<Stream> moved;
  std::shared_ptr<Listeners> listeners;
  {
    absl::MutexLock lock(&mutex_);
    Shard& state = shards_[shard];
    if (state.stream != nullptr) {
      if (!owner.empty() && owner != state.address) moved = state.stream;
    } else if (!owner.empty() && clock_.TimeNow() >= state.next_try && state.listeners->any()) {
      listeners = state.listeners;
    }
  }
  if (moved != nullptr) return moved->Cancel();
  if (listeners == nullptr) return;
  absl::StatusOr<std::shared_ptr<ShardPeers::Stub>> stub = peers_.Find(owner);
  if (!stub.ok()) return;
  const auto stream = std::make_shared<Stream>(*std::move(stub), listeners, [this, shard] { StreamEnded(shard); });
  {
    absl::MutexLock lock(&mutex_);
    shards_[shard].stream = stream;
    shards_[shard].address = owner;
  }
  stream->Start(shard, stream);
}

void ShardFollowers::Run() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this] {
        mutex_.AssertHeld();
        return woken_ || stopping_;
      };
      clock_.AwaitWithDeadline(&mutex_, absl::Condition(&ready), clock_.TimeNow() + kLook);
      if (stopping_) return;
      woken_ = false;
    }
    for (uint32_t shard = 0; shard < count_; ++shard) Look(shard);
  }
}

}  // namespace assay::gateway
