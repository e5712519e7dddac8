// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/plugin_host/host_process.h"
#include "services/plugin_host/plugin_package.h"

namespace assay::plugin_host {

// The plugins of one folder, read once. Constant afterwards; thread-safe.
class PluginDirectory {
 public:
  // Reads every <name>.so + <name>.json of `folder` and asks each binary, in a process of its own, what it is: a pair
  // that disagrees, an incomplete pair and a plugin that does not start are refused, each with a line in refusals()
  // that names the file and both values. NOT_FOUND: no such folder.
  static absl::StatusOr<PluginDirectory> Load(const std::string& folder, sandbox::Launcher& launcher,
                                              const HostOptions& options);

  const std::vector<std::shared_ptr<const PluginPackage>>& packages() const { return packages_; }
  // By package digest; null: not here.
  std::shared_ptr<const PluginPackage> Find(const Digest& digest) const;
  const std::vector<std::string>& refusals() const { return refusals_; }

 private:
  std::vector<std::shared_ptr<const PluginPackage>> packages_;
  std::vector<std::string> refusals_;
};

// OK if what the shared object says of itself is what the manifest says; else INVALID_ARGUMENT with the field and both
// values.
absl::Status CompareWithManifest(const plugin::v1::Hello& hello, const plugin::v1::Manifest& manifest);

}  // namespace assay::plugin_host
