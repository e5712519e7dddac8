// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/archive/pack.h"
#include "services/common/base/digest.h"

namespace assay::archive {

// Writes the format of pack.md to a descriptor, entry by entry, hashing on the way. Not thread-safe.
class PackWriter {
 public:
  // `fd` must be writable from offset 0 on and outlive the writer.
  explicit PackWriter(int fd) : fd_(fd) {}

  // Starts an entry; the one before must have ended. Paths are checked by Finish().
  void Begin(absl::string_view path, uint32_t mode, bool is_link);
  // RESOURCE_EXHAUSTED: more than 256 MiB of contents; the message names the entry.
  absl::Status Append(absl::string_view data);
  void End();
  // Leaves `prefix` away from the front of every path; each must start with it.
  void StripPrefix(absl::string_view prefix);
  // Sorts, checks paths and duplicates, writes names, index and header, and cuts the file there. Called once.
  absl::Status Finish();

  const std::vector<PackEntry>& entries() const { return entries_; }
  uint64_t content_bytes() const { return content_bytes_; }

 private:
  absl::Status Flush();
  absl::Status CheckPaths();

  const int fd_;
  std::vector<PackEntry> entries_;
  std::optional<Hasher> hasher_;
  std::string buffer_;
  uint64_t written_ = 0;  // bytes of the file before `buffer_`
  uint64_t content_bytes_ = 0;
};

// Adds the seals that Pack::Open asks for. Nobody may have the file mapped for writing.
absl::Status SealPack(int fd);

}  // namespace assay::archive
