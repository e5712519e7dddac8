// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "services/common/base/digest.h"

namespace assay::store {

// The hash every Store computes: SHA-256 over, for each table in the order asked, its name and then its rows in key
// order. Every string is preceded by its length (32 bits, big endian), each row by the byte 1 and each table by 0, so
// that no two states spell the same bytes. Not thread-safe.
class StateHasher {
 public:
  void BeginTable(absl::string_view name);
  void AddRow(absl::string_view key, absl::string_view value);
  // 32 bytes. Ends the computation.
  std::string Finish();

 private:
  void AddString(absl::string_view text);
  Hasher hasher_;
};

}  // namespace assay::store
