// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/plugin_host/evaluation_runner.h"

namespace assay::evaluator {

// How many plugins run at once in each lane. Held while a plugin runs and not while its inputs are read or its result
// is made durable, so that the disk keeps no slot waiting. Thread-safe; must outlive what it gave out.
class RunSlots {
 public:
  // A slot until it is destroyed.
  class Held {
   public:
    Held(RunSlots& slots, std::string lane) : slots_(&slots), lane_(std::move(lane)) {}
    Held(Held&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)), lane_(std::move(other.lane_)) {}
    Held& operator=(Held&&) = delete;
    ~Held() {
      if (slots_ != nullptr) slots_->GiveBack(lane_);
    }

   private:
    RunSlots* slots_;
    std::string lane_;
  };

  // Slots by lane.
  explicit RunSlots(std::map<std::string, int> slots) : free_(std::move(slots)) {}

  // Waits for a slot of the lane; calls `waiting` now and then meanwhile. CANCELLED; NOT_FOUND: no such lane.
  absl::StatusOr<Held> Take(const std::string& lane, const plugin_host::Cancellation& cancellation,
                            const std::function<void()>& waiting);

  int free(const std::string& lane);

 private:
  void GiveBack(const std::string& lane);

  absl::Mutex mutex_;
  std::map<std::string, int> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::evaluator
