// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/archive/pack_writer.h"

namespace assay::archive {

// What an archive may cost. Bytes are counted while they are inflated; no header is believed.
struct UnpackLimits {
  uint64_t max_entries = 10'000;
  uint64_t max_content_bytes = 256ull << 20;
  // Everything inflated, left-out folders included, may be this often the archive's own size; checked above 1 MiB.
  uint64_t max_ratio = 100;
  // Entries and bytes that are left out again (node_modules) may be more, but not without end.
  uint64_t max_visited_entries = 200'000;
  uint64_t max_inflated_bytes = 1ull << 30;
};

// Reads the tar, tar.gz, tar.zst or zip in `archive_fd` (seekable) into `writer`, which it finishes, and returns
// remarks for a reader: what was left out, stripped or recorded as a link (at most 50).
//
// INVALID_ARGUMENT or RESOURCE_EXHAUSTED name the entry, what is wrong and the limit: not one of the four formats,
// truncated or damaged, encrypted, a name that entry_path.h refuses, the same name twice (or differing in case alone),
// a device, a pipe or a sparse file, content that is not as long as its header says, a bound of `limits`.
//
// Permissions become 644 or 755; links of both kinds are recorded with their target's text and never followed; one
// folder that holds everything is stripped; folders that IsLeftOut() names are left out. Runs hostile input through
// libarchive: call it in a confined process only.
absl::StatusOr<std::vector<std::string>> Unpack(int archive_fd, PackWriter& writer, const UnpackLimits& limits = {});

}  // namespace assay::archive
