// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"

// Numbers of pack.md, for its reader and its writer.
namespace assay::archive {

inline constexpr absl::string_view kPackMagic = "ASYPACK1";
inline constexpr size_t kPackHeaderBytes = 64;
inline constexpr size_t kPackIndexEntryBytes = 64;
inline constexpr uint64_t kMaxPackEntries = 10'000;
inline constexpr uint64_t kMaxPackContentBytes = 256ull << 20;
// Contents, names of 4 KiB each and the index.
inline constexpr uint64_t kMaxPackBytes =
    kPackHeaderBytes + kMaxPackContentBytes + kMaxPackEntries * (4096 + kPackIndexEntryBytes);
inline constexpr uint32_t kModeFile = 0100644;
inline constexpr uint32_t kModeExecutable = 0100755;
inline constexpr uint32_t kModeLink = 0120000;

// Our machines are little-endian, as the format is.
template <typename T>
T ReadNumber(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
void AppendNumber(T value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace assay::archive
