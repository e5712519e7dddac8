// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/rows.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

#include "absl/strings/match.h"

namespace assay::aggregator {

std::string SerializeRow(const google::protobuf::MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

absl::StatusOr<std::optional<std::string>> StoreRows::Get(absl::string_view table, absl::string_view key) const {
  absl::StatusOr<std::string> value = store_.Get(table, key);
  if (absl::IsNotFound(value.status())) return std::optional<std::string>();
  if (!value.ok()) return value.status();
  return std::optional<std::string>(*std::move(value));
}

absl::StatusOr<std::vector<store::Row>> StoreRows::Scan(absl::string_view table, absl::string_view prefix,
                                                        absl::string_view start, size_t limit) const {
  return store_.Scan(table, prefix, start, limit);
}

absl::StatusOr<std::optional<std::string>> RowChanges::Get(absl::string_view table, absl::string_view key) const {
  if (const auto changes = changes_.find(table); changes != changes_.end()) {
    if (const auto row = changes->second.find(key); row != changes->second.end()) return row->second;
  }
  return below_.Get(table, key);
}

absl::StatusOr<std::vector<store::Row>> RowChanges::Scan(absl::string_view table, absl::string_view prefix,
                                                         absl::string_view start, size_t limit) const {
  const auto changes = changes_.find(table);
  if (changes == changes_.end()) return below_.Scan(table, prefix, start, limit);

  // Deleted rows may hide as many rows below as there are changes in the range.
  const auto first = changes->second.lower_bound(start < prefix ? prefix : start);
  size_t hidden = 0;
  for (auto row = first; row != changes->second.end() && absl::StartsWith(row->first, prefix); ++row) ++hidden;
  ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> stored, below_.Scan(table, prefix, start, limit + hidden));

  std::vector<store::Row> merged;
  auto change = first;
  auto old = stored.begin();
  const auto change_left = [&] { return change != changes->second.end() && absl::StartsWith(change->first, prefix); };
  while (merged.size() < limit && (old != stored.end() || change_left())) {
    if (!change_left() || (old != stored.end() && old->key < change->first)) {
      merged.push_back(std::move(*old++));
      continue;
    }
    if (old != stored.end() && old->key == change->first) ++old;
    if (change->second) merged.push_back({change->first, *change->second});
    ++change;
  }
  return merged;
}

void RowChanges::Put(absl::string_view table, absl::string_view key, std::string value) {
  changes_[std::string(table)].insert_or_assign(std::string(key), std::move(value));
}

void RowChanges::Delete(absl::string_view table, absl::string_view key) {
  changes_[std::string(table)].insert_or_assign(std::string(key), std::nullopt);
}

store::Batch RowChanges::ToBatch() const {
  store::Batch batch;
  for (const auto& [table, rows] : changes_) {
    for (const auto& [key, value] : rows) {
      if (value) {
        batch.Put(table, key, *value);
      } else {
        batch.Delete(table, key);
      }
    }
  }
  return batch;
}

}  // namespace assay::aggregator
