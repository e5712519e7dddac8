// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/executor.h"

#include <utility>

namespace assay::rpc {

Executor::Executor(size_t threads, size_t max_queued) : max_queued_(max_queued) {
  absl::MutexLock lock(&stop_mutex_);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

Executor::~Executor() { Stop(); }

bool Executor::TrySubmit(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (stopped_ || queue_.size() >= max_queued_) return false;
  queue_.push_back(std::move(task));
  return true;
}

void Executor::Run() {
  const auto has_work = [this] {
    mutex_.AssertHeld();
    return !queue_.empty() || stopped_;
  };
  for (;;) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(&has_work));
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

void Executor::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  absl::MutexLock lock(&stop_mutex_);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace assay::rpc
