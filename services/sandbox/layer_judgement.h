// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "services/sandbox/launcher.h"

namespace assay::sandbox {

// OK when every layer that candidates' code needs is enforced; else FAILED_PRECONDITION naming each other one with how
// to mend it.
absl::Status JudgeForUntrusted(const std::vector<Launcher::Check>& checks);

}  // namespace assay::sandbox
