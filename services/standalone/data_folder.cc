// SPDX-License-Identifier: Apache-2.0
#include "services/standalone/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::standalone {
namespace {

constexpr char kFormatFile[] = "/format";
constexpr char kOwnerFile[] = "/owner";
constexpr char kLockFile[] = "/owner.lock";
constexpr absl::string_view kFormatWord = "assay-data ";

absl::StatusOr<int> ReadFormat(const std::string& path) {
  ASSAY_ASSIGN_OR_RETURN(const std::string content, ReadFile(path + kFormatFile, 64));
  absl::string_view text = absl::StripSuffix(content, "\n");
  int format = 0;
  if (!absl::ConsumePrefix(&text, kFormatWord) || !absl::SimpleAtoi(text, &format)) {
    return absl::FailedPreconditionError(absl::StrCat("data folder ", path, ": its file `format` is not ours"));
  }
  return format;
}

absl::Status CheckFormat(const std::string& path, bool read_only) {
  const absl::StatusOr<int> format = ReadFormat(path);
  if (absl::IsNotFound(format.status())) {
    if (read_only) return absl::NotFoundError(absl::StrCat("data folder ", path, ": nothing of ours is in it"));
    return WriteFileAtomically(path + kFormatFile, absl::StrCat(kFormatWord, DataFolder::kFormat, "\n"));
  }
  if (!format.ok()) return format.status();
  if (*format > DataFolder::kFormat) {
    return absl::FailedPreconditionError(absl::StrCat("data folder ", path, ": a newer program wrote it (format ",
                                                      *format, ", this one knows ", DataFolder::kFormat,
                                                      "); use that one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Lock(const std::string& path) {
  UniqueFd lock(open((path + kLockFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.is_open()) return ErrnoStatus(errno, path + kLockFile);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return ErrnoStatus(errno, path + kLockFile);
  const absl::StatusOr<std::string> owner = ReadFile(path + kOwnerFile, 4096);
  return absl::FailedPreconditionError(
      absl::StrCat("data folder ", path, ": another server holds it: ",
                   owner.ok() ? absl::StripSuffix(*owner, "\n") : absl::string_view("one that is still starting"),
                   "; use that one, stop it, or name another folder with --data"));
}

}  // namespace

absl::StatusOr<DataFolder> DataFolder::Open(std::string path, bool read_only) {
  if (path.empty()) return absl::InvalidArgumentError("data_directory: found nothing; name a folder with --data");
  struct stat info;
  if (read_only) {
    if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("data folder ", path));
    ASSAY_RETURN_IF_ERROR(CheckFormat(path, read_only));
    return DataFolder(std::move(path), UniqueFd());
  }
  const bool is_new = stat(path.c_str(), &info) != 0;
  ASSAY_RETURN_IF_ERROR(MakeDirectories(path));
  if (is_new && chmod(path.c_str(), 0700) != 0) return ErrnoStatus(errno, path);
  ASSAY_ASSIGN_OR_RETURN(UniqueFd lock, Lock(path));
  ASSAY_RETURN_IF_ERROR(CheckFormat(path, read_only));
  return DataFolder(std::move(path), std::move(lock));
}

absl::Status DataFolder::Announce(const std::string& socket) const {
  return WriteFileAtomically(path_ + kOwnerFile,
                             absl::StrCat("{\"pid\":", getpid(), ",\"socket\":", JsonQuote(socket), "}\n"));
}

}  // namespace assay::standalone
