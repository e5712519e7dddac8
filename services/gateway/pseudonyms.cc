// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/pseudonyms.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"

namespace assay::gateway {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kIdLength = 26;

// Parts cannot run into each other: each is preceded by its length.
std::string Join(std::initializer_list<absl::string_view> parts) {
  std::string joined;
  for (absl::string_view part : parts) absl::StrAppend(&joined, part.size(), ":", part);
  return joined;
}

absl::StatusOr<std::string> ReadKey(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, path);
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": others may read this key; chmod 600 it"));
  }
  ASSAY_ASSIGN_OR_RETURN(std::string key, ReadFile(path, kKeyBytes));
  if (key.size() != kKeyBytes) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": a key has ", kKeyBytes, " bytes, this has ", key.size()));
  }
  return key;
}

// A key is written whole under another name first, then linked, so that two processes agree on the one that was first.
absl::Status CreateKey(const std::string& directory, const std::string& path) {
  const std::string temporary = absl::StrCat(path, ".", Base32(RandomBytes(8)));
  {
    UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_open()) return ErrnoStatus(errno, temporary);
    const std::string key = RandomBytes(kKeyBytes);
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

std::string Pseudonyms::Name(absl::string_view what, absl::string_view name) const {
  return Base32(Hmac(key_, Join({what, name})).bytes()).substr(0, kIdLength);
}

std::string Pseudonyms::SubmissionId(absl::string_view client, absl::string_view candidate,
                                     absl::string_view request_id) const {
  return Base32(Hmac(key_, Join({"submission", client, candidate, request_id})).bytes()).substr(0, kIdLength);
}

std::string Pseudonyms::EventId(absl::string_view call, absl::string_view client, absl::string_view candidate,
                                absl::string_view request_id) const {
  return Base32(Hmac(key_, Join({"event", call, client, candidate, request_id})).bytes()).substr(0, kIdLength);
}

std::string Pseudonyms::RequestDigest(absl::string_view content) const {
  return std::string(Hmac(key_, Join({"request", content})).bytes());
}

std::string Pseudonyms::Mac(absl::string_view purpose, absl::string_view data) const {
  return std::string(Hmac(key_, Join({"mac", purpose, data})).bytes());
}

absl::StatusOr<std::unique_ptr<TenantKeys>> TenantKeys::Open(std::string directory, bool read_only) {
  if (!read_only) {
    ASSAY_RETURN_IF_ERROR(MakeDirectories(directory));
    if (chmod(directory.c_str(), 0700) != 0) return ErrnoStatus(errno, directory);
  }
  return std::unique_ptr<TenantKeys>(new TenantKeys(std::move(directory), read_only));
}

absl::StatusOr<std::string> TenantKeys::Secret(absl::string_view name) {
  const std::string path = absl::StrCat(directory_, "/", name, ".key");
  absl::StatusOr<std::string> key = ReadKey(path);
  if (!absl::IsNotFound(key.status()) || read_only_) return key;
  ASSAY_RETURN_IF_ERROR(CreateKey(directory_, path));
  return ReadKey(path);
}

absl::StatusOr<const Pseudonyms*> TenantKeys::Get(absl::string_view tenant) {
  absl::MutexLock lock(&mutex_);
  if (const auto known = tenants_.find(tenant); known != tenants_.end()) return known->second.get();
  ASSAY_ASSIGN_OR_RETURN(std::string key, Secret(absl::StrCat("tenant-", tenant)));
  return tenants_.emplace(std::string(tenant), std::make_unique<Pseudonyms>(std::move(key))).first->second.get();
}

}  // namespace assay::gateway
