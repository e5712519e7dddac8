// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message_lite.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/common/base/status_macros.h"
#include "services/common/store/store.h"

namespace assay::aggregator {

// Serializes with map entries in key order, so that equal messages are equal bytes. All that a shard stores goes
// through here.
std::string SerializeRow(const google::protobuf::MessageLite& message);

// Rows of a shard as they are now. Absence is normal and no error; DATA_LOSS stops the shard. Keys of a scan lie in key
// order.
class RowReader {
 public:
  virtual ~RowReader() = default;
  virtual absl::StatusOr<std::optional<std::string>> Get(absl::string_view table, absl::string_view key) const = 0;
  // Rows whose key starts with `prefix`, from `start` (may be empty) on, at most `limit`.
  virtual absl::StatusOr<std::vector<store::Row>> Scan(absl::string_view table, absl::string_view prefix,
                                                       absl::string_view start, size_t limit) const = 0;

  // The row as a message; nullopt when there is none; DATA_LOSS when it is not a T.
  template <typename T>
  absl::StatusOr<std::optional<T>> Find(absl::string_view table, absl::string_view key) const {
    ASSAY_ASSIGN_OR_RETURN(std::optional<std::string> value, Get(table, key));
    if (!value) return std::optional<T>();
    std::optional<T> message(std::in_place);
    if (!message->ParseFromString(*value)) {
      return absl::DataLossError(absl::StrCat("table ", table, ": row ", key, " is not a ", message->GetTypeName()));
    }
    return message;
  }
};

// The rows of a store. Thread-safe; the store must outlive it.
class StoreRows final : public RowReader {
 public:
  explicit StoreRows(store::Store& store) : store_(store) {}
  absl::StatusOr<std::optional<std::string>> Get(absl::string_view table, absl::string_view key) const override;
  absl::StatusOr<std::vector<store::Row>> Scan(absl::string_view table, absl::string_view prefix,
                                               absl::string_view start, size_t limit) const override;

 private:
  store::Store& store_;
};

// Changes not yet written, laid over the rows they change: later events of a group see the earlier ones. Not
// thread-safe; `below` must outlive it.
class RowChanges final : public RowReader {
 public:
  explicit RowChanges(const RowReader& below) : below_(below) {}

  absl::StatusOr<std::optional<std::string>> Get(absl::string_view table, absl::string_view key) const override;
  absl::StatusOr<std::vector<store::Row>> Scan(absl::string_view table, absl::string_view prefix,
                                               absl::string_view start, size_t limit) const override;

  void Put(absl::string_view table, absl::string_view key, std::string value);
  void Put(absl::string_view table, absl::string_view key, const google::protobuf::MessageLite& message) {
    Put(table, key, SerializeRow(message));
  }
  void Delete(absl::string_view table, absl::string_view key);

  // Everything changed so far, in order of table and key.
  store::Batch ToBatch() const;

 private:
  using TableChanges = std::map<std::string, std::optional<std::string>, std::less<>>;
  const RowReader& below_;
  std::map<std::string, TableChanges, std::less<>> changes_;
};

}  // namespace assay::aggregator
