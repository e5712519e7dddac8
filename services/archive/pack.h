// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/common/base/digest.h"
#include "services/common/base/unique_fd.h"

namespace assay::archive {

// One entry of a pack. Paths are relative, with "/", without "." or ".." parts, and sorted bytewise.
struct PackEntry {
  std::string path;
  // Permission bits only: 0644 or 0755.
  uint32_t mode = 0644;
  // A link found in the archive: `offset` and `size` locate its target's text; nobody follows it.
  bool is_link = false;
  uint64_t offset = 0;
  uint64_t size = 0;
  Digest sha256;
};

// A submission's archive, decoded once: a sealed memory file with all file contents and an index. Whoever receives the
// descriptor maps it read-only; nobody can change it any more. Format: pack.md beside this file.
// Thread-safe after opening; spans live as long as the Pack.
class Pack {
 public:
  // Maps and checks everything but the hashes: seals, bounds, order, paths. Any defect is INVALID_ARGUMENT; it never
  // crashes.
  static absl::StatusOr<Pack> Open(UniqueFd fd);

  Pack(Pack&&) noexcept;
  Pack& operator=(Pack&&) noexcept;
  ~Pack();

  const std::vector<PackEntry>& entries() const { return entries_; }
  absl::string_view Content(const PackEntry& entry) const;
  // The entry with that path, or null.
  const PackEntry* Find(absl::string_view path) const;
  // SHA-256 over the sorted (path, mode, size, SHA-256 of the file): folder, tar and zip of the same files are equal.
  Digest content_digest() const;
  // Hashes every content and compares. DATA_LOSS names the first entry that differs from its index entry.
  absl::Status Verify() const;
  int fd() const { return fd_.get(); }

 private:
  Pack() = default;
  absl::Status ReadIndex();
  UniqueFd fd_;
  const char* data_ = nullptr;
  size_t size_ = 0;
  std::vector<PackEntry> entries_;
};

// Makes a pack from files in memory, sorted by path. INVALID_ARGUMENT: a path that is not allowed, or twice.
struct PackFile {
  std::string path;
  std::string content;
  uint32_t mode = 0644;
  bool is_link = false;
};
absl::StatusOr<Pack> MakePack(std::vector<PackFile> files);

}  // namespace assay::archive
