// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/workspace_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::sandbox {
namespace {

constexpr size_t kMaxFiles = 20'000;
constexpr uint64_t kMaxBytes = 512 << 20;
constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxNotes = 50;

int OpenBeneath(int root, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
}

absl::Status CheckPath(absl::string_view path) {
  auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("file '", path.substr(0, 200), "': ", why));
  };
  if (path.size() > 4000) return refuse("the path is longer than 4000 bytes");
  if (absl::StrContains(path, '\0')) return refuse("the path holds a zero byte");
  std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (parts.size() > kMaxDepth) return refuse(absl::StrCat("deeper than ", kMaxDepth, " folders"));
  for (absl::string_view part : parts) {
    if (part.empty() || part == "." || part == "..") return refuse("empty, '.' or '..' part");
    if (part.size() > 255) return refuse("a name is longer than 255 bytes");
  }
  return absl::OkStatus();
}

// Makes the folders above `path`; `made` remembers those that are there.
absl::Status MakeParents(int top, absl::string_view path, std::set<std::string>& made) {
  for (size_t slash = path.find('/'); slash != absl::string_view::npos; slash = path.find('/', slash + 1)) {
    std::string folder(path.substr(0, slash));
    if (!made.insert(folder).second) continue;
    const size_t last = folder.rfind('/');
    UniqueFd parent(last == std::string::npos ? dup(top)
                                              : OpenBeneath(top, folder.substr(0, last), O_PATH | O_DIRECTORY, 0));
    const std::string name = last == std::string::npos ? folder : folder.substr(last + 1);
    if (!parent.is_open() || mkdirat(parent.get(), name.c_str(), 0777) != 0) {
      return ErrnoStatus(errno, absl::StrCat("make folder ", folder));
    }
    // mkdir is subject to the umask.
    UniqueFd folder_fd(OpenBeneath(top, folder, O_RDONLY | O_DIRECTORY, 0));
    if (!folder_fd.is_open() || fchmod(folder_fd.get(), 0777) != 0) {
      return ErrnoStatus(errno, absl::StrCat("open folder ", folder));
    }
  }
  return absl::OkStatus();
}

absl::Status WriteOne(int top, const SourceFile& file, const std::string& path) {
  const mode_t mode = (file.mode & 0100) != 0 ? 0777 : 0666;
  UniqueFd out(OpenBeneath(top, path, O_WRONLY | O_CREAT | O_EXCL, mode));
  if (!out.is_open() || fchmod(out.get(), mode) != 0) return ErrnoStatus(errno, absl::StrCat("make file ", path));
  for (absl::string_view rest = file.content; !rest.empty();) {
    ssize_t written = write(out.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return ErrnoStatus(errno, absl::StrCat("write file ", path));
    rest.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FindApplicationRoot(absl::Span<const SourceFile> files) {
  std::set<std::string> folders;
  for (const SourceFile& file : files) {
    if (file.is_link) continue;
    if (file.path == "package.json") return std::string();
    std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(file.path, absl::MaxSplits('/', 1));
    if (parts.second == "package.json") folders.insert(std::string(parts.first));
  }
  if (folders.size() == 1) return *folders.begin();
  return absl::NotFoundError(folders.empty() ? "no package.json at the top or in the one top folder"
                                             : "several top folders hold a package.json; none stands at the top");
}

absl::Status WriteFiles(absl::Span<const SourceFile> files, const std::string& root, const std::string& directory,
                        std::vector<Failure>& notes) {
  auto note = [&](const std::string& path, const char* text) {
    if (notes.size() < kMaxNotes) notes.push_back({Failure::FaultDomain::kSubmission, path, "files", text});
  };
  UniqueFd top(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!top.is_open()) return ErrnoStatus(errno, "open the workspace folder");
  const std::string prefix = root.empty() ? "" : root + "/";
  std::set<std::string> made;
  uint64_t bytes = 0;
  size_t count = 0;
  bool modules_noted = false;
  for (const SourceFile& file : files) {
    absl::string_view path = file.path;
    if (!absl::ConsumePrefix(&path, prefix)) continue;
    ASSAY_RETURN_IF_ERROR(CheckPath(path));
    if (file.is_link) {
      note(file.path, "is a link; links are left out");
      continue;
    }
    if (absl::StartsWith(path, "node_modules/")) {
      if (!modules_noted) note("node_modules", "comes with the submission; it is replaced by an installation");
      modules_noted = true;
      continue;
    }
    bytes += file.content.size();
    if (++count > kMaxFiles || bytes > kMaxBytes) {
      return absl::InvalidArgumentError(absl::StrCat("the submission has more than ", kMaxFiles, " files or ",
                                                     kMaxBytes >> 20, " MiB"));
    }
    ASSAY_RETURN_IF_ERROR(MakeParents(top.get(), path, made));
    ASSAY_RETURN_IF_ERROR(WriteOne(top.get(), file, std::string(path)));
  }
  return absl::OkStatus();
}

void RemoveFolder(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

}  // namespace assay::sandbox
