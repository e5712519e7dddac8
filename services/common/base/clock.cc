// SPDX-License-Identifier: Apache-2.0
#include "services/common/base/clock.h"

#include "absl/time/clock.h"

namespace assay {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time TimeNow() override { return absl::Now(); }
  bool AwaitWithDeadline(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) override {
    return mutex->AwaitWithDeadline(condition, deadline);
  }
};

}  // namespace

Clock& Clock::Real() {
  static RealClock* const clock = new RealClock;
  return *clock;
}

absl::Time SimulatedClock::TimeNow() {
  absl::MutexLock lock(&mutex_);
  return now_;
}

bool SimulatedClock::AwaitWithDeadline(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) {
  // Simulated time moves without waking the caller's mutex, so look again at short real intervals.
  while (!mutex->AwaitWithTimeout(condition, absl::Milliseconds(1))) {
    if (TimeNow() >= deadline) return condition.Eval();
  }
  return true;
}

void SimulatedClock::AdvanceTime(absl::Duration by) {
  absl::MutexLock lock(&mutex_);
  now_ += by;
}

}  // namespace assay
