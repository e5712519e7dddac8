// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "assay/shard/v1/shard.pb.h"
#include "services/gateway/pseudonyms.h"

namespace assay::gateway {

// What clients carry around for us: opaque to them, signed with their tenant's key, good for nothing in another tenant
// or another call. Whatever is wrong with one is INVALID_ARGUMENT.

// Proves that a record was journaled.
struct ReadToken {
  uint32_t shard = 0;
  int64_t offset = -1;
};
std::string EncodeReadToken(const Pseudonyms& tenant, absl::string_view log_identity, const ReadToken& token);
absl::StatusOr<ReadToken> DecodeReadToken(const Pseudonyms& tenant, absl::string_view log_identity,
                                          absl::string_view text);

// Where a list goes on. `query` is what the list is of: a token of another one is refused.
std::string EncodePageToken(const Pseudonyms& tenant, absl::string_view query, const shard::v1::ListPosition& position);
absl::StatusOr<shard::v1::ListPosition> DecodePageToken(const Pseudonyms& tenant, absl::string_view query,
                                                        absl::string_view text);
// For lists in order of a name.
std::string EncodeNameToken(const Pseudonyms& tenant, absl::string_view query, absl::string_view after);
absl::StatusOr<std::string> DecodeNameToken(const Pseudonyms& tenant, absl::string_view query, absl::string_view text);

// Where a stream goes on: the next change of each shard it follows.
struct ResumePosition {
  uint32_t shard = 0;
  uint64_t next = 0;
};
std::string EncodeResumeToken(const Pseudonyms& tenant, absl::string_view query,
                              const std::vector<ResumePosition>& positions);
absl::StatusOr<std::vector<ResumePosition>> DecodeResumeToken(const Pseudonyms& tenant, absl::string_view query,
                                                              absl::string_view text);

}  // namespace assay::gateway
