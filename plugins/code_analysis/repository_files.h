// SPDX-License-Identifier: Apache-2.0
//
// What the files of a repository say that are not JavaScript: manifests, lock files, coverage settings. Pure functions
// over (path, bytes); bytes may be anything: of a file that cannot be read
// nothing is returned, and `problem` (which may be null) says at which line and why.
// Pipelines are in repository_pipelines.h, decision records in repository_documents.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/data_tree.h"
#include "plugins/code_analysis/source/source_file.h"

namespace assay::code_analysis {

// "packages/api" of "packages/api/package.json"; empty for a file at the root.
std::string_view DirectoryOf(std::string_view path);
std::string_view BaseNameOf(std::string_view path);
// `directory` and `name` joined, "./" and "../" taken away; empty when it leaves the root.
std::string JoinPath(std::string_view directory, std::string_view name);
// Whether some folder of `path` is called `name`.
bool HasFolder(std::string_view path, std::string_view name);
// Whether bytes look like text: no NUL within the first 8 KiB.
bool LooksLikeText(std::string_view bytes);

// ---- package.json ----

struct Script {
  std::string name;
  std::string command;
  uint32_t line = 0;
};

struct Dependency {
  enum class Kind { kRuntime, kDevelopment, kPeer, kOptional };
  std::string name;
  std::string range;
  Kind kind = Kind::kRuntime;
  uint32_t line = 0;
};

struct Manifest {
  std::string path;
  std::string name;
  std::string main;
  std::string module_type;      // "module", "commonjs" or empty
  std::string node_range;       // engines.node
  std::string package_manager;  // for example "pnpm@9.1.0"
  bool is_private = false;
  std::vector<std::string> workspaces;
  std::vector<Script> scripts;
  std::vector<Dependency> dependencies;  // sorted by name within each kind as in the file
  DataTree tree;                         // everything else

  // Null when there is none.
  const Script* FindScript(std::string_view script) const;
  // Runtime dependencies first; null when there is none.
  const Dependency* FindDependency(std::string_view dependency) const;
};

// At most 2,000 dependencies and 500 scripts are kept.
std::optional<Manifest> ReadManifest(std::string_view path, std::string_view bytes, std::string* problem = nullptr);

// ---- lock files ----

struct Lockfile {
  enum class Tool { kNpm, kYarn, kPnpm, kBun };
  std::string path;
  Tool tool = Tool::kNpm;
  // What the lock file says the manifest beside it asks for: name to range. Yarn keeps no such list; there it holds
  // every "name" with all ranges it was asked for, joined by '\n'.
  std::map<std::string, std::string, std::less<>> wanted;
  // Whether `wanted` is known; bun.lockb and npm's first format have no such list.
  bool wanted_known = false;
  // Packages at the top of the tree: name to version.
  std::map<std::string, std::string, std::less<>> versions;
  uint32_t packages = 0;
  uint32_t without_integrity = 0;
};

// Whether the base name of `path` is one of a lock file.
bool IsLockfilePath(std::string_view path);
std::optional<Lockfile> ReadLockfile(std::string_view path, std::string_view bytes, std::string* problem = nullptr);

// Names of runtime, development and optional dependencies whose range in the manifest is not what the lock file was
// made from, sorted. Taken as matching: ranges that name a place (workspace:, file:, link:, portal:, catalog:),
// packages of the repository itself, and packages the manifest overrides.
std::vector<std::string> LockfileMismatches(const Manifest& manifest, const Lockfile& lockfile,
                                            std::span<const Manifest> repository);

// ---- Dockerfile ----

struct DockerInstruction {
  std::string name;       // upper case
  std::string arguments;  // continued lines joined by "\\\n", comments between them taken out
  uint32_t line = 0;
};

// "Dockerfile", "api.Dockerfile", "Dockerfile.production".
bool IsDockerfilePath(std::string_view path);
// At most 1,000 instructions.
std::vector<DockerInstruction> ReadDockerfile(std::string_view bytes);

// ---- coverage settings ----

// A setting under which too little coverage makes a run fail.
struct CoverageGate {
  std::string path;
  uint32_t line = 0;
  std::string tool;   // "jest", "nyc", "c8", "vitest", "node"
  double lowest = 0;  // the lowest of the thresholds, in percent
  double lines = 0;   // the one for lines or statements (whichever is given), else `lowest`
  // Coverage is collected whenever the tool runs, without a flag on the command line.
  bool always_collected = false;
};

// Thresholds in package.json, .nycrc*, .c8rc*, jest.config.*, vitest.config.*, vite.config.* and in the commands of
// scripts. Thresholds of 0 and below, computed ones, and those of a tool no script runs are left out.
std::vector<CoverageGate> ReadCoverageGates(std::span<const Manifest> manifests, std::span<const SourceFile> files);

}  // namespace assay::code_analysis
