// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/capability.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"

namespace assay::aggregator {

std::string MakeCapability(absl::string_view key, absl::string_view evaluation_id, uint32_t attempt,
                           absl::string_view plugin_digest, absl::Time expiry) {
  const Digest mac = Hmac(key, absl::StrCat("capability\n", evaluation_id, "\n", attempt, "\n", plugin_digest, "\n",
                                            absl::ToUnixMicros(expiry)));
  return std::string(mac.bytes());
}

bool EqualMac(absl::string_view a, absl::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace assay::aggregator
