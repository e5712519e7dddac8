// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay::rpc {

// Makes what a client hands back unforgeable: read tokens, page tokens, resume tokens. A token says nothing secret, but
// it is bound to a purpose and a tenant by a MAC, so that no client can invent one or use another's. Thread-safe.
class TokenSealer {
 public:
  static constexpr size_t kMaxTokenBytes = 2048;

  // `key`: at least 32 random bytes, the same in every process that opens these tokens.
  explicit TokenSealer(std::string key) : key_(std::move(key)) {}

  // `purpose` is a constant such as "page"; `payload` at most 1 KiB. The token is safe in URLs.
  std::string Seal(absl::string_view purpose, absl::string_view tenant, absl::string_view payload) const;
  // INVALID_ARGUMENT, with the same text whatever is wrong.
  absl::StatusOr<std::string> Open(absl::string_view purpose, absl::string_view tenant, absl::string_view token) const;

 private:
  std::string Mac(absl::string_view purpose, absl::string_view tenant, absl::string_view payload) const;
  const std::string key_;
};

// What a read token proves: the record at `offset` of the shard's partition was acknowledged.
struct ReadPosition {
  uint32_t shard = 0;
  int64_t offset = 0;
  // Identity of the log, so that a token of a log that was replaced proves nothing.
  std::string log_identity;
  friend bool operator==(const ReadPosition&, const ReadPosition&) = default;
};
std::string SealReadToken(const TokenSealer& sealer, absl::string_view tenant, const ReadPosition& position);
absl::StatusOr<ReadPosition> OpenReadToken(const TokenSealer& sealer, absl::string_view tenant,
                                           absl::string_view token);

}  // namespace assay::rpc
