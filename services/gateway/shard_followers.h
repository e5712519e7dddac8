// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/gateway/shard_peers.h"

namespace assay::gateway {

// Hears of changes of shards from their owners: one stream for each shard that somebody listens to, opened again when
// it ends or the shard moves. Listeners are also called when a stream begins, for changes nobody told of meanwhile.
// Thread-safe; what is passed in must outlive it.
class ShardFollowers {
 public:
  // `owner_of` says where a shard's owner is; empty: nobody knows.
  ShardFollowers(uint32_t shards, ShardPeers& peers, std::function<std::string(uint32_t)> owner_of, Clock& clock);
  // Ends all streams.
  ~ShardFollowers();

  // `listener` must not block. The handle may outlive this object.
  std::shared_ptr<void> Subscribe(uint32_t shard, std::function<void()> listener);

 private:
  class Stream;
  // Held while listeners are called, so that one that is gone is never called again.
  struct Listeners {
    absl::Mutex mutex;
    uint64_t next ABSL_GUARDED_BY(mutex) = 0;
    std::map<uint64_t, std::function<void()>> by_id ABSL_GUARDED_BY(mutex);
    void Call();
    bool any();
  };
  struct Shard {
    const std::shared_ptr<Listeners> listeners = std::make_shared<Listeners>();
    std::string address;
    std::shared_ptr<Stream> stream;
    absl::Time next_try = absl::InfinitePast();
  };

  void Run();
  // Opens the stream of the shard, or ends one to somebody who owns it no more.
  void Look(uint32_t shard);
  void StreamEnded(uint32_t shard);

  const uint32_t count_;
  ShardPeers& peers_;
  const std::function<std::string(uint32_t)> owner_of_;
  Clock& clock_;
  absl::Mutex mutex_;
  std::vector<Shard> shards_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace assay::gateway
