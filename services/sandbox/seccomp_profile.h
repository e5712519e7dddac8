// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/sandbox/launcher.h"

// Allow-lists of system calls. What is not on the list answers ENOSYS (so that the C library falls back), what is on no
// list for a reason answers EPERM: namespaces, mounts, tracing, kernel keys, BPF, io_uring, loading of kernels.
namespace assay::sandbox {

// Compiled once by the launcher; children install the program with one system call.
using SeccompProgram = std::vector<sock_filter>;
absl::StatusOr<SeccompProgram> CompileProfile(Profile profile);

// Installs `program` on the calling thread and all it starts. Needs no_new_privs. Returns an errno value, 0 for success;
// safe between fork and exec.
int InstallProgram(const SeccompProgram& program);

// For a plugin host or decoder that has started and will touch foreign bytes next: from here on no new program, no
// process, no socket and no writing by path (reading stays), on top of the launch profile. Sets no_new_privs.
absl::Status RestrictStartedProcess();

}  // namespace assay::sandbox
