// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay {

// Folders and files of that name are never part of a submission, wherever they lie: installed dependencies
// ("node_modules"), version control (".git", ".hg", ".svn") and what macOS adds ("__MACOSX", ".DS_Store").
bool IsLeftOut(absl::string_view name);

// The one top folder of a packed folder; no part of the content, and nothing its owner chose.
inline constexpr absl::string_view kPackedTopFolder = "submission/";

struct FolderArchive {
  uint64_t files = 0;
  uint64_t links = 0;
  uint64_t content_bytes = 0;
  // Relative paths of what was left out, sorted; at most 100.
  std::vector<std::string> left_out;
};

// Packs `folder` as a tar into `fd`, below `kPackedTopFolder`: sorted by path, files with mode 644 or 755, no
// owners, no times, so that equal folders give equal bytes. Links are written as links and never followed, and `folder`
// itself must be no link. Other kinds of files are refused by name (INVALID_ARGUMENT); so is a folder with more than
// 10,000 files or 256 MiB (RESOURCE_EXHAUSTED), because no server takes more. NOT_FOUND: no such folder.
absl::StatusOr<FolderArchive> WriteFolderArchive(const std::string& folder, int fd);

}  // namespace assay
