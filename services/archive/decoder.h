// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/archive/pack.h"
#include "services/common/base/unique_fd.h"
#include "services/sandbox/launcher.h"

namespace assay::archive {

struct DecodeOptions {
  // Folder of assay-unpack; empty: beside this executable.
  std::string executable_folder;
  absl::Duration wall = absl::Seconds(60);
  uint64_t memory_bytes = 512 << 20;
};

struct DecodedArchive {
  Pack pack;
  // For a reader: what was left out, stripped or recorded as a link.
  std::vector<std::string> remarks;
};

// Decodes an uploaded archive in a confined process of its own (assay-unpack: no network, no processes, sees its own
// executable alone, as far as the machine allows) and checks what comes back, hashes included. `archive` is read from
// its start. Blocks; thread-safe.
//
// INVALID_ARGUMENT and RESOURCE_EXHAUSTED are about the archive and name entry and limit (unpack.h): the submission is
// unfit, trying again gives the same. Everything else (UNAVAILABLE, INTERNAL, FAILED_PRECONDITION) is the platform's.
// A decoder that a limit ended (60 s, 512 MiB) is RESOURCE_EXHAUSTED; one that a signal ended is INVALID_ARGUMENT.
absl::StatusOr<DecodedArchive> DecodeArchive(sandbox::Launcher& launcher, const UniqueFd& archive,
                                             const DecodeOptions& options = {});

}  // namespace assay::archive
