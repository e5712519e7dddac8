// SPDX-License-Identifier: Apache-2.0
#include "services/common/base/build_id.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"

namespace assay {

// "assay-build-id:<32 hex digits>;<version>", by tools/cmake/build_id.cmake. Found in a program's file by its
// beginning, which therefore stands nowhere else in it.
extern const char kBuildIdRecord[];

namespace {

constexpr size_t kPrefixBytes = sizeof("assay-build-id:") - 1;
constexpr size_t kIdBytes = 32;

absl::string_view Prefix() { return {kBuildIdRecord, kPrefixBytes}; }

bool IsId(absl::string_view text) {
  return text.size() == kIdBytes + 1 && text.back() == ';' &&
         std::all_of(text.begin(), text.end() - 1, [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

// Reads a file as it is, for as long as this lives.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return ErrnoStatus(errno, path);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, path);
    if (!S_ISREG(info.st_mode) || info.st_size == 0)
      return absl::InvalidArgumentError(absl::StrCat(path, ": not a program"));
    const size_t size = static_cast<size_t>(info.st_size);
    void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (bytes == MAP_FAILED) return ErrnoStatus(errno, path);
    return MappedFile(static_cast<const char*>(bytes), size);
  }
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
  absl::string_view bytes() const { return bytes_; }

 private:
  MappedFile(const char* bytes, size_t size) : bytes_(bytes, size) {}
  absl::string_view bytes_;
};

}  // namespace

absl::string_view BuildVersion() { return absl::string_view(kBuildIdRecord).substr(kPrefixBytes + kIdBytes + 1); }

absl::string_view BuildId() { return {kBuildIdRecord + kPrefixBytes, kIdBytes}; }

absl::StatusOr<std::string> FindBuildId(const std::string& path) {
  ASSAY_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  absl::string_view rest = file.bytes();
  const absl::string_view prefix = Prefix();
  while (const void* at = ::memmem(rest.data(), rest.size(), prefix.data(), prefix.size())) {
    rest.remove_prefix(static_cast<size_t>(static_cast<const char*>(at) - rest.data()) + prefix.size());
    if (IsId(rest.substr(0, kIdBytes + 1))) return std::string(rest.substr(0, kIdBytes));
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": holds no build id, so it is none of Assay's programs"));
}

absl::Status CheckSameBuild(const std::string& path) {
  if (::access(path.c_str(), X_OK) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": not there, or not executable"));
  }
  const absl::StatusOr<std::string> id = FindBuildId(path);
  if (absl::IsInvalidArgument(id.status())) return absl::FailedPreconditionError(id.status().message());
  ASSAY_RETURN_IF_ERROR(id.status());
  return CompareBuildId(path, *id);
}

absl::Status CompareBuildId(absl::string_view program, absl::string_view id) {
  if (id == BuildId()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(program, ": is of build ", id.empty() ? "unknown" : id,
                                                    ", the program that starts it of build ", BuildId(),
                                                    "; install both from one build"));
}

}  // namespace assay
