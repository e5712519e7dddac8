// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace assay::runtime {

// Calls `look` about every second from a thread of its own, until it is stopped.
class Monitor {
 public:
  Monitor(Clock& clock, std::function<void()> look) : clock_(clock), look_(std::move(look)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Monitor() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }

 private:
  void Run() {
    for (;;) {
      look_();
      absl::MutexLock lock(&mutex_);
      if (clock_.AwaitWithDeadline(&mutex_, absl::Condition(&stopping_), clock_.TimeNow() + absl::Seconds(1))) return;
    }
  }

  Clock& clock_;
  const std::function<void()> look_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace assay::runtime
