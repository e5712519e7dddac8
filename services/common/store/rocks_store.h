// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/store/store.h"

namespace rocksdb {
class Env;
}

namespace assay::store {

// Memory that all stores of a process share: one block cache, of which write buffers take their part.
class StoreMemory {
 public:
  static std::shared_ptr<StoreMemory> Create(size_t cache_bytes, size_t write_buffer_bytes);

  struct Parts;
  const Parts& parts() const { return *parts_; }
  explicit StoreMemory(std::unique_ptr<Parts> parts);
  ~StoreMemory();

 private:
  std::unique_ptr<Parts> parts_;
};

struct TableOptions {
  Table name;
  // Keys of this table start with this many bytes of one owner (a candidate, a submission), and scans name at least
  // those: they then skip files without that owner. 0: no such prefix.
  size_t prefix_bytes = 0;
};

struct RocksStoreOptions {
  std::string path;
  // Every table the store holds. Tables that are new are made; a table missing here is FAILED_PRECONDITION.
  std::vector<TableOptions> tables;
  // Opens without changing a file: reading commands use it on a folder no server holds.
  bool read_only = false;
  // Null: memory of its own, 32 MiB.
  std::shared_ptr<StoreMemory> memory;
  // For tests that break the disk; must outlive the store. Null: the operating system.
  rocksdb::Env* env = nullptr;
};

class RocksStore;

// The rows of a RocksStore at one moment, whatever is written meanwhile. What was deleted or replaced since then keeps
// its space as long as this lives. Thread-safe; the store must outlive it.
class RocksSnapshot {
 public:
  ~RocksSnapshot();
  // As in Store.
  absl::StatusOr<std::string> Get(absl::string_view table, absl::string_view key) const;
  absl::StatusOr<std::vector<Row>> Scan(absl::string_view table, absl::string_view prefix, absl::string_view start,
                                        size_t limit) const;

 private:
  friend class RocksStore;
  class Impl;
  explicit RocksSnapshot(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A Store in one folder, on RocksDB. Synced batches survive SIGKILL and power loss; a damaged log tail is cut at the
// damage, so that what is left is always an exact prefix of what was written: whoever consumes a Log keeps the consumed
// offset in the same batch, sees it fall back, and reads again. Checksums are verified on every read.
//
// Thread-safe. Only one process at a time opens a folder for writing.
class RocksStore final : public Store {
 public:
  // FAILED_PRECONDITION: another process has the folder, or it holds tables that `options` lacks. NOT_FOUND: nothing
  // there and read_only. DATA_LOSS: the files are damaged.
  static absl::StatusOr<std::unique_ptr<RocksStore>> Open(RocksStoreOptions options);
  ~RocksStore() override;

  absl::Status Write(const Batch& batch, bool sync) override;
  absl::StatusOr<std::string> Get(absl::string_view table, absl::string_view key) override;
  absl::StatusOr<std::vector<Row>> Scan(absl::string_view table, absl::string_view prefix, absl::string_view start,
                                        size_t limit) override;
  absl::StatusOr<std::vector<Row>> ScanBackwards(absl::string_view table, absl::string_view prefix,
                                                 absl::string_view start, size_t limit) override;
  absl::StatusOr<std::string> StateHash(const std::vector<Table>& tables) override;

  std::unique_ptr<RocksSnapshot> TakeSnapshot();

  // OK while writes are possible, else why not; RESOURCE_EXHAUSTED: the disk was full, and the store needs to be opened
  // again.
  absl::Status health() const;
  // Reads every file and compares checksums; DATA_LOSS names the first that differs. Slow.
  absl::Status VerifyChecksums();
  // Moves what is in memory to table files and drops what was deleted; bounds how much is replayed at the next open.
  absl::Status Compact();

 private:
  friend class RocksSnapshot;
  class Impl;
  explicit RocksStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::store
