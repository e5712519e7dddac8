// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/log/work_queue.h"

namespace assay::log {

struct MemoryWorkQueueOptions {
  std::vector<std::string> lanes = {"fast", "slow"};
  // Per lane, items put and not yet done; past either bound Put answers RESOURCE_EXHAUSTED.
  size_t max_items = 100000;
  size_t max_bytes = 256 << 20;
  // Undone items one consumer may hold.
  size_t window = 512;
};

// The work queue of the embedded installation. It lives in memory: the shard's outbox is the durable copy, from which
// the aggregator puts everything undone again when it starts. Items of a lane are handed out in the order they were
// put, each to one consumer; what a consumer held when it went away comes back before everything not yet taken.
// Thread-safe.
class MemoryWorkQueue final : public WorkQueue {
 public:
  explicit MemoryWorkQueue(MemoryWorkQueueOptions options, Clock& clock = Clock::Real());
  ~MemoryWorkQueue() override;

  // `done` is called before Put returns.
  void Put(absl::string_view lane, absl::string_view key, absl::string_view value, DeliveryCallback done) override;
  absl::StatusOr<std::unique_ptr<WorkConsumer>> Consume(absl::string_view lane, absl::string_view consumer) override;
  uint64_t Depth(absl::string_view lane) override;
  void Close() override;

 private:
  class Consumer;
  struct Item {
    std::string key;
    std::string value;
    size_t bytes() const { return key.size() + value.size(); }
  };
  struct Lane {
    absl::Mutex mutex;
    // By position in the lane: waiting, and what each living consumer holds.
    std::map<Offset, Item> waiting ABSL_GUARDED_BY(mutex);
    std::map<std::string, Consumer*> consumers ABSL_GUARDED_BY(mutex);
    Offset next ABSL_GUARDED_BY(mutex) = 0;
    size_t items ABSL_GUARDED_BY(mutex) = 0;
    size_t bytes ABSL_GUARDED_BY(mutex) = 0;
    bool closed ABSL_GUARDED_BY(mutex) = false;
  };

  absl::StatusOr<Lane*> Find(absl::string_view lane);
  absl::StatusOr<Offset> Admit(Lane& lane, Item item);

  const MemoryWorkQueueOptions options_;
  Clock& clock_;
  // The map is constant after construction.
  std::map<std::string, std::unique_ptr<Lane>, std::less<>> lanes_;
};

}  // namespace assay::log
