// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/base/unique_fd.h"
#include "services/sandbox/launcher.h"

namespace assay::sandbox {

// Where the kernel's resource controllers are found: one line of /proc/self/mountinfo joined with /proc/self/cgroup.
struct ControllerPlace {
  bool version2 = false;
  std::string mount;  // where the hierarchy is mounted
  std::string own;    // the calling process's folder in it, below `mount`
};

// Controller name (memory, pids, cpu, cpuacct) → place. Version 1 and 2 may be mixed (hybrid). Pure; for tests.
std::map<std::string, ControllerPlace> FindControllers(absl::string_view mountinfo, absl::string_view own_cgroups,
                                                       absl::string_view version2_controllers);

// What a group counted, read when its processes are gone.
struct GroupUsage {
  uint64_t peak_bytes = 0;
  uint64_t memory_kills = 0;
  uint64_t refused_forks = 0;
  uint64_t throttled = 0;
  absl::Duration cpu;  // zero: not counted
};

// The folders of one process tree, one per hierarchy. Destroying it removes them. Not thread-safe.
class Cgroup {
 public:
  Cgroup(Cgroup&&) noexcept = default;
  Cgroup& operator=(Cgroup&& other) noexcept;
  ~Cgroup();

  absl::Status Attach(int pid);
  // For CLONE_INTO_CGROUP; -1 unless everything is in one version 2 folder.
  int version2_fd() const { return version2_fd_.get(); }
  // Becomes readable when the memory limit killed a process (version 1); -1 where the kernel kills the whole group.
  int memory_event_fd() const { return memory_event_.get(); }
  // SIGKILL to everything in it.
  void KillAll();
  GroupUsage Usage() const;

 private:
  friend class CgroupTree;
  Cgroup() = default;
  std::map<std::string, std::string> folders_;  // controller → folder
  std::vector<std::string> created_;            // each folder once
  bool version2_ = false;
  UniqueFd version2_fd_;
  UniqueFd memory_event_;
};

// The launcher's own folders, below which each launch gets one. Locked for the launcher's life, so that whoever finds an
// unlocked one knows that its launcher is dead and may remove it. Not thread-safe.
class CgroupTree {
 public:
  // Takes every controller for which a writable place exists; the others are listed with the reason in `missing()`.
  // Sweeps what dead launchers left in the same places.
  static CgroupTree Open();
  CgroupTree(CgroupTree&&) noexcept = default;
  ~CgroupTree();

  bool Has(absl::string_view controller) const { return bases_.contains(std::string(controller)); }
  const std::map<std::string, std::string>& missing() const { return missing_; }
  // Makes a group with `limits`; `extra_processes` are our own beside the program's. A controller this tree lacks is
  // left out: the caller has decided that before.
  absl::StatusOr<Cgroup> Create(uint64_t id, const Limits& limits, uint32_t extra_processes) const;

 private:
  CgroupTree() = default;
  struct Base {
    bool version2 = false;
    std::string folder;
  };
  std::map<std::string, Base> bases_;
  std::map<std::string, std::string> missing_;
  std::vector<std::string> created_;
  std::vector<UniqueFd> locks_;
};

}  // namespace assay::sandbox
