// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "assay/plugin/v1/manifest.pb.h"
#include "services/common/base/digest.h"
#include "services/common/base/unique_fd.h"

namespace assay::plugin_host {

// One version of a plugin: its manifest and its shared object, kept as a sealed memory file from the moment it was
// hashed, so that what was checked is what runs. Constant after Load.
struct PluginPackage {
  // SHA-256 over the digests of both files: a manifest belongs to its binary.
  Digest digest;
  Digest binary_digest;
  plugin::v1::Manifest manifest;
  UniqueFd binary;

  // Reads <path without .json>.so beside the manifest `manifest_path`. INVALID_ARGUMENT names the manifest's field that
  // is wrong (unknown fields are), NOT_FOUND the missing file.
  static absl::StatusOr<std::shared_ptr<const PluginPackage>> Load(const std::string& manifest_path);

  // The evaluator of that id in the manifest, or null.
  const plugin::v1::Manifest::Evaluator* Find(absl::string_view evaluator) const;
};

}  // namespace assay::plugin_host
