// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/sandbox/launcher.h"

namespace assay::sandbox {

struct ToolResult {
  ExitInfo exit;
  std::string output;  // the end of standard output
  std::string errors;  // the end of standard error
};

// Launches `spec` with its standard output and error drained, and waits for its end (spec.limits.wall must be finite).
absl::StatusOr<ToolResult> RunTool(Launcher& launcher, LaunchSpec spec);

// Variables of the own environment that tools of the platform's own need to reach the operator's registry: PATH, HOME,
// npm_config_*, proxies, certificates.
std::vector<std::string> OperatorEnvironment();

// The absolute path of `name` on PATH; NOT_FOUND says how to provide it.
absl::StatusOr<std::string> FindTool(const std::string& name);

}  // namespace assay::sandbox
