// SPDX-License-Identifier: Apache-2.0
#include "services/archive/pack.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/archive/entry_path.h"
#include "services/archive/pack_format.h"
#include "services/archive/pack_writer.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::archive {
namespace {

constexpr int kNeededSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;

absl::Status Defect(absl::string_view what) { return absl::InvalidArgumentError(absl::StrCat("pack: ", what)); }

// Reads one index entry, whose numbers may be anything.
absl::StatusOr<PackEntry> ReadEntry(const char* data, const char* raw, uint64_t names, uint64_t index) {
  PackEntry entry;
  entry.offset = ReadNumber<uint64_t>(raw);
  entry.size = ReadNumber<uint64_t>(raw + 8);
  const uint64_t name_size = ReadNumber<uint32_t>(raw + 16);
  const uint32_t mode = ReadNumber<uint32_t>(raw + 20);
  const uint64_t name = ReadNumber<uint64_t>(raw + 24);
  if (name < names || name > index || name_size > index - name) return Defect("a name lies outside the names");
  entry.path.assign(data + name, name_size);
  ASSAY_RETURN_IF_ERROR(CheckEntryPath(entry.path));
  if (entry.offset < kPackHeaderBytes || entry.offset > names || entry.size > names - entry.offset) {
    return Defect(absl::StrCat("the content of ", JsonQuote(entry.path), " lies outside the contents"));
  }
  if (mode != kModeFile && mode != kModeExecutable && mode != kModeLink) {
    return Defect(absl::StrCat("mode ", mode, " of ", JsonQuote(entry.path)));
  }
  entry.is_link = mode == kModeLink;
  entry.mode = mode == kModeExecutable ? 0755 : 0644;
  ASSAY_ASSIGN_OR_RETURN(entry.sha256, Digest::FromBytes({raw + 32, Digest::kSize}));
  return entry;
}

}  // namespace

Pack::Pack(Pack&& other) noexcept
    : fd_(std::move(other.fd_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      entries_(std::move(other.entries_)) {}

Pack& Pack::operator=(Pack&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(entries_, other.entries_);
  return *this;
}

Pack::~Pack() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

absl::StatusOr<Pack> Pack::Open(UniqueFd fd) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kNeededSeals) != kNeededSeals) return Defect("not a sealed memory file");
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return ErrnoStatus(errno, "fstat of a pack");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size < kPackHeaderBytes || size > kMaxPackBytes) {
    return Defect(absl::StrCat(size, " bytes; ", kPackHeaderBytes, " to ", kMaxPackBytes));
  }
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) return ErrnoStatus(errno, "mmap of a pack");
  Pack pack;
  pack.fd_ = std::move(fd);
  pack.data_ = static_cast<const char*>(data);
  pack.size_ = size;
  ASSAY_RETURN_IF_ERROR(pack.ReadIndex());
  return pack;
}

absl::Status Pack::ReadIndex() {
  if (absl::string_view(data_, kPackMagic.size()) != kPackMagic) return Defect("another magic");
  const auto count = ReadNumber<uint64_t>(data_ + 8);
  const auto index = ReadNumber<uint64_t>(data_ + 16);
  const auto names = ReadNumber<uint64_t>(data_ + 24);
  if (ReadNumber<uint64_t>(data_ + 32) != size_) return Defect("its size is not what its header says");
  if (count > kMaxPackEntries) return Defect(absl::StrCat(count, " entries; at most ", kMaxPackEntries));
  if (index > size_ || size_ - index != count * kPackIndexEntryBytes || names > index || names < kPackHeaderBytes) {
    return Defect("the index lies outside the file");
  }
  uint64_t total = 0;
  entries_.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    ASSAY_ASSIGN_OR_RETURN(PackEntry entry, ReadEntry(data_, data_ + index + i * kPackIndexEntryBytes, names, index));
    if (!entries_.empty() && entries_.back().path >= entry.path) return Defect("its names are not sorted");
    total += entry.size;
    if (total > kMaxPackContentBytes) return Defect("more than 256 MiB of contents");
    entries_.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

absl::string_view Pack::Content(const PackEntry& entry) const { return {data_ + entry.offset, entry.size}; }

const PackEntry* Pack::Find(absl::string_view path) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), path,
                                      [](const PackEntry& entry, absl::string_view p) { return entry.path < p; });
  return found != entries_.end() && found->path == path ? &*found : nullptr;
}

Digest Pack::content_digest() const {
  Hasher hasher;
  std::string record;
  for (const PackEntry& entry : entries_) {
    record.clear();
    AppendNumber<uint64_t>(entry.path.size(), record);
    record += entry.path;
    AppendNumber<uint64_t>(entry.is_link ? kModeLink : entry.mode == 0755 ? kModeExecutable : kModeFile, record);
    AppendNumber<uint64_t>(entry.size, record);
    absl::StrAppend(&record, entry.sha256.bytes());
    hasher.Update(record);
  }
  return hasher.Finish();
}

absl::Status Pack::Verify() const {
  for (const PackEntry& entry : entries_) {
    if (Digest::Of(Content(entry)) != entry.sha256) {
      return absl::DataLossError(
          absl::StrCat("pack: the content of ", JsonQuote(entry.path), " is not what its index entry says"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Pack> MakePack(std::vector<PackFile> files) {
  UniqueFd fd(::memfd_create("assay-pack", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.is_open()) return ErrnoStatus(errno, "memfd_create");
  PackWriter writer(fd.get());
  for (const PackFile& file : files) {
    writer.Begin(file.path, file.mode, file.is_link);
    ASSAY_RETURN_IF_ERROR(writer.Append(file.content));
    writer.End();
  }
  ASSAY_RETURN_IF_ERROR(writer.Finish());
  ASSAY_RETURN_IF_ERROR(SealPack(fd.get()));
  return Pack::Open(std::move(fd));
}

absl::Status SealPack(int fd) {
  if (::fcntl(fd, F_ADD_SEALS, kNeededSeals | F_SEAL_SEAL) != 0) return ErrnoStatus(errno, "sealing a pack");
  return absl::OkStatus();
}

}  // namespace assay::archive
