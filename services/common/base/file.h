// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay {

// The status of a failed system call: `errno_value` mapped to a code, with "<what>: <strerror>" as message.
absl::Status ErrnoStatus(int errno_value, absl::string_view what);

// Reads a whole file of at most `max_bytes`; a larger one is RESOURCE_EXHAUSTED, a missing one NOT_FOUND.
absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t max_bytes = 64 << 20);

// Replaces `path` so that after a crash either the old or the new content is there: temporary file, fsync, rename,
// fsync of the folder.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content);

// Makes `path` and its parents; existing folders are fine.
absl::Status MakeDirectories(const std::string& path);

// Flushes a folder's entries to disk, so that files created or renamed in it survive a power loss.
absl::Status SyncDirectory(const std::string& path);

// Space of the disk that holds `path`, in bytes; `available` is what an unprivileged process may still use.
struct DiskSpace {
  uint64_t total = 0;
  uint64_t available = 0;
};
absl::StatusOr<DiskSpace> GetDiskSpace(const std::string& path);

// The folder of the running executable, without a trailing slash. Our executables find each other beside themselves.
absl::StatusOr<std::string> ExecutableDirectory();

}  // namespace assay
