// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/sandbox/dependency_install.h"
#include "services/sandbox/layer_store.h"
#include "services/sandbox/node_release.h"
#include "services/sandbox/runtime_mounts.h"
#include "services/sandbox/workspace_files.h"

namespace assay::sandbox {
namespace {

using FaultDomain = Failure::FaultDomain;

const SourceFile* FindFile(absl::Span<const SourceFile> files, const std::string& path) {
  for (const SourceFile& file : files) {
    if (file.path == path && !file.is_link) return &file;
  }
  return nullptr;
}

Failure PlatformFailure(const char* step, const absl::Status& status) {
  return {FaultDomain::kPlatform, "", step, std::string(status.message())};
}

// Folders of makers that died; those that live hold a lock.
void SweepWork(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    UniqueFd fd(open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (fd.is_open() && flock(fd.get(), LOCK_EX | LOCK_NB) == 0) RemoveFolder(entry.path().string());
  }
}

class CachedWorkspaceMaker final : public WorkspaceMaker {
 public:
  CachedWorkspaceMaker(WorkspaceOptions options, Launcher& launcher)
      : options_(std::move(options)), launcher_(launcher), releases_(options_.cache_directory + "/node", 0),
        layers_(options_.cache_directory + "/layers", options_.max_layer_bytes),
        resolved_(options_.cache_directory + "/resolved", 256 << 20) {}

  Result Make(const Request& request) override {
    Result result;
    auto workspace = std::make_unique<Workspace>();
    if (Prepare(request, *workspace, result.failures)) result.workspace = std::move(workspace);
    return result;
  }

 private:
  // False: `failures` says why.
  bool Prepare(const Request& request, Workspace& workspace, std::vector<Failure>& failures) {
    absl::StatusOr<std::string> root = FindApplicationRoot(request.files);
    if (!root.ok()) {
      failures.push_back({FaultDomain::kSubmission, "package.json", "package.json", std::string(root.status().message())});
      return false;
    }
    workspace.root = *root;
    if (absl::Status made = MakeTemporary(workspace); !made.ok()) {
      failures.push_back(PlatformFailure("files", made));
      return false;
    }
    absl::Status written = WriteFiles(request.files, *root, workspace.app_directory, workspace.notes);
    if (!written.ok()) {
      auto domain = absl::IsInvalidArgument(written) ? FaultDomain::kSubmission : FaultDomain::kPlatform;
      failures.push_back({domain, "", "files", std::string(written.message())});
      return false;
    }
    return AddNode(request.node_major, workspace, failures) &&
           (!request.install || AddDependencies(request.files, workspace, failures));
  }

  absl::Status MakeTemporary(Workspace& workspace) const {
    std::string pattern = options_.cache_directory + "/work/XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) return ErrnoStatus(errno, "make a workspace folder");
    workspace.temporary = pattern;
    UniqueFd lock(open(pattern.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.is_open() || flock(lock.get(), LOCK_SH | LOCK_NB) != 0) return ErrnoStatus(errno, "lock a workspace folder");
    workspace.leases.push_back(std::move(lock));
    workspace.app_directory = pattern + "/app";
    if (mkdir(workspace.app_directory.c_str(), 0777) != 0 || chmod(workspace.app_directory.c_str(), 0777) != 0) {
      return ErrnoStatus(errno, "make a workspace folder");
    }
    return absl::OkStatus();
  }

  bool AddNode(int major, Workspace& workspace, std::vector<Failure>& failures) {
    absl::StatusOr<PinnedPackage> node = ChooseNode(major);
    absl::StatusOr<LayerStore::Layer> layer = node.ok() ? FetchPinned(launcher_, releases_, *node) : node.status();
    if (!layer.ok()) {
      failures.push_back(PlatformFailure("node", layer.status()));
      return false;
    }
    if (major != 0 && node->major != major) {
      workspace.notes.push_back({FaultDomain::kSubmission, "node", "node",
                                 absl::StrCat("Node ", major, " was asked for; ", node->version, " is the nearest offered")});
    }
    workspace.node_version = node->version;
    workspace.node_directory = layer->path + "/package";
    workspace.leases.push_back(std::move(layer->lease));
    return true;
  }

  absl::StatusOr<const RegistryConfig*> Registry() {
    absl::MutexLock lock(&mutex_);
    if (!registry_.has_value()) {
      ASSAY_ASSIGN_OR_RETURN(registry_, LearnRegistry(launcher_));
    }
    return &*registry_;
  }

  bool AddDependencies(absl::Span<const SourceFile> files, Workspace& workspace, std::vector<Failure>& failures) {
    const std::string prefix = workspace.root.empty() ? "" : workspace.root + "/";
    const SourceFile* manifest = FindFile(files, prefix + "package.json");
    const SourceFile* lock = FindFile(files, prefix + "npm-shrinkwrap.json");
    if (lock == nullptr) lock = FindFile(files, prefix + "package-lock.json");
    absl::StatusOr<const RegistryConfig*> registry = Registry();
    absl::StatusOr<LayerStore::Layer> npm =
        registry.ok() ? FetchPinned(launcher_, releases_, PinnedNpm()) : registry.status();
    if (!npm.ok()) {
      failures.push_back(PlatformFailure("node", npm.status()));
      return false;
    }
    workspace.npm_directory = npm->path + "/package";
    workspace.leases.push_back(std::move(npm->lease));
    DependencyInstaller installer(options_, launcher_, **registry, workspace.node_directory, workspace.npm_directory);
    absl::StatusOr<Resolution> resolution = Resolve(installer, workspace, manifest->content,
                                                    lock == nullptr ? absl::string_view() : lock->content);
    if (!Accept(resolution, "resolve", workspace, failures)) return false;
    workspace.lockfile = resolution->lock;
    workspace.lockfile_missing = resolution->lockfile_missing;
    if (resolution->lock.empty()) return true;
    return AddLayer(installer, *resolution, workspace, failures);
  }

  static bool Accept(const absl::StatusOr<Resolution>& resolution, const char* step, Workspace& workspace,
                     std::vector<Failure>& failures) {
    if (!resolution.ok()) {
      failures.push_back(PlatformFailure(step, resolution.status()));
      return false;
    }
    workspace.notes.insert(workspace.notes.end(), resolution->notes.begin(), resolution->notes.end());
    failures.insert(failures.end(), resolution->failures.begin(), resolution->failures.end());
    return resolution->failures.empty();
  }

  // Remembered by what went in, so that the same submission resolves to the same lockfile, and at once.
  absl::StatusOr<Resolution> Resolve(const DependencyInstaller& installer, const Workspace& workspace,
                                     absl::string_view manifest, absl::string_view lock) {
    Hasher hasher;
    hasher.Update(absl::StrCat(Digest::Of(manifest).bytes(), Digest::Of(lock).bytes(), workspace.node_version));
    const std::string key = hasher.Finish().ToHex();
    if (auto known = resolved_.Find(key); known.has_value()) {
      absl::StatusOr<Resolution> resolution = Read(known->path);
      if (resolution.ok()) return resolution;
    }
    ASSAY_ASSIGN_OR_RETURN(Resolution resolution, installer.Check(workspace.temporary, manifest, lock));
    if (!resolution.failures.empty()) return resolution;
    absl::Status kept = resolved_.Make(key, [&](const std::string& folder) { return Write(resolution, folder); }).status();
    if (!kept.ok()) return kept;
    return resolution;
  }

  static absl::Status Write(const Resolution& resolution, const std::string& folder) {
    ASSAY_RETURN_IF_ERROR(WriteFileAtomically(folder + "/package.json", resolution.manifest));
    ASSAY_RETURN_IF_ERROR(WriteFileAtomically(folder + "/package-lock.json", resolution.lock));
    std::string flags = absl::StrCat(resolution.lockfile_missing ? "missing\n" : "", resolution.legacy_peers ? "legacy\n" : "");
    for (const Failure& note : resolution.notes) absl::StrAppend(&flags, EncodeNote(note), "\n");
    return WriteFileAtomically(folder + "/records", flags + "done\n");
  }

  static std::string EncodeNote(const Failure& note) {
    std::string line = "note";
    for (const std::string& field : {note.package, note.step, note.text}) {
      line.push_back('\t');
      for (char c : field) {
        const bool plain = c > ' ' && c < 0x7f && c != '%';
        line += plain ? std::string(1, c)
                      : absl::StrCat("%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
      }
    }
    return line;
  }

  static absl::StatusOr<Resolution> Read(const std::string& folder) {
    ASSAY_ASSIGN_OR_RETURN(std::string records, ReadFile(folder + "/records"));
    ASSAY_ASSIGN_OR_RETURN(Resolution resolution, ParseRecords(records));
    ASSAY_ASSIGN_OR_RETURN(resolution.manifest, ReadFile(folder + "/package.json"));
    ASSAY_ASSIGN_OR_RETURN(resolution.lock, ReadFile(folder + "/package-lock.json"));
    return resolution;
  }

  bool AddLayer(const DependencyInstaller& installer, const Resolution& resolution, Workspace& workspace,
                std::vector<Failure>& failures) {
    const std::string major = workspace.node_version.substr(0, workspace.node_version.find('.'));
    const std::string key = absl::StrCat("linux-x64-node", major, "-", Digest::Of(resolution.lock).ToHex());
    std::optional<LayerStore::Layer> layer = layers_.Find(key);
    if (!layer.has_value()) {
      bool accepted = true;
      auto made = layers_.Make(key, [&](const std::string& folder) -> absl::Status {
        // The process writes below a folder of its own, never beside what we write.
        const std::string content = folder + "/content";
        if (mkdir(content.c_str(), 0777) != 0 || chmod(content.c_str(), 0777) != 0 || chmod(folder.c_str(), 0755) != 0) {
          return ErrnoStatus(errno, "make a layer folder");
        }
        absl::StatusOr<Resolution> installed = installer.Install(workspace.temporary, resolution, content);
        accepted = Accept(installed, "install", workspace, failures);
        if (!accepted) return absl::AbortedError("installation failed");
        return chmod(content.c_str(), 0755) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "close a layer folder");
      });
      if (!accepted) return false;
      if (!made.ok()) {
        failures.push_back(PlatformFailure("install", made.status()));
        return false;
      }
      layer = *std::move(made);
    }
    workspace.modules_directory = layer->path + "/content/node_modules";
    workspace.leases.push_back(std::move(layer->lease));
    return true;
  }

  const WorkspaceOptions options_;
  Launcher& launcher_;
  const LayerStore releases_;
  const LayerStore layers_;
  const LayerStore resolved_;
  absl::Mutex mutex_;
  std::optional<RegistryConfig> registry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

Workspace::~Workspace() {
  if (!temporary.empty()) RemoveFolder(temporary);
}

LaunchSpec Workspace::ServerSpec() const {
  LaunchSpec spec;
  spec.directory = "/app";
  spec.environment = {"HOME=/home/app", "TMPDIR=/tmp", "PATH=/node/bin:/app/node_modules/.bin:/usr/bin:/bin"};
  Isolation& isolation = spec.isolation;
  isolation.new_network = isolation.new_mounts = isolation.new_processes = true;
  isolation.profile = Profile::kServer;
  isolation.mounts = NodeLibraryMounts();
  isolation.mounts.push_back({node_directory, "/node"});
  isolation.mounts.push_back({app_directory, "/app", true, Mount::Kind::kOverlay});
  if (!modules_directory.empty()) isolation.mounts.push_back({modules_directory, "/app/node_modules"});
  return spec;
}

absl::StatusOr<std::unique_ptr<WorkspaceMaker>> WorkspaceMaker::Create(WorkspaceOptions options, Launcher& launcher) {
  if (options.cache_directory.empty() || options.cache_directory[0] != '/') {
    return absl::InvalidArgumentError("cache_directory: must be an absolute path");
  }
  if (options.install_timeout <= absl::ZeroDuration() || options.install_timeout > absl::Hours(1)) {
    return absl::InvalidArgumentError("install_timeout: must be above zero and at most one hour");
  }
  for (const char* folder : {"", "/node", "/layers", "/resolved", "/work"}) {
    ASSAY_RETURN_IF_ERROR(MakeDirectories(options.cache_directory + folder));
  }
  // Files below are open to all users, the sandbox's among them; nobody else gets in.
  if (chmod(options.cache_directory.c_str(), 0700) != 0) return ErrnoStatus(errno, "close cache_directory to others");
  SweepWork(options.cache_directory + "/work");
  return std::make_unique<CachedWorkspaceMaker>(std::move(options), launcher);
}

}  // namespace assay::sandbox
