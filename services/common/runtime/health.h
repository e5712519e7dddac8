// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace assay::runtime {

// Whether this process should get work: it is ready when every part that registered says so. A new part is not ready
// until it says otherwise, and a process without parts is not ready either. Thread-safe.
class Health {
 public:
  // Says how a part is; OK: ready.
  void Set(const std::string& part, absl::Status status);
  // From now on not ready, whatever the parts say: the process is stopping.
  void BeginStop();
  bool IsReady() const;
  // One line a part: "journal: OK".
  std::string Text() const;
  // Calls `listener` now and with every change of IsReady(), one call at a time; it must not call back. It must outlive
  // this object.
  void Listen(std::function<void(bool ready)> listener);

 private:
  bool IsReadyLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Announce();

  mutable absl::Mutex mutex_;
  std::map<std::string, absl::Status> parts_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Keeps announcements in the order of what they announce.
  absl::Mutex announce_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  bool announced_ ABSL_GUARDED_BY(announce_mutex_) = false;
  std::vector<std::function<void(bool)>> listeners_ ABSL_GUARDED_BY(announce_mutex_);
};

}  // namespace assay::runtime
