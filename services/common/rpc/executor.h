// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace assay::rpc {

// Runs tasks on threads of its own, with a bounded queue: a full one is an answer, not a wait. Thread-safe.
class Executor {
 public:
  // `max_queued` tasks may wait beyond those that run.
  Executor(size_t threads, size_t max_queued);
  // Calls Stop().
  ~Executor();

  // False: the queue is full or the executor stopped; `task` was not run and never will be.
  [[nodiscard]] bool TrySubmit(std::function<void()> task);
  // Runs what was accepted, then ends the threads. Must not be called from a task.
  void Stop();

 private:
  void Run();

  const size_t max_queued_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Mutex stop_mutex_;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(stop_mutex_);
};

}  // namespace assay::rpc
