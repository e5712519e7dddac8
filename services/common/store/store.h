// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay::store {

// Names of the tables (column families) a store is opened with. A store refuses to open with fewer than it holds.
using Table = std::string;

// The longest key a store takes.
inline constexpr size_t kMaxKeyBytes = 4096;
// The largest value a store takes.
inline constexpr size_t kMaxValueBytes = 16 << 20;

// Changes that are applied together, in their order, or not at all. Not thread-safe.
class Batch {
 public:
  struct Change {
    enum class Kind { kPut, kDelete, kDeletePrefix };
    Kind kind;
    Table table;
    std::string key;
    std::string value;
  };
  void Put(absl::string_view table, absl::string_view key, absl::string_view value);
  void Delete(absl::string_view table, absl::string_view key);
  // Deletes every key that starts with `prefix`, which must not be empty.
  void DeletePrefix(absl::string_view table, absl::string_view prefix);

  const std::vector<Change>& changes() const { return changes_; }
  bool empty() const { return changes_.empty(); }
  void Clear() { changes_.clear(); }

 private:
  std::vector<Change> changes_;
};

struct Row {
  std::string key;
  std::string value;
};

// Ordered key-value tables with atomic durable batches. Thread-safe; one writer at a time is fastest.
class Store {
 public:
  virtual ~Store() = default;
  // Applies `batch`; when it returns OK with `sync`, the batch survives a power loss. INVALID_ARGUMENT: no such table,
  // or a key or value over its bound; nothing changed. Any other failure leaves the outcome unknown until the store is
  // opened again: RESOURCE_EXHAUSTED (disk full), DATA_LOSS, INTERNAL (I/O error); every later Write is then
  // FAILED_PRECONDITION while reads go on. A store opened for reading answers FAILED_PRECONDITION at once.
  virtual absl::Status Write(const Batch& batch, bool sync) = 0;
  // NOT_FOUND: no such key. DATA_LOSS: the disk returned what was not written. INVALID_ARGUMENT: no such table.
  virtual absl::StatusOr<std::string> Get(absl::string_view table, absl::string_view key) = 0;
  // Rows whose key starts with `prefix`, in key order, from the whole key `start` (inclusive; empty: the first) on, at
  // most `limit`. One call sees one moment of the store.
  virtual absl::StatusOr<std::vector<Row>> Scan(absl::string_view table, absl::string_view prefix,
                                                absl::string_view start, size_t limit) = 0;
  // The same, last key first, from the whole key `start` (exclusive; empty: the end) down.
  virtual absl::StatusOr<std::vector<Row>> ScanBackwards(absl::string_view table, absl::string_view prefix,
                                                         absl::string_view start, size_t limit) = 0;
  // SHA-256, as 32 bytes, over every (table, key, value) of one moment in order: equal states have equal hashes,
  // whichever implementation holds them.
  virtual absl::StatusOr<std::string> StateHash(const std::vector<Table>& tables) = 0;
};

}  // namespace assay::store
