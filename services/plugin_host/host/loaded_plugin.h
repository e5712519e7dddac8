// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/plugin.h"
#include "assay/plugin/v1/frame.pb.h"

namespace assay::plugin_host {

// The plugin's table, for the life of the process: nothing is ever unloaded.
struct LoadedPlugin {
  const assay_plugin_v1* table = nullptr;
  std::vector<plugin::v1::EvaluatorDescriptor> descriptors;
};

// Checks that the memory file in `fd` is sealed and has the digest `expected` ("sha256:…"), loads it with every symbol
// bound now, and negotiates. FAILED_PRECONDITION: the file is not what it should be, the platform's fault.
// INVALID_ARGUMENT: it cannot be loaded or breaks the ABI, the plugin's fault.
absl::StatusOr<LoadedPlugin> LoadPlugin(int fd, const std::string& expected);

}  // namespace assay::plugin_host
