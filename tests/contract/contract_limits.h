// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace assay::log {

// Of every log that a contract test opens.
inline constexpr int32_t kPartitions = 3;
// Long enough for a busy machine; only a bug ever waits for it.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

}  // namespace assay::log
