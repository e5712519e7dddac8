// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/tokens.h"

#include <openssl/crypto.h>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"

namespace assay::gateway {
namespace {

constexpr size_t kMacBytes = 16;
constexpr size_t kMaxToken = 4096;

absl::Status BadToken(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(what, ": not one this server gave out for this call"));
}

std::string Seal(const Pseudonyms& tenant, absl::string_view purpose, absl::string_view payload) {
  return absl::WebSafeBase64Escape(absl::StrCat(tenant.Mac(purpose, payload).substr(0, kMacBytes), payload));
}

absl::StatusOr<std::string> Open(const Pseudonyms& tenant, absl::string_view name, absl::string_view purpose,
                                 absl::string_view text) {
  std::string bytes;
  if (text.size() > kMaxToken || !absl::WebSafeBase64Unescape(text, &bytes) || bytes.size() < kMacBytes) {
    return BadToken(name);
  }
  std::string payload = bytes.substr(kMacBytes);
  const std::string expected = tenant.Mac(purpose, payload);
  if (CRYPTO_memcmp(bytes.data(), expected.data(), kMacBytes) != 0) return BadToken(name);
  return payload;
}

std::string ReadPurpose(absl::string_view log_identity) { return absl::StrCat("read ", log_identity); }
std::string PagePurpose(absl::string_view query) { return absl::StrCat("page ", query); }
std::string ResumePurpose(absl::string_view query) { return absl::StrCat("resume ", query); }

}  // namespace

std::string EncodeReadToken(const Pseudonyms& tenant, absl::string_view log_identity, const ReadToken& token) {
  return Seal(tenant, ReadPurpose(log_identity), absl::StrCat(token.shard, ".", token.offset));
}

absl::StatusOr<ReadToken> DecodeReadToken(const Pseudonyms& tenant, absl::string_view log_identity,
                                          absl::string_view text) {
  ASSAY_ASSIGN_OR_RETURN(const std::string payload, Open(tenant, "read_token", ReadPurpose(log_identity), text));
  const std::vector<absl::string_view> parts = absl::StrSplit(payload, '.');
  ReadToken token;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &token.shard) || !absl::SimpleAtoi(parts[1], &token.offset)) {
    return BadToken("read_token");
  }
  return token;
}

std::string EncodePageToken(const Pseudonyms& tenant, absl::string_view query,
                            const shard::v1::ListPosition& position) {
  return Seal(tenant, PagePurpose(query), position.SerializeAsString());
}

absl::StatusOr<shard::v1::ListPosition> DecodePageToken(const Pseudonyms& tenant, absl::string_view query,
                                                        absl::string_view text) {
  ASSAY_ASSIGN_OR_RETURN(const std::string payload, Open(tenant, "page_token", PagePurpose(query), text));
  shard::v1::ListPosition position;
  if (!position.ParseFromString(payload)) return BadToken("page_token");
  return position;
}

std::string EncodeNameToken(const Pseudonyms& tenant, absl::string_view query, absl::string_view after) {
  return Seal(tenant, PagePurpose(query), after);
}

absl::StatusOr<std::string> DecodeNameToken(const Pseudonyms& tenant, absl::string_view query, absl::string_view text) {
  return Open(tenant, "page_token", PagePurpose(query), text);
}

std::string EncodeResumeToken(const Pseudonyms& tenant, absl::string_view query,
                              const std::vector<ResumePosition>& positions) {
  std::string payload;
  for (const ResumePosition& position : positions) absl::StrAppend(&payload, position.shard, ".", position.next, " ");
  return Seal(tenant, ResumePurpose(query), payload);
}

absl::StatusOr<std::vector<ResumePosition>> DecodeResumeToken(const Pseudonyms& tenant, absl::string_view query,
                                                              absl::string_view text) {
  ASSAY_ASSIGN_OR_RETURN(const std::string payload, Open(tenant, "resume_token", ResumePurpose(query), text));
  std::vector<ResumePosition> positions;
  for (absl::string_view entry : absl::StrSplit(payload, ' ', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(entry, '.');
    ResumePosition position;
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &position.shard) ||
        !absl::SimpleAtoi(parts[1], &position.next)) {
      return BadToken("resume_token");
    }
    positions.push_back(position);
  }
  return positions;
}

}  // namespace assay::gateway
