// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/base/unique_fd.h"

namespace assay::standalone {

// The folder that holds everything a standalone server keeps, and the proof that nobody else writes to it. The lock goes
// with the process, however it ends.
class DataFolder {
 public:
  // Version of the folder's layout; a greater one is refused.
  static constexpr int kFormat = 1;

  // Makes the folder (mode 0700) if it is missing. FAILED_PRECONDITION: another server holds it (the message names its
  // process and socket), or a newer program wrote it. NOT_FOUND: missing, and `read_only`; such an opening takes no lock.
  static absl::StatusOr<DataFolder> Open(std::string path, bool read_only);

  // Tells others who holds the folder and where to reach it.
  absl::Status Announce(const std::string& socket) const;

  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  DataFolder(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  UniqueFd lock_;
};

}  // namespace assay::standalone
