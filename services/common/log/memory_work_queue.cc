// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/memory_work_queue.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"

namespace assay::log {

class MemoryWorkQueue::Consumer final : public WorkConsumer {
 public:
  Consumer(Lane& lane, std::string name, size_t window, Clock& clock)
      : lane_(lane), name_(std::move(name)), window_(window), clock_(clock) {}

  ~Consumer() override {
    absl::MutexLock lock(&lane_.mutex);
    GiveBack();
    if (!fenced_) lane_.consumers.erase(name_);
  }

  absl::StatusOr<std::vector<WorkItem>> Take(size_t max_items, absl::Duration wait) override {
    absl::MutexLock lock(&lane_.mutex);
    const auto is_ready = [this] {
      lane_.mutex.AssertHeld();
      return interrupted_ || fenced_ || lane_.closed || (!lane_.waiting.empty() && held_.size() < window_);
    };
    const absl::Condition condition(&is_ready);
    if (!is_ready()) clock_.AwaitWithDeadline(&lane_.mutex, condition, clock_.TimeNow() + wait);
    if (interrupted_) return absl::CancelledError("the consumer was interrupted");
    if (fenced_) return absl::FailedPreconditionError(absl::StrCat("another consumer took the name ", name_));
    if (lane_.closed) return absl::FailedPreconditionError("the queue is closed");
    std::vector<WorkItem> taken;
    while (!lane_.waiting.empty() && held_.size() < window_ && taken.size() < max_items) {
      auto node = lane_.waiting.extract(lane_.waiting.begin());
      taken.push_back({node.mapped().key, node.mapped().value, 0, node.key()});
      held_.insert(std::move(node));
    }
    return taken;
  }

  void Done(const WorkItem& item) override {
    absl::MutexLock lock(&lane_.mutex);
    const auto it = held_.find(item.offset);
    if (it == held_.end()) return;
    --lane_.items;
    lane_.bytes -= it->second.bytes();
    held_.erase(it);
  }

  void Interrupt() override {
    absl::MutexLock lock(&lane_.mutex);
    interrupted_ = true;
  }

  // The caller holds the lane's mutex, under a name that the compiler cannot match with ours.
  void Fence() {
    lane_.mutex.AssertHeld();
    fenced_ = true;
    GiveBack();
  }

 private:
  void GiveBack() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_.mutex) { lane_.waiting.merge(held_); }

  Lane& lane_;
  const std::string name_;
  const size_t window_;
  Clock& clock_;
  std::map<Offset, Item> held_ ABSL_GUARDED_BY(lane_.mutex);
  bool interrupted_ ABSL_GUARDED_BY(lane_.mutex) = false;
  bool fenced_ ABSL_GUARDED_BY(lane_.mutex) = false;
};

MemoryWorkQueue::MemoryWorkQueue(MemoryWorkQueueOptions options, Clock& clock)
    : options_(std::move(options)), clock_(clock) {
  for (const std::string& lane : options_.lanes) lanes_[lane] = std::make_unique<Lane>();
}

MemoryWorkQueue::~MemoryWorkQueue() { Close(); }

absl::StatusOr<MemoryWorkQueue::Lane*> MemoryWorkQueue::Find(absl::string_view lane) {
  const auto it = lanes_.find(lane);
  if (it != lanes_.end()) return it->second.get();
  return absl::InvalidArgumentError(
      absl::StrCat("lane \"", lane, "\": there are ", absl::StrJoin(options_.lanes, ", ")));
}

absl::StatusOr<Offset> MemoryWorkQueue::Admit(Lane& lane, Item item) {
  if (item.bytes() > Log::kMaxRecordBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("item of ", item.bytes(), " bytes, at most ", Log::kMaxRecordBytes, " are allowed"));
  }
  absl::MutexLock lock(&lane.mutex);
  if (lane.closed) return absl::FailedPreconditionError("the queue is closed");
  if (lane.items >= options_.max_items || lane.bytes + item.bytes() > options_.max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the lane is full: ", lane.items, " items, ", lane.bytes, " bytes"));
  }
  ++lane.items;
  lane.bytes += item.bytes();
  lane.waiting.emplace(lane.next, std::move(item));
  return lane.next++;
}

void MemoryWorkQueue::Put(absl::string_view lane, absl::string_view key, absl::string_view value,
                          DeliveryCallback done) {
  const absl::StatusOr<Lane*> found = Find(lane);
  if (!found.ok()) return done({found.status(), -1});
  const absl::StatusOr<Offset> offset = Admit(**found, {std::string(key), std::string(value)});
  done({offset.status(), offset.ok() ? *offset : -1});
}

absl::StatusOr<std::unique_ptr<WorkConsumer>> MemoryWorkQueue::Consume(absl::string_view lane,
                                                                       absl::string_view consumer) {
  ASSAY_ASSIGN_OR_RETURN(Lane * found, Find(lane));
  absl::MutexLock lock(&found->mutex);
  if (found->closed) return absl::FailedPreconditionError("the queue is closed");
  auto created = std::make_unique<Consumer>(*found, std::string(consumer), options_.window, clock_);
  Consumer*& slot = found->consumers[std::string(consumer)];
  if (slot != nullptr) slot->Fence();
  slot = created.get();
  return std::unique_ptr<WorkConsumer>(std::move(created));
}

uint64_t MemoryWorkQueue::Depth(absl::string_view lane) {
  absl::StatusOr<Lane*> found = Find(lane);
  if (!found.ok()) return 0;
  absl::MutexLock lock(&(*found)->mutex);
  return (*found)->items;
}

void MemoryWorkQueue::Close() {
  for (const auto& [name, lane] : lanes_) {
    absl::MutexLock lock(&lane->mutex);
    lane->closed = true;
  }
}

}  // namespace assay::log
