// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/plugin_host/host_process.h"

namespace assay::plugin_host {

struct PoolOptions {
  HostOptions host;
  // Ready processes kept for each evaluator that was used, and for all together.
  size_t warm_per_evaluator = 2;
  size_t warm_total = 8;
  // Evaluations after which a process of a reusable evaluator is replaced. Others serve one.
  int max_evaluations = 50;
};

// Ready plugin processes: loaded, negotiated and configured, one plugin version each. What ran is replaced in the
// background, so that the next evaluation does not wait for a start. Thread-safe.
class HostPool {
 public:
  HostPool(sandbox::Launcher& launcher, PoolOptions options);
  ~HostPool();

  // A ready process for that evaluator; with `fresh`, one that never evaluated. Null and `end` when none can be
  // started.
  std::unique_ptr<HostProcess> Acquire(const std::shared_ptr<const PluginPackage>& package,
                                       const std::string& evaluator, bool fresh, HostEnd* end);
  // Takes it back. Only after an end that left nothing behind (`clean`) may it serve again; else it is killed.
  void Release(std::unique_ptr<HostProcess> host, bool clean);
  // Starts processes in the background so that Acquire finds one.
  void Warm(const std::shared_ptr<const PluginPackage>& package, const std::string& evaluator);
  // Ready processes just now.
  size_t idle();

 private:
  using Key = std::pair<Digest, std::string>;
  struct Wanted {
    std::shared_ptr<const PluginPackage> package;
    std::string evaluator;
  };
  std::unique_ptr<HostProcess> StartOne(const std::shared_ptr<const PluginPackage>& package,
                                        const std::string& evaluator, HostEnd* end);
  void WarmLoop();
  bool HasRoom(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  sandbox::Launcher& launcher_;
  const PoolOptions options_;
  absl::Mutex mutex_;
  std::map<Key, std::deque<std::unique_ptr<HostProcess>>> idle_ ABSL_GUARDED_BY(mutex_);
  size_t idle_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Wanted> wanted_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread warmer_;  // last: it uses everything above
};

}  // namespace assay::plugin_host
