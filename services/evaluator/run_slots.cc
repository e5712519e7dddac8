// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/run_slots.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace assay::evaluator {
namespace {

// A cancellation cannot be waited for together with a mutex; it is seen this soon.
constexpr absl::Duration kLookEvery = absl::Milliseconds(50);

}  // namespace

absl::StatusOr<RunSlots::Held> RunSlots::Take(const std::string& lane, const plugin_host::Cancellation& cancellation,
                                              const std::function<void()>& waiting) {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      const auto found = free_.find(lane);
      if (found == free_.end()) return absl::NotFoundError(absl::StrCat("lane \"", lane, "\": nothing runs there"));
      const auto is_free = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return found->second > 0; };
      if (mutex_.AwaitWithTimeout(absl::Condition(&is_free), kLookEvery)) {
        --found->second;
        return Held(*this, lane);
      }
    }
    if (cancellation.cancelled()) return absl::CancelledError("cancelled while waiting for a slot");
    waiting();
  }
}

void RunSlots::GiveBack(const std::string& lane) {
  absl::MutexLock lock(&mutex_);
  ++free_.find(lane)->second;
}

int RunSlots::free(const std::string& lane) {
  absl::MutexLock lock(&mutex_);
  const auto found = free_.find(lane);
  return found == free_.end() ? 0 : found->second;
}

}  // namespace assay::evaluator
