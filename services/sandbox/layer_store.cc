// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/layer_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/sandbox/workspace_files.h"

namespace assay::sandbox {
namespace {

// Beside the content: how many bytes it takes, so that nobody has to walk it again.
constexpr char kSizeFile[] = ".assay-layer-bytes";
constexpr char kTemporary[] = "making-";

uint64_t TreeBytes(const std::string& path) {
  uint64_t bytes = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(path, error), end; entry != end && !error;
       entry.increment(error)) {
    struct stat status;
    if (lstat(entry->path().c_str(), &status) == 0) bytes += static_cast<uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

UniqueFd OpenLocked(const std::string& path, int operation) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (fd.is_open() && flock(fd.get(), operation | LOCK_NB) != 0) fd.reset();
  struct stat held{}, named{};
  // It may have been renamed away between the two calls.
  if (fd.is_open() && (fstat(fd.get(), &held) != 0 || stat(path.c_str(), &named) != 0 || held.st_ino != named.st_ino)) {
    fd.reset();
  }
  return fd;
}

}  // namespace

std::optional<LayerStore::Layer> LayerStore::Find(const std::string& key) const {
  const std::string path = directory_ + "/" + key;
  UniqueFd lease = OpenLocked(path, LOCK_SH);
  if (!lease.is_open()) return std::nullopt;
  futimens(lease.get(), nullptr);
  return Layer{path, std::move(lease)};
}

absl::StatusOr<LayerStore::Layer> LayerStore::Make(
    const std::string& key, const std::function<absl::Status(const std::string&)>& make) const {
  ASSAY_RETURN_IF_ERROR(MakeDirectories(directory_));
  std::string temporary = directory_ + "/" + kTemporary + "XXXXXX";
  if (mkdtemp(temporary.data()) == nullptr) return ErrnoStatus(errno, absl::StrCat("make a folder in ", directory_));
  // Held while it is made, so that a sweep takes only those whose maker died.
  UniqueFd lock = OpenLocked(temporary, LOCK_SH);
  absl::Status made = make(temporary);
  if (made.ok()) {
    made = WriteFileAtomically(temporary + "/" + kSizeFile, absl::StrCat(TreeBytes(temporary)));
  }
  const std::string path = directory_ + "/" + key;
  if (made.ok() && rename(temporary.c_str(), path.c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST) {
    made = ErrnoStatus(errno, absl::StrCat("rename a layer to ", path));
  }
  lock.reset();
  RemoveFolder(temporary);
  ASSAY_RETURN_IF_ERROR(made);
  std::optional<Layer> layer = Find(key);
  if (!layer.has_value()) return absl::UnavailableError(absl::StrCat("layer ", key, " was removed at once"));
  RemoveOldest();
  return *std::move(layer);
}

void LayerStore::RemoveOldest() const {
  if (max_bytes_ == 0) return;
  struct Entry {
    std::filesystem::file_time_type used;
    std::string path;
    uint64_t bytes = 0;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(directory_, error)) {
    Entry entry{item.last_write_time(error), item.path().string()};
    const bool unfinished = absl::StartsWith(item.path().filename().string(), kTemporary);
    absl::StatusOr<std::string> bytes = ReadFile(entry.path + "/" + kSizeFile, 64);
    if (bytes.ok() && !absl::SimpleAtoi(*bytes, &entry.bytes)) entry.bytes = 0;
    if (unfinished) entry.used = {};
    total += entry.bytes;
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    const bool unfinished = absl::StrContains(entry.path, kTemporary);
    if (total <= max_bytes_ && !unfinished) continue;
    UniqueFd alone = OpenLocked(entry.path, LOCK_EX);
    if (!alone.is_open()) continue;
    // Out of sight first, so that nobody finds it half removed.
    const std::string away = absl::StrCat(directory_, "/", kTemporary, "gone-", std::filesystem::path(entry.path).filename().string());
    if (!unfinished && rename(entry.path.c_str(), away.c_str()) != 0) continue;
    RemoveFolder(unfinished ? entry.path : away);
    total -= std::min(total, entry.bytes);
  }
}

}  // namespace assay::sandbox
