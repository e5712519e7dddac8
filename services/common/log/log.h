// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace assay::log {

using Offset = int64_t;

struct Record {
  int32_t partition = 0;
  Offset offset = 0;
  std::string key;
  std::string value;
};

// What became of one append.
struct Delivery {
  // OK: durable at `offset`. UNAVAILABLE: unknown, it may or may not be there; appending again is safe because readers
  // drop repeats. RESOURCE_EXHAUSTED: the queue is full, it is not there. INVALID_ARGUMENT: too large, or no such
  // partition. FAILED_PRECONDITION: the log was closed or can no longer be written.
  absl::Status status;
  Offset offset = -1;
};
using DeliveryCallback = std::function<void(const Delivery&)>;

// Reads one partition in order from a position of its own. One thread at a time; must not outlive its log.
class Reader {
 public:
  virtual ~Reader() = default;
  // Returns up to `max_records` records (fewer when they are large), waiting until there is at least one or `wait` is
  // over (then: none). OUT_OF_RANGE: the position fell out of retention or lies beyond the end; the reader never jumps
  // by itself. CANCELLED: Interrupt() was called. FAILED_PRECONDITION: the log was closed and everything is read.
  // DATA_LOSS: a record that should be there is not, or is damaged.
  virtual absl::StatusOr<std::vector<Record>> Read(size_t max_records, absl::Duration wait) = 0;
  // Ends a waiting Read and every later one. The only call that may come from another thread than Read().
  virtual void Interrupt() = 0;
};

// A partitioned, durable, append-only topic. Kafka fits behind it without a change. Thread-safe.
class Log {
 public:
  // Of key and value together: the 64 KiB a record may have, and what its envelope adds.
  static constexpr size_t kMaxRecordBytes = (64 << 10) + (4 << 10);

  virtual ~Log() = default;
  virtual int32_t partitions() const = 0;
  // A name for this very log that a re-created one does not share; a consumer keeps it beside its offset.
  virtual std::string identity() const = 0;

  // Appends `value` under `key`. `done` is called exactly once, from any thread, possibly before Append returns; it
  // must not block. Appends to one partition from one thread keep their order. Queue bounds: see the implementation.
  virtual void Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done) = 0;

  // Reads from `from`, which must lie in [start, end] of the partition.
  virtual absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int32_t partition, Offset from) = 0;

  // First offset kept, and the offset the next record will get.
  virtual absl::StatusOr<Offset> StartOffset(int32_t partition) = 0;
  virtual absl::StatusOr<Offset> EndOffset(int32_t partition) = 0;

  // Waits for every append accepted so far, refuses later ones and ends waiting readers. Calling it again does nothing.
  virtual void Close() = 0;
};

// Appends and waits for the delivery.
Delivery AppendAndWait(Log& log, int32_t partition, absl::string_view key, absl::string_view value);

// The partition of a candidate: stable for ever: the first 8 bytes (big endian) of
// SHA-256(tenant, 0, candidate_key) modulo `partitions`.
int32_t PartitionOf(absl::string_view tenant, absl::string_view candidate_key, int32_t partitions);

}  // namespace assay::log
