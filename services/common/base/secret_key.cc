// SPDX-License-Identifier: Apache-2.0
#include "services/common/base/secret_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"

namespace assay {
namespace {

std::string PathOf(const std::string& directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name, ".key");
}

// A key is written whole under another name first, then linked, so that two processes agree on the one that was first.
absl::Status MakeKey(const std::string& directory, const std::string& path) {
  const std::string temporary = absl::StrCat(path, ".", Base32(RandomBytes(8)));
  {
    UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_open()) return ErrnoStatus(errno, temporary);
    const std::string key = RandomBytes(kSecretKeyBytes);
    if (write(fd.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) || fsync(fd.get()) != 0) {
      const absl::Status status = ErrnoStatus(errno, temporary);
      unlink(temporary.c_str());
      return status;
    }
  }
  const int linked = link(temporary.c_str(), path.c_str());
  const int error = errno;
  unlink(temporary.c_str());
  if (linked != 0 && error != EEXIST) return ErrnoStatus(error, path);
  return SyncDirectory(directory);
}

}  // namespace

absl::StatusOr<std::string> ReadSecretKey(const std::string& directory, absl::string_view name) {
  const std::string path = PathOf(directory, name);
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, path);
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": others may read this key; chmod 600 it"));
  }
  ASSAY_ASSIGN_OR_RETURN(std::string key, ReadFile(path, kSecretKeyBytes));
  if (key.size() != kSecretKeyBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": a key has ", kSecretKeyBytes, " bytes, this has ", key.size()));
  }
  return key;
}

absl::StatusOr<std::string> ReadOrMakeSecretKey(const std::string& directory, absl::string_view name) {
  absl::StatusOr<std::string> key = ReadSecretKey(directory, name);
  if (!absl::IsNotFound(key.status())) return key;
  ASSAY_RETURN_IF_ERROR(MakeKey(directory, PathOf(directory, name)));
  return ReadSecretKey(directory, name);
}

absl::Status MakeSecretDirectory(const std::string& directory) {
  ASSAY_RETURN_IF_ERROR(MakeDirectories(directory));
  if (chmod(directory.c_str(), 0700) != 0) return ErrnoStatus(errno, directory);
  return absl::OkStatus();
}

}  // namespace assay
