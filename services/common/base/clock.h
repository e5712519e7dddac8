// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace assay {

// The one source of time. Everything that waits or stamps takes a Clock&, so tests decide what time it is.
// Thread-safe. Names and meaning follow absl::Clock of later Abseil releases.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time TimeNow() = 0;
  // Blocks until `condition` holds on `mutex` (which the caller holds) or `deadline` passes; returns whether it holds.
  virtual bool AwaitWithDeadline(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) = 0;

  // The machine's clock; lives for the whole process.
  static Clock& Real();
};

// A clock that stands still until it is told to move.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(absl::Time now = absl::UnixEpoch() + absl::Hours(24 * 365)) : now_(now) {}

  absl::Time TimeNow() override;
  bool AwaitWithDeadline(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) override;
  void AdvanceTime(absl::Duration by);

 private:
  absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay
