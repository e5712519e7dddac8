// SPDX-License-Identifier: Apache-2.0
#include "services/common/store/disk_guard.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"

namespace assay::store {
namespace {

absl::Status Compare(const std::string& path, uint64_t available, uint64_t needed) {
  if (available >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("disk of ", path, ": ", available, " bytes free, ", needed, " needed; free some space"));
}

}  // namespace

DiskGuard::DiskGuard(DiskGuardOptions options) : options_(std::move(options)) {}

std::string DiskGuard::BallastPath() const { return absl::StrCat(options_.path, "/ballast"); }

absl::StatusOr<std::unique_ptr<DiskGuard>> DiskGuard::Create(DiskGuardOptions options) {
  ASSAY_RETURN_IF_ERROR(MakeDirectories(options.path));
  auto guard = std::unique_ptr<DiskGuard>(new DiskGuard(std::move(options)));
  const std::string path = guard->BallastPath();
  if (guard->has_ballast()) {
    if (guard->HasRoomToOpen().ok()) return guard;
    LogWarning("the disk is full: the ballast file goes", {{"path", path}});
    ASSAY_RETURN_IF_ERROR(guard->ReleaseBallast());
    return guard;
  }
  if (guard->options_.ballast_bytes == 0) return guard;
  ASSAY_ASSIGN_OR_RETURN(const DiskSpace space, GetDiskSpace(guard->options_.path));
  if (space.available < guard->options_.ballast_bytes + guard->BytesForNewWork(space.total)) {
    LogWarning("no room for the ballast file", {{"path", path}, {"available", absl::StrCat(space.available)}});
    return guard;
  }
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.is_open()) return ErrnoStatus(errno, absl::StrCat("create ", path));
  const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(guard->options_.ballast_bytes));
  if (error != 0) {
    ::unlink(path.c_str());
    LogWarning("no room for the ballast file", {{"path", path}, {"errno", absl::StrCat(error)}});
  }
  return guard;
}

uint64_t DiskGuard::BytesForNewWork(uint64_t disk_bytes) const {
  return std::min(static_cast<uint64_t>(static_cast<double>(disk_bytes) * options_.minimum_free_fraction),
                  options_.enough_free_bytes);
}

absl::Status DiskGuard::HasRoom() const {
  ASSAY_ASSIGN_OR_RETURN(const DiskSpace space, GetDiskSpace(options_.path));
  return Compare(options_.path, space.available, BytesForNewWork(space.total));
}

absl::Status DiskGuard::HasRoomToOpen() const {
  ASSAY_ASSIGN_OR_RETURN(const DiskSpace space, GetDiskSpace(options_.path));
  return Compare(options_.path, space.available, options_.open_bytes);
}

absl::Status DiskGuard::ReleaseBallast() {
  if (::unlink(BallastPath().c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("remove ", BallastPath()));
  }
  return absl::OkStatus();
}

bool DiskGuard::has_ballast() const {
  struct stat info;
  return ::stat(BallastPath().c_str(), &info) == 0 && static_cast<uint64_t>(info.st_size) >= options_.ballast_bytes;
}

}  // namespace assay::store
