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
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/log/log.h"

namespace rocksdb {
class Env;
}

namespace assay::log {

struct EmbeddedLogOptions {
  // A folder of its own.
  std::string path;
  // Fixed when the log is made; another number later is FAILED_PRECONDITION.
  int32_t partitions = 4;
  // Appends accepted and not yet delivered, over all partitions; past either bound Append answers RESOURCE_EXHAUSTED.
  size_t max_queued_records = 10000;
  size_t max_queued_bytes = 64 << 20;
  // Records older than this are dropped …
  absl::Duration retention = absl::InfiniteDuration();
  // … and so are the oldest of a partition that holds more than this in keys and values; 0: no limit.
  uint64_t max_partition_bytes = 0;
  absl::Duration retention_interval = absl::Minutes(1);
  // Opens without changing a file; Append answers FAILED_PRECONDITION, readers never wait.
  bool read_only = false;
  // Opens although acknowledged records are gone; what is left is kept and readers behind the loss are refused.
  bool accept_loss = false;
  // For tests that break the disk; must outlive the log. Null: the operating system.
  rocksdb::Env* env = nullptr;
};

// A Log in one folder of this machine. An append is delivered when it survives SIGKILL and power loss: one thread
// writes everything that arrived during the last flush in one batch with one flush, so a lone writer waits for one
// flush and many writers share it. Order within a partition is the order in which Append was called.
//
// Fails for good on the first write error: what was in that write is delivered as UNAVAILABLE, the rest and all later
// appends as FAILED_PRECONDITION, and reading goes on; opening again heals it. Callbacks run on the writing thread, in
// order. Thread-safe.
class EmbeddedLog final : public Log {
 public:
  struct Stats {
    uint64_t records = 0;
    uint64_t flushes = 0;
  };

  // `clock` stamps records for retention and must outlive the log. FAILED_PRECONDITION: in use by another process, or
  // another number of partitions. NOT_FOUND: nothing there and read_only. DATA_LOSS: damaged, or acknowledged records
  // are gone.
  static absl::StatusOr<std::unique_ptr<EmbeddedLog>> Open(EmbeddedLogOptions options, Clock& clock = Clock::Real());
  ~EmbeddedLog() override;

  int32_t partitions() const override;
  std::string identity() const override;
  void Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done) override;
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int32_t partition, Offset from) override;
  absl::StatusOr<Offset> StartOffset(int32_t partition) override;
  absl::StatusOr<Offset> EndOffset(int32_t partition) override;
  void Close() override;

  // Retention never drops `offset` or later ones of a partition, whatever their age: the owner sets it to what it has
  // applied. Starts at 0, so nothing is dropped before a consumer said how far it is. INVALID_ARGUMENT: no such
  // partition.
  absl::Status SetRetentionFloor(int32_t partition, Offset offset);
  // OK while appends are possible, else why not; RESOURCE_EXHAUSTED: the disk was full, and the log needs to be opened
  // again.
  absl::Status health() const;
  Stats stats() const;

 private:
  class Core;
  explicit EmbeddedLog(std::unique_ptr<Core> core);
  const std::unique_ptr<Core> core_;
};

}  // namespace assay::log
