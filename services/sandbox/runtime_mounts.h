// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "services/sandbox/launcher.h"

namespace assay::sandbox {

// The dynamic loader and the handful of libraries that Node and native addons link against, each file mounted on its
// own, read-only, plus /bin/sh for programs that start one. Nothing else of the machine's /usr is visible.
std::vector<Mount> NodeLibraryMounts();

// /usr/lib, /lib and /lib64 as a whole: for executables of our own, whose libraries are many.
std::vector<Mount> SystemLibraryMounts();

}  // namespace assay::sandbox
