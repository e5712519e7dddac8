// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace assay::aggregator {

// What lets its holder answer one attempt: a MAC over evaluation, attempt, plugin digest and expiry.
std::string MakeCapability(absl::string_view key, absl::string_view evaluation_id, uint32_t attempt,
                           absl::string_view plugin_digest, absl::Time expiry);

// Compares in a time that does not depend on where the two differ.
bool EqualMac(absl::string_view a, absl::string_view b);

}  // namespace assay::aggregator
