// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/log/log.h"

namespace rocksdb {
class Env;
}

namespace assay::log {

// Big-endian numbers, as keys and headers hold them. Decoding requires enough bytes.
void AppendNumber32(uint32_t value, std::string& out);
void AppendNumber64(uint64_t value, std::string& out);
uint32_t DecodeNumber32(absl::string_view bytes);
uint64_t DecodeNumber64(absl::string_view bytes);

// What is kept of one partition: offsets [start, end), and their size in keys and values.
struct PartitionBounds {
  Offset start = 0;
  Offset end = 0;
  uint64_t bytes = 0;
};

// The records of an embedded log in one RocksDB. One thread writes; any number read.
//
// Keys: table `record`: partition (32 bits, big endian), offset (64 bits). Values: time in microseconds since 1970
// (64 bits), length of the record's key (32 bits), key, value. Table `default`: "identity", "partitions", and
// "bounds" with a partition: start, end, bytes (64 bits each).
class LogStorage {
 public:
  struct Options {
    std::string path;
    int32_t partitions = 1;
    bool read_only = false;
    rocksdb::Env* env = nullptr;
  };

  // NOT_FOUND: nothing there and read_only. FAILED_PRECONDITION: in use by another process, or made with another number
  // of partitions. DATA_LOSS: damaged.
  static absl::StatusOr<std::unique_ptr<LogStorage>> Open(Options options);
  ~LogStorage();

  const std::string& identity() const;
  // As they were when the storage was opened.
  const std::vector<PartitionBounds>& bounds() const;

  // Writes `records`, stamped with `time`, and the bounds of their partitions in one synced batch. After a failure the
  // storage is of no further use.
  absl::Status Append(const std::vector<Record>& records, absl::Time time, const std::vector<PartitionBounds>& bounds);
  // Up to `max_records` and about `max_bytes` of [from, end). DATA_LOSS: an offset is missing or a record is damaged.
  absl::StatusOr<std::vector<Record>> Read(int32_t partition, Offset from, Offset end, size_t max_records,
                                           size_t max_bytes);
  // The bounds of a partition after dropping its oldest records while it has more than `max_bytes` (0: no limit) or
  // they are older than `oldest`; never from `floor` on, and at most `max_records` at a time.
  absl::StatusOr<PartitionBounds> FindCut(int32_t partition, const PartitionBounds& now, uint64_t max_bytes,
                                          absl::Time oldest, Offset floor, size_t max_records);
  // Drops the records before `bounds.start`, which FindCut() found.
  absl::Status Drop(int32_t partition, const PartitionBounds& bounds);

 private:
  class Impl;
  explicit LogStorage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::log
