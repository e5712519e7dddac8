// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/testing/fake_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace assay::log {

class FakeLog::FakeReader final : public Reader {
 public:
  FakeReader(FakeLog& log, size_t partition, Offset position) : log_(log), partition_(partition), position_(position) {}

  absl::StatusOr<std::vector<Record>> Read(size_t max_records, absl::Duration wait) override {
    absl::MutexLock lock(&log_.mutex_);
    const Partition& partition = log_.partitions_[partition_];
    const auto is_ready = [&] {
      log_.mutex_.AssertHeld();
      return interrupted_ || log_.closed_ || position_ < partition.start || position_ != partition.end();
    };
    log_.mutex_.AwaitWithTimeout(absl::Condition(&is_ready), wait);
    if (interrupted_) return absl::CancelledError("the reader was interrupted");
    if (position_ < partition.start || position_ > partition.end()) {
      return absl::OutOfRangeError(absl::StrCat("offset ", position_, " lies outside ", partition.start, " to ",
                                                partition.end()));
    }
    if (position_ == partition.end() && log_.closed_) return absl::FailedPreconditionError("the log is closed");
    const size_t first = static_cast<size_t>(position_ - partition.start);
    const size_t last = first + std::min(max_records, partition.records.size() - first);
    position_ += static_cast<Offset>(last - first);
    return std::vector<Record>(partition.records.begin() + static_cast<ptrdiff_t>(first),
                               partition.records.begin() + static_cast<ptrdiff_t>(last));
  }

  void Interrupt() override {
    absl::MutexLock lock(&log_.mutex_);
    interrupted_ = true;
  }

 private:
  FakeLog& log_;
  const size_t partition_;
  Offset position_;
  bool interrupted_ = false;
};

FakeLog::FakeLog(int32_t partitions, std::string identity, size_t max_queued_records)
    : identity_(std::move(identity)),
      max_queued_records_(max_queued_records),
      partitions_(static_cast<size_t>(partitions)) {}

absl::Status FakeLog::Check(int32_t partition) const {
  if (partition >= 0 && partition < partitions()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("partition ", partition, ": 0 to ", partitions() - 1, " exist"));
}

Delivery FakeLog::Store(Record record) {
  Plan plan;
  if (!plans_.empty()) {
    plan = plans_.front();
    plans_.pop_front();
  }
  Partition& partition = partitions_[static_cast<size_t>(record.partition)];
  const Offset offset = partition.end();
  for (int copy = 0; plan.is_there && copy < plan.copies; ++copy) {
    record.offset = partition.end();
    partition.records.push_back(record);
  }
  return {plan.status, plan.status.ok() ? offset : -1};
}

void FakeLog::Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done) {
  Delivery delivery{Check(partition), -1};
  if (delivery.status.ok() && key.size() + value.size() > kMaxRecordBytes) {
    delivery.status = absl::InvalidArgumentError("record too large");
  }
  if (delivery.status.ok()) {
    absl::MutexLock lock(&mutex_);
    Record record{partition, -1, std::string(key), std::string(value)};
    if (closed_) {
      delivery.status = absl::FailedPreconditionError("the log is closed");
    } else if (is_corked_ && corked_.size() >= max_queued_records_) {
      delivery.status = absl::ResourceExhaustedError("the log's queue is full");
    } else if (is_corked_) {
      corked_.push_back({std::move(record), std::move(done)});
      return;
    } else {
      delivery = Store(std::move(record));
    }
  }
  done(delivery);
}

absl::StatusOr<std::unique_ptr<Reader>> FakeLog::OpenReader(int32_t partition, Offset from) {
  ASSAY_RETURN_IF_ERROR(Check(partition));
  absl::MutexLock lock(&mutex_);
  const Partition& found = partitions_[static_cast<size_t>(partition)];
  if (from < found.start || from > found.end()) {
    return absl::OutOfRangeError(
        absl::StrCat("offset ", from, " lies outside ", found.start, " to ", found.end()));
  }
  return std::unique_ptr<Reader>(std::make_unique<FakeReader>(*this, static_cast<size_t>(partition), from));
}

absl::StatusOr<Offset> FakeLog::StartOffset(int32_t partition) {
  ASSAY_RETURN_IF_ERROR(Check(partition));
  absl::MutexLock lock(&mutex_);
  return partitions_[static_cast<size_t>(partition)].start;
}

absl::StatusOr<Offset> FakeLog::EndOffset(int32_t partition) {
  ASSAY_RETURN_IF_ERROR(Check(partition));
  absl::MutexLock lock(&mutex_);
  return partitions_[static_cast<size_t>(partition)].end();
}

void FakeLog::Close() {
  Uncork();
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

void FakeLog::Cork() {
  absl::MutexLock lock(&mutex_);
  is_corked_ = true;
}

void FakeLog::Uncork() {
  std::vector<std::pair<DeliveryCallback, Delivery>> deliveries;
  {
    absl::MutexLock lock(&mutex_);
    is_corked_ = false;
    for (Pending& pending : corked_) {
      deliveries.emplace_back(std::move(pending.done), Store(std::move(pending.record)));
    }
    corked_.clear();
  }
  for (auto& [done, delivery] : deliveries) done(delivery);
}

void FakeLog::FailNext(absl::Status status, int count) {
  absl::MutexLock lock(&mutex_);
  for (int i = 0; i < count; ++i) plans_.push_back({status, false, 1});
}

void FakeLog::UnknownNext(bool is_there) {
  absl::MutexLock lock(&mutex_);
  plans_.push_back({absl::UnavailableError("outcome unknown"), is_there, 1});
}

void FakeLog::DuplicateNext(int count) {
  absl::MutexLock lock(&mutex_);
  for (int i = 0; i < count; ++i) plans_.push_back({absl::OkStatus(), true, 2});
}

void FakeLog::DropBefore(int32_t partition, Offset offset) {
  absl::MutexLock lock(&mutex_);
  Partition& found = partitions_[static_cast<size_t>(partition)];
  const Offset start = std::clamp(offset, found.start, found.end());
  found.records.erase(found.records.begin(), found.records.begin() + (start - found.start));
  found.start = start;
}

void FakeLog::LoseFrom(int32_t partition, Offset offset) {
  absl::MutexLock lock(&mutex_);
  Partition& found = partitions_[static_cast<size_t>(partition)];
  const Offset end = std::clamp(offset, found.start, found.end());
  found.records.resize(static_cast<size_t>(end - found.start));
}

std::vector<Record> FakeLog::Records(int32_t partition) const {
  absl::MutexLock lock(&mutex_);
  return partitions_[static_cast<size_t>(partition)].records;
}

}  // namespace assay::log
