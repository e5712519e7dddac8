// SPDX-License-Identifier: Apache-2.0
#include "services/common/store/state_hash.h"

#include <cstdint>

namespace assay::store {

void StateHasher::AddString(absl::string_view text) {
  const uint32_t size = static_cast<uint32_t>(text.size());
  const char prefix[4] = {static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                          static_cast<char>(size)};
  hasher_.Update({prefix, sizeof prefix});
  hasher_.Update(text);
}

void StateHasher::BeginTable(absl::string_view name) {
  hasher_.Update(absl::string_view("\0", 1));
  AddString(name);
}

void StateHasher::AddRow(absl::string_view key, absl::string_view value) {
  hasher_.Update(absl::string_view("\1", 1));
  AddString(key);
  AddString(value);
}

std::string StateHasher::Finish() { return std::string(hasher_.Finish().bytes()); }

}  // namespace assay::store
