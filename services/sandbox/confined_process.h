// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "services/common/base/unique_fd.h"
#include "services/sandbox/launcher.h"
#include "services/sandbox/seccomp_profile.h"

// The side of a launch that runs in the child, between clone and execve.
//
// With a process namespace of its own the child stays as its process 1: it starts the program, reaps orphans, passes
// signals on and ends with the program, at which the kernel kills whatever is left. Without one the child becomes the
// program itself.
namespace assay::sandbox {

// One record on the control socket between the launcher and its child.
struct ControlRecord {
  enum Kind : uint8_t {
    kGo = 1,    // to the child: limits are in place
    kSignal,    // to the child: value = signal, other = inner pid or 0
    kProgram,   // from the program just before execve; its credentials tell its pid
    kStarted,   // from process 1: execve succeeded
    kFailed,    // value = absl status code; text
    kSignalled, // value = errno of the signal asked for last
    kEnded,     // value = wait status of the program, other = 1 if the writable space is full
  };
  Kind kind = kGo;
  int32_t value = 0;
  int32_t other = 0;
  char text[500] = {};
};

// Which layers a launch gets, decided by the launcher.
struct Layers {
  bool user = false;
  bool network = false;
  bool mounts = false;
  bool processes = false;
  bool privileges = false;
};

// What a probe may ask: returns the exit code of the throw-away child.
using Probe = std::function<int()>;

struct ChildPlan {
  const LaunchSpec* spec = nullptr;
  Layers layers;
  const SeccompProgram* filter = nullptr;  // null: none
  Probe probe;                             // instead of argv
  uint32_t uid = 0;                        // of the program, inside
  uint32_t gid = 0;
  bool change_user = false;  // to uid and gid; else they are only mapped
  bool user_is_own = false;  // no other launch has it
  uint32_t outer_uid = 0;    // of the launcher
  uint32_t outer_gid = 0;
  bool limit_data = false;  // RLIMIT_DATA, where no memory controller is there
  int control = -1;
  std::vector<int> descriptors;  // one for each of spec->descriptors
  // Namespaces to join (-1: none).
  int join_user = -1;
  int join_network = -1;
  int join_processes = -1;
};

// Never returns: becomes the program, or process 1 of its namespace.
[[noreturn]] void RunChild(const ChildPlan& plan);

}  // namespace assay::sandbox
