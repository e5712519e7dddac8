// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/common/base/digest.h"

namespace assay::aggregator {

// The Merkle tree of RFC 6962 over the records a shard applied, kept as the roots of its perfect subtrees (the
// frontier), so that one more leaf costs O(log n) and no old leaf is read.

// SHA-256(0x00, record).
Digest AuditLeaf(absl::string_view record);
// Adds one leaf to the size and frontier in `meta`.
void AppendAuditLeaf(const Digest& leaf, storage::v1::ShardMeta& meta);
// The root over all leaves; SHA-256 of nothing for an empty tree.
Digest AuditRoot(const storage::v1::ShardMeta& meta);

}  // namespace assay::aggregator
