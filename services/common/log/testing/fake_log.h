// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/log/log.h"

namespace assay::log {

// A Log in memory that holds back, fails, doubles and loses appends when told to. Deliveries come before Append returns
// unless it is corked. Thread-safe.
class FakeLog final : public Log {
 public:
  explicit FakeLog(int32_t partitions, std::string identity = "fake-log", size_t max_queued_records = 10000);

  int32_t partitions() const override { return static_cast<int32_t>(partitions_.size()); }
  std::string identity() const override { return identity_; }
  void Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done) override;
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int32_t partition, Offset from) override;
  absl::StatusOr<Offset> StartOffset(int32_t partition) override;
  absl::StatusOr<Offset> EndOffset(int32_t partition) override;
  // Delivers what is corked.
  void Close() override;

  // Holds appends back, undelivered and unread, until Uncork().
  void Cork();
  void Uncork();
  // The next `count` appends are delivered with `status` and are not there.
  void FailNext(absl::Status status, int count = 1);
  // The next append is delivered as UNAVAILABLE, and is there or not.
  void UnknownNext(bool is_there);
  // The next `count` appends are there twice, as after a retry of an idle producer.
  void DuplicateNext(int count = 1);
  // What retention does: records before `offset` are gone.
  void DropBefore(int32_t partition, Offset offset);
  // What a lost disk does: records from `offset` on are gone, acknowledged or not.
  void LoseFrom(int32_t partition, Offset offset);
  // Every record of a partition.
  std::vector<Record> Records(int32_t partition) const;

 private:
  class FakeReader;
  struct Partition {
    Offset start = 0;
    std::vector<Record> records;
    Offset end() const { return start + static_cast<Offset>(records.size()); }
  };
  struct Pending {
    Record record;
    DeliveryCallback done;
  };
  struct Plan {
    absl::Status status;
    bool is_there = true;
    int copies = 1;
  };

  absl::Status Check(int32_t partition) const;
  Delivery Store(Record record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string identity_;
  const size_t max_queued_records_;
  mutable absl::Mutex mutex_;
  // The number of partitions is constant.
  std::vector<Partition> partitions_;
  std::deque<Pending> corked_ ABSL_GUARDED_BY(mutex_);
  std::deque<Plan> plans_ ABSL_GUARDED_BY(mutex_);
  bool is_corked_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace assay::log
