// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/token.h"

#include <openssl/crypto.h>

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/digest.h"
#include "services/common/base/status_macros.h"

namespace assay::rpc {
namespace {

constexpr char kVersion = 1;
constexpr size_t kMacBytes = 16;
constexpr char kReadPurpose[] = "read";

absl::Status BadToken() { return absl::InvalidArgumentError("token: not one of this server for this use"); }

}  // namespace

std::string TokenSealer::Mac(absl::string_view purpose, absl::string_view tenant, absl::string_view payload) const {
  // Lengths keep (purpose, tenant) pairs apart that would read the same when joined.
  const std::string message =
      absl::StrCat(purpose.size(), ":", purpose, ",", tenant.size(), ":", tenant, ",", payload);
  return std::string(Hmac(key_, message).bytes().substr(0, kMacBytes));
}

std::string TokenSealer::Seal(absl::string_view purpose, absl::string_view tenant, absl::string_view payload) const {
  return absl::WebSafeBase64Escape(
      absl::StrCat(std::string(1, kVersion), Mac(purpose, tenant, payload), payload));
}

absl::StatusOr<std::string> TokenSealer::Open(absl::string_view purpose, absl::string_view tenant,
                                              absl::string_view token) const {
  std::string bytes;
  if (token.size() > kMaxTokenBytes || !absl::WebSafeBase64Unescape(token, &bytes)) return BadToken();
  if (bytes.size() < 1 + kMacBytes || bytes[0] != kVersion) return BadToken();
  const std::string payload = bytes.substr(1 + kMacBytes);
  const std::string expected = Mac(purpose, tenant, payload);
  if (CRYPTO_memcmp(expected.data(), bytes.data() + 1, kMacBytes) != 0) return BadToken();
  return payload;
}

std::string SealReadToken(const TokenSealer& sealer, absl::string_view tenant, const ReadPosition& position) {
  return sealer.Seal(kReadPurpose, tenant,
                     absl::StrCat(position.shard, " ", position.offset, " ", position.log_identity));
}

absl::StatusOr<ReadPosition> OpenReadToken(const TokenSealer& sealer, absl::string_view tenant,
                                           absl::string_view token) {
  ASSAY_ASSIGN_OR_RETURN(const std::string payload, sealer.Open(kReadPurpose, tenant, token));
  const std::vector<std::string> parts = absl::StrSplit(payload, absl::MaxSplits(' ', 2));
  ReadPosition position;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &position.shard) ||
      !absl::SimpleAtoi(parts[1], &position.offset)) {
    return BadToken();
  }
  position.log_identity = parts[2];
  return position;
}

}  // namespace assay::rpc
