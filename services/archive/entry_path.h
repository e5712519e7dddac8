// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace assay::archive {

// What a name inside a submission may be. Limits that are not about names stand in unpack.h.
inline constexpr size_t kMaxDepth = 16;
inline constexpr size_t kMaxPartBytes = 255;
// Leaves room below PATH_MAX for the folder such a name is written into.
inline constexpr size_t kMaxPathBytes = 1024;

// OK for a relative path of 1 to 1024 bytes: 1 to 16 parts joined by "/", each 1 to 255 bytes of UTF-8 other than "." and "..", without
// control characters and "\". INVALID_ARGUMENT names the path (quoted), what is wrong and what is allowed.
absl::Status CheckEntryPath(absl::string_view path);

bool IsUtf8(absl::string_view text);

}  // namespace assay::archive
