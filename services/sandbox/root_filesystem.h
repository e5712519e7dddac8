// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "services/sandbox/launcher.h"

namespace assay::sandbox {

struct RootPlan {
  std::vector<Mount> mounts;
  uint64_t disk_bytes = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  bool process_view = false;  // mount /proc: only in a process namespace of its own
  bool user_namespace = false;
};

// Replaces everything the calling process sees by a small root: an empty read-only memory file system with /dev, /etc,
// a writable /tmp, /home/app and /dev/shm that share `disk_bytes`, and the mounts of the plan. Must be called in a mount
// namespace of its own, with the capabilities to mount, in a process without threads. On failure the process sees a
// half-built root and must end; the message names the step and the path.
absl::Status BuildRoot(const RootPlan& plan);

// Whether the writable memory file system of a built root has no room left.
bool WritableSpaceIsFull();

}  // namespace assay::sandbox
