// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace assay::archive {

// A zip names its files twice: where each stands, and in the directory at its end, which is what most programs show.
// libarchive reads the directory whole before anything is counted, and takes the names from the files.
//
// INVALID_ARGUMENT: a file and the directory call it differently. RESOURCE_EXHAUSTED: the directory has more than
// `max_entries`. OK: neither, or the directory cannot be found, which the reader of the archive then says.
absl::Status CheckZipDirectory(int fd, uint64_t size, uint64_t max_entries);

}  // namespace assay::archive
