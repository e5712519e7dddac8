// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/base/unique_fd.h"

namespace assay::sandbox {

// Folders by key that are made once, never change, and are removed when they were not used for longest. Safe for several
// processes on one folder: a layer appears whole by rename, and whoever uses one holds a shared lock on it.
// Thread-safe.
class LayerStore {
 public:
  // `max_bytes` 0: nothing is ever removed.
  LayerStore(std::string directory, uint64_t max_bytes) : directory_(std::move(directory)), max_bytes_(max_bytes) {}

  struct Layer {
    std::string path;
    UniqueFd lease;  // keeps it from being removed
  };
  // The layer, marked as used now; none if it was never made.
  std::optional<Layer> Find(const std::string& key) const;
  // Runs `make` on a fresh folder and puts that in place under `key`. If another was faster, that one is returned.
  absl::StatusOr<Layer> Make(const std::string& key, const std::function<absl::Status(const std::string&)>& make) const;

 private:
  void RemoveOldest() const;
  std::string directory_;
  uint64_t max_bytes_;
};

}  // namespace assay::sandbox
