// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace assay::store {

struct DiskGuardOptions {
  // Any folder on the disk to guard; the ballast file lies in it.
  std::string path;
  // Space set aside, so that stores can still close, compact and be opened again after the disk ran full.
  uint64_t ballast_bytes = 256 << 20;
  // New work is refused while less than this part of the disk is free …
  double minimum_free_fraction = 0.10;
  // … but never while this many bytes are: a tenth of a large disk is not scarce.
  uint64_t enough_free_bytes = uint64_t{10} << 30;
  // What stores need at least to be opened after a crash: they write what they recover.
  uint64_t open_bytes = uint64_t{64} << 20;
};

// Watches the free space of the disk that holds a data folder: new work is refused before the stores hit the end of the
// disk, and a ballast file gives room to recover when they did. One for each data folder. Thread-safe.
class DiskGuard {
 public:
  // Makes the ballast file unless it is there; where there is no room for it beside what new work needs, it is left out,
  // and where there is not even room to open the stores, it is thrown: `has_ballast` is then false.
  static absl::StatusOr<std::unique_ptr<DiskGuard>> Create(DiskGuardOptions options);

  // RESOURCE_EXHAUSTED when new work should be refused, naming what is free and what is needed.
  absl::Status HasRoom() const;
  // RESOURCE_EXHAUSTED when stores could not be opened.
  absl::Status HasRoomToOpen() const;
  // Gives the ballast's space back to the disk; it is made again by a Create that finds room.
  absl::Status ReleaseBallast();
  bool has_ballast() const;

 private:
  explicit DiskGuard(DiskGuardOptions options);
  std::string BallastPath() const;
  uint64_t BytesForNewWork(uint64_t disk_bytes) const;

  const DiskGuardOptions options_;
};

}  // namespace assay::store
