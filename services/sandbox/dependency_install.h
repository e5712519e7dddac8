// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/sandbox/launcher.h"
#include "services/sandbox/layer_store.h"
#include "services/sandbox/workspace.h"

namespace assay::sandbox {

// How the operator's npm reaches its registry, as far as an installation needs it.
struct RegistryConfig {
  std::string registry;     // URL; empty: npm's own default
  std::string certificates; // file; empty: none
  std::string npmrc;        // lines for scopes and credentials of registries
  std::vector<std::string> environment;  // proxies
};
// Asks the machine's npm once.
absl::StatusOr<RegistryConfig> LearnRegistry(Launcher& launcher);

// What checking and resolving a submission's package.json and lockfile gave.
struct Resolution {
  std::string manifest;  // cleaned package.json
  std::string lock;      // cleaned lockfile; empty: nothing to install
  bool lockfile_missing = false;
  bool legacy_peers = false;
  std::vector<Failure> notes;
  std::vector<Failure> failures;
};
// Reads the records that install_dependencies.js writes. INVALID_ARGUMENT for anything else, or if the end is missing.
absl::StatusOr<Resolution> ParseRecords(absl::string_view records);

// The two confined steps; each runs the pinned Node and npm with network and nothing of the machine's files.
class DependencyInstaller {
 public:
  DependencyInstaller(const WorkspaceOptions& options, Launcher& launcher, const RegistryConfig& registry,
                      std::string node_directory, std::string npm_directory)
      : options_(options), launcher_(launcher), registry_(registry), node_(std::move(node_directory)),
        npm_(std::move(npm_directory)) {}

  // `scratch`: a folder of ours for the inputs, not reachable by the process but through read-only mounts.
  absl::StatusOr<Resolution> Check(const std::string& scratch, absl::string_view manifest, absl::string_view lock) const;
  // Fills `layer` with node_modules. The result holds notes and failures only.
  absl::StatusOr<Resolution> Install(const std::string& scratch, const Resolution& resolved, const std::string& layer) const;

 private:
  absl::StatusOr<Resolution> Run(const std::string& inputs, std::vector<std::string> words, const std::string& layer) const;

  const WorkspaceOptions& options_;
  Launcher& launcher_;
  const RegistryConfig& registry_;
  const std::string node_;
  const std::string npm_;
};

}  // namespace assay::sandbox
