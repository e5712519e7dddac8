// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/sandbox/launcher.h"

namespace assay::evaluator {

// A launcher for one evaluation: Stop() ends everything that was started through it, whoever holds it, and refuses
// more. So that code which starts a process and waits for it can be ended from another thread. Thread-safe; outlives
// the processes it started.
class StoppableLauncher final : public sandbox::Launcher {
 public:
  explicit StoppableLauncher(sandbox::Launcher& launcher) : launcher_(launcher) {}

  // CANCELLED once stopped; otherwise as the launcher below.
  absl::StatusOr<std::unique_ptr<sandbox::Process>> Launch(const sandbox::LaunchSpec& spec) override;
  const std::vector<Check>& checks() const override { return launcher_.checks(); }
  absl::Status CanRunUntrusted() const override { return launcher_.CanRunUntrusted(); }

  void Stop();
  bool stopped() const;

 private:
  class Tracked;

  sandbox::Launcher& launcher_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<sandbox::Process*> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::evaluator
