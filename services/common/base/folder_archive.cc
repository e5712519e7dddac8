// SPDX-License-Identifier: Apache-2.0
#include "services/common/base/folder_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"

namespace assay {
namespace {

constexpr uint64_t kMaxFiles = 10'000;
constexpr uint64_t kMaxBytes = 256ull << 20;
constexpr int kMaxDepth = 64;
constexpr size_t kMaxLeftOut = 100;

struct Found {
  bool is_link = false;
  bool executable = false;
  uint64_t size = 0;
  std::string target;
};

absl::Status TooMuch(absl::string_view what, uint64_t limit) {
  return absl::ResourceExhaustedError(absl::StrCat("the folder has more than ", limit, " ", what));
}

// Walks a folder by descriptors, so that nothing that changes meanwhile leads out of it.
class Walk {
 public:
  Walk(std::map<std::string, Found>& found, FolderArchive& result) : found_(found), result_(result) {}

  absl::Status Folder(UniqueFd folder, const std::string& prefix, int depth) {
    if (depth > kMaxDepth) return TooMuch("levels", kMaxDepth);
    std::vector<std::string> names;
    ASSAY_RETURN_IF_ERROR(List(folder.get(), prefix, names));
    for (const std::string& name : names) {
      const std::string path = prefix + name;
      if (IsLeftOut(name)) {
        if (result_.left_out.size() < kMaxLeftOut) result_.left_out.push_back(path);
        continue;
      }
      ASSAY_RETURN_IF_ERROR(Entry(folder.get(), name, path, depth));
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status List(int folder, const std::string& prefix, std::vector<std::string>& names) {
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(::fcntl(folder, F_DUPFD_CLOEXEC, 0)), &::closedir);
    if (stream == nullptr) return ErrnoStatus(errno, absl::StrCat("reading the folder ", JsonQuote(prefix)));
    while (const dirent* entry = ::readdir(stream.get())) {
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      names.emplace_back(name);
      if (names.size() > 100 * kMaxFiles) return TooMuch("names in one folder", 100 * kMaxFiles);
    }
    std::sort(names.begin(), names.end());
    return absl::OkStatus();
  }

  absl::Status Entry(int folder, const std::string& name, const std::string& path, int depth) {
    struct stat status {};
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return ErrnoStatus(errno, JsonQuote(path));
    }
    if (S_ISDIR(status.st_mode)) {
      UniqueFd inner(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!inner.is_open()) return ErrnoStatus(errno, absl::StrCat("opening the folder ", JsonQuote(path)));
      return Folder(std::move(inner), path + "/", depth + 1);
    }
    Found found;
    if (S_ISLNK(status.st_mode)) {
      char target[PATH_MAX];
      const ssize_t size = ::readlinkat(folder, name.c_str(), target, sizeof target);
      if (size < 0) return ErrnoStatus(errno, absl::StrCat("reading the link ", JsonQuote(path)));
      found.is_link = true;
      found.target.assign(target, static_cast<size_t>(size));
      ++result_.links;
    } else if (S_ISREG(status.st_mode)) {
      found.executable = (status.st_mode & 0111) != 0;
      found.size = static_cast<uint64_t>(status.st_size);
      result_.content_bytes += found.size;
      ++result_.files;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(JsonQuote(path), ": neither a file nor a folder nor a link; remove it or pack without it"));
    }
    if (result_.content_bytes > kMaxBytes) return TooMuch("bytes", kMaxBytes);
    if (result_.files + result_.links > kMaxFiles) return TooMuch("files", kMaxFiles);
    found_.emplace(path, std::move(found));
    return absl::OkStatus();
  }

  std::map<std::string, Found>& found_;
  FolderArchive& result_;
};

absl::Status ArchiveStatus(archive* writer) {
  return absl::InternalError(absl::StrCat("writing the archive: ", archive_error_string(writer)));
}

// Opens `path` below `folder` without following any link on the way.
absl::StatusOr<UniqueFd> OpenBelow(int folder, const std::string& path) {
  UniqueFd at(::fcntl(folder, F_DUPFD_CLOEXEC, 0));
  size_t start = 0;
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', start)) {
    at.reset(
        ::openat(at.get(), path.substr(start, slash - start).c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!at.is_open()) return ErrnoStatus(errno, JsonQuote(path));
    start = slash + 1;
  }
  UniqueFd file(::openat(at.get(), path.substr(start).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) return ErrnoStatus(errno, JsonQuote(path));
  return file;
}

absl::Status WriteContent(archive* writer, int folder, const std::string& path, uint64_t size) {
  ASSAY_ASSIGN_OR_RETURN(UniqueFd file, OpenBelow(folder, path));
  char buffer[1 << 16];
  uint64_t total = 0;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, JsonQuote(path));
    if (got == 0) break;
    total += static_cast<uint64_t>(got);
    if (total > size) break;
    if (archive_write_data(writer, buffer, static_cast<size_t>(got)) != got) return ArchiveStatus(writer);
  }
  if (total == size) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(JsonQuote(path), ": changed its size while it was read; try again"));
}

absl::Status WriteEntry(archive* writer, int folder, const std::string& path, const Found& found) {
  std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), &archive_entry_free);
  archive_entry_set_pathname(entry.get(), absl::StrCat(kPackedTopFolder, path).c_str());
  archive_entry_set_mode(entry.get(), (found.is_link ? AE_IFLNK : AE_IFREG) | (found.executable ? 0755 : 0644));
  archive_entry_set_size(entry.get(), found.is_link ? 0 : static_cast<la_int64_t>(found.size));
  archive_entry_set_mtime(entry.get(), 0, 0);
  if (found.is_link) archive_entry_set_symlink(entry.get(), found.target.c_str());
  if (archive_write_header(writer, entry.get()) != ARCHIVE_OK) {
    return absl::InvalidArgumentError(absl::StrCat(JsonQuote(path), ": ", archive_error_string(writer)));
  }
  return found.is_link ? absl::OkStatus() : WriteContent(writer, folder, path, found.size);
}

}  // namespace

bool IsLeftOut(absl::string_view name) {
  return name == "node_modules" || name == ".git" || name == ".hg" || name == ".svn" || name == "__MACOSX" ||
         name == ".DS_Store";
}

absl::StatusOr<FolderArchive> WriteFolderArchive(const std::string& folder, int fd) {
  UniqueFd root(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root.is_open()) return ErrnoStatus(errno, folder);
  FolderArchive result;
  std::map<std::string, Found> found;
  ASSAY_RETURN_IF_ERROR(Walk(found, result).Folder(UniqueFd(::fcntl(root.get(), F_DUPFD_CLOEXEC, 0)), "", 0));
  std::sort(result.left_out.begin(), result.left_out.end());
  std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), &archive_write_free);
  archive_write_set_format_pax_restricted(writer.get());
  // Names pass as the bytes they are, whatever the locale.
  archive_write_set_option(writer.get(), "pax", "hdrcharset", "BINARY");
  archive_write_set_bytes_in_last_block(writer.get(), 1);
  if (archive_write_open_fd(writer.get(), fd) != ARCHIVE_OK) return ArchiveStatus(writer.get());
  for (const auto& [path, entry] : found) {
    ASSAY_RETURN_IF_ERROR(WriteEntry(writer.get(), root.get(), path, entry));
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) return ArchiveStatus(writer.get());
  return result;
}

}  // namespace assay
