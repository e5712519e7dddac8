// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/world.h"

namespace assay::simulation {

void World::After(absl::Duration delay, std::function<void()> action) {
  actions_.emplace(std::pair(now_ + delay, next_++), std::move(action));
}

bool World::RunOne(absl::Time end) {
  const auto first = actions_.begin();
  if (first == actions_.end() || first->first.first >= end) {
    if (end > now_) now_ = end;
    return false;
  }
  if (first->first.first > now_) now_ = first->first.first;
  const std::function<void()> action = std::move(first->second);
  actions_.erase(first);
  action();
  return true;
}

void World::RunUntil(absl::Time end) {
  while (RunOne(end)) {
  }
}

bool WorldClock::AwaitWithDeadline(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  while (!condition.Eval()) {
    if (TimeNow() >= deadline) return false;
    mutex->Unlock();
    world_.RunOne(world_.now() + (deadline - TimeNow()));
    mutex->Lock();
  }
  return true;
}

}  // namespace assay::simulation
