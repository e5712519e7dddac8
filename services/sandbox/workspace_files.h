// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/sandbox/workspace.h"

namespace assay::sandbox {

// The folder inside a submission that is the application: "" if package.json stands at the top, else the one top folder
// that holds one (published npm packages have "package"). NOT_FOUND if there is none.
absl::StatusOr<std::string> FindApplicationRoot(absl::Span<const SourceFile> files);

// Writes the files below `root` as a tree at `directory`, which must exist and be empty. No link is followed or made;
// links and node_modules are left out and noted. Everything is readable and writable for all, because the sandbox's user
// changes with each launch and `directory` is reached by its owner alone. INVALID_ARGUMENT names a path that may not be.
absl::Status WriteFiles(absl::Span<const SourceFile> files, const std::string& root, const std::string& directory,
                        std::vector<Failure>& notes);

// Removes a tree, following no link. Errors leave the rest behind for the next sweep.
void RemoveFolder(const std::string& directory);

}  // namespace assay::sandbox
