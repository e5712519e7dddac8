// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay {

// The version of the product, "0.1.0".
absl::string_view BuildVersion();

// 32 hex digits, equal for programs that understand each other: a digest of the version and of every source that says
// what our programs tell those they start (tools/cmake/build_id.cmake has the list). A change elsewhere keeps it.
absl::string_view BuildId();

// The id of the program in a file, without running it. NOT_FOUND: no such file; INVALID_ARGUMENT: none of our programs.
absl::StatusOr<std::string> FindBuildId(const std::string& path);

// FAILED_PRECONDITION unless the file is one of our programs, executable, and of this program's build; names both ids.
absl::Status CheckSameBuild(const std::string& path);

// The same for a program that said its id itself.
absl::Status CompareBuildId(absl::string_view program, absl::string_view id);

}  // namespace assay
