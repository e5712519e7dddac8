// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/audit_tree.h"

namespace assay::aggregator {
namespace {

Digest Node(absl::string_view left, absl::string_view right) {
  Hasher hasher;
  hasher.Update(absl::string_view("\x01", 1));
  hasher.Update(left);
  hasher.Update(right);
  return hasher.Finish();
}

}  // namespace

Digest AuditLeaf(absl::string_view record) {
  Hasher hasher;
  hasher.Update(absl::string_view("\0", 1));
  hasher.Update(record);
  return hasher.Finish();
}

void AppendAuditLeaf(const Digest& leaf, storage::v1::ShardMeta& meta) {
  // Each trailing one bit of the size is a perfect subtree that the new leaf completes into one twice its size.
  Digest root = leaf;
  for (uint64_t size = meta.audit_size(); (size & 1) != 0; size >>= 1) {
    root = Node(meta.audit_frontier(meta.audit_frontier_size() - 1), root.bytes());
    meta.mutable_audit_frontier()->RemoveLast();
  }
  meta.add_audit_frontier(std::string(root.bytes()));
  meta.set_audit_size(meta.audit_size() + 1);
}

Digest AuditRoot(const storage::v1::ShardMeta& meta) {
  if (meta.audit_frontier_size() == 0) return Digest::Of("");
  std::string root = meta.audit_frontier(meta.audit_frontier_size() - 1);
  for (int i = meta.audit_frontier_size() - 2; i >= 0; --i) {
    root = std::string(Node(meta.audit_frontier(i), root).bytes());
  }
  return *Digest::FromBytes(root);
}

}  // namespace assay::aggregator
