// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "assay/event/v1/readiness_published.pb.h"
#include "services/common/base/clock.h"
#include "services/common/log/log.h"

namespace assay::aggregator {

// Follows the topic of published readiness from its end on, so that owners see what a zombie published after them. One
// thread for all partitions; what it misses while the log cannot be read is not made up for. The log must outlive it.
class ReadinessFollower {
 public:
  // `on_record` is called from the thread and must not block for long.
  ReadinessFollower(log::Log& log, Clock& clock, std::function<void(const event::v1::ReadinessPublished&)> on_record);
  ~ReadinessFollower();

  void Start();
  void Stop();

 private:
  void Run();
  // One look at each partition; opens what is not open.
  void Look();
  bool IsStopping() const;

  log::Log& log_;
  Clock& clock_;
  const std::function<void(const event::v1::ReadinessPublished&)> on_record_;
  std::thread thread_;
  // By partition; null: to be opened. Of the thread alone.
  std::vector<std::unique_ptr<log::Reader>> readers_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace assay::aggregator
