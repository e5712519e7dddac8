// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/base/unique_fd.h"
#include "services/sandbox/launcher.h"

namespace assay::sandbox {

// One file of a submission; an entry of archive::Pack fits as it is. The bytes must live as long as the call.
struct SourceFile {
  std::string path;  // relative, "/" between parts, none of them "." or ".."
  uint32_t mode = 0644;
  bool is_link = false;
  absl::string_view content;
};

// Why a submission has no workspace, or what a reader should know of the one it has.
struct Failure {
  enum class FaultDomain { kSubmission, kPlatform } fault_domain = FaultDomain::kSubmission;
  std::string package;  // the npm package or file concerned; may be empty
  std::string step;     // files, package.json, lockfile, resolve, install, node
  std::string text;
};

// A submission as a folder, with its dependencies and its Node release, ready to be mounted. The folder goes with this
// object; the shared layers stay, and none of them is removed while it lives.
struct Workspace {
  Workspace() = default;
  Workspace(Workspace&&) noexcept = default;
  Workspace& operator=(Workspace&&) = delete;
  ~Workspace();

  std::string app_directory;      // the folder that holds package.json
  std::string modules_directory;  // node_modules of the dependency layer; empty: no dependencies
  std::string node_directory;     // holds bin/node
  std::string npm_directory;      // the pinned npm; empty: there was nothing to install
  std::string node_version;       // "22.1.0"
  std::string root;               // folder inside the submission that app_directory is: "" or "package"
  // The lockfile the layer was made from: evidence. `lockfile_missing`: the submission had none, npm resolved it now.
  std::string lockfile;
  bool lockfile_missing = false;
  std::vector<Failure> notes;

  // How a program of it is launched: /app (writes stay in memory), /app/node_modules, /node, libraries, HOME and /tmp in
  // the memory file system, own network and processes, PATH and HOME set, directory /app. The caller adds argv (with
  // kNodePath), environment, descriptors and limits.
  LaunchSpec ServerSpec() const;
  static constexpr const char* kNodePath = "/node/bin/node";
  // Where npm_directory is mounted for what is started by npm.
  static constexpr const char* kNpmMount = "/npm";
  static constexpr const char* kNpmPath = "/npm/bin/npm-cli.js";

  std::string temporary;        // removed with this object
  std::vector<UniqueFd> leases;  // shared locks on the layers in use
};

struct WorkspaceOptions {
  // Holds node/, layers/, resolved/ and work/; made if missing, with access for its owner only.
  std::string cache_directory;
  // Least recently used layers go beyond this.
  uint64_t max_layer_bytes = uint64_t{8} << 30;
  // Of one installation.
  absl::Duration install_timeout = absl::Minutes(4);
  uint64_t install_memory_bytes = uint64_t{3} << 30;
  uint64_t install_disk_bytes = uint64_t{1} << 30;
};

// Makes workspaces. Uses the machine's npm only to learn the operator's registry and to fetch the pinned Node and npm;
// candidates' dependencies are installed by the pinned npm in a confined process. Thread-safe; two processes may share a
// cache folder.
class WorkspaceMaker {
 public:
  virtual ~WorkspaceMaker() = default;

  struct Request {
    absl::Span<const SourceFile> files;
    int node_major = 0;  // 18, 20, 22, 24; another is replaced by the nearest, with a note; 0: 22
    bool install = true;  // false: files and Node only
  };
  struct Result {
    // Null if something failed; then `failures` says what, each with package and step.
    std::unique_ptr<Workspace> workspace;
    std::vector<Failure> failures;
  };
  // Blocks: from 50 ms (all cached) to install_timeout. Never fails as a whole: what went wrong stands in the result.
  virtual Result Make(const Request& request) = 0;

  // `launcher` must outlive the maker.
  static absl::StatusOr<std::unique_ptr<WorkspaceMaker>> Create(WorkspaceOptions options, Launcher& launcher);
};

}  // namespace assay::sandbox
