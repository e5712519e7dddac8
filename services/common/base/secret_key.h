// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay {

inline constexpr size_t kSecretKeyBytes = 32;

// The secret in `directory`/`name`.key: 32 bytes, mode 0600. FAILED_PRECONDITION: the file is not a key, or others may
// read it. NOT_FOUND: none is there.
absl::StatusOr<std::string> ReadSecretKey(const std::string& directory, absl::string_view name);

// The same, made when it is missing. Processes that share the folder agree on the one that was first.
absl::StatusOr<std::string> ReadOrMakeSecretKey(const std::string& directory, absl::string_view name);

// Makes `directory` if it is missing, and closes it to everybody but its owner (mode 0700).
absl::Status MakeSecretDirectory(const std::string& directory);

}  // namespace assay
