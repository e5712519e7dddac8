// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/embedded_log.h"

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/log/log_storage.h"
#include "services/common/log/log_witness.h"

namespace assay::log {
namespace {

constexpr int32_t kMaxPartitions = 1024;
// One batch stays well below the write buffer, so that a flush never waits for a table file.
constexpr size_t kMaxBatchBytes = 4 << 20;
constexpr size_t kMaxReadBytes = 4 << 20;
constexpr size_t kMaxDropRecords = 10000;

struct Pending {
  Record record;
  DeliveryCallback done;
  size_t bytes() const { return record.key.size() + record.value.size(); }
};

// What readers of one partition wait on.
struct Partition {
  absl::Mutex mutex;
  Offset start ABSL_GUARDED_BY(mutex) = 0;
  Offset end ABSL_GUARDED_BY(mutex) = 0;
  Offset retention_floor ABSL_GUARDED_BY(mutex) = 0;
  bool closed ABSL_GUARDED_BY(mutex) = false;
};

}  // namespace

class EmbeddedLog::Core {
 public:
  Core(EmbeddedLogOptions options, Clock& clock) : options_(std::move(options)), clock_(clock) {}
  ~Core() { Close(); }

  absl::Status Open();
  void Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done);
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int32_t partition, Offset from);
  void Close();
  absl::StatusOr<Partition*> Find(int32_t partition);
  absl::StatusOr<std::vector<Record>> Read(int32_t partition, Offset from, Offset end, size_t max_records);
  absl::Status health() const;
  Stats stats() const;

  const EmbeddedLogOptions& options() const { return options_; }
  const std::string& identity() const { return storage_->identity(); }
  Clock& clock() { return clock_; }

 private:
  absl::Status CompareWithWitness();
  absl::Status Admit(const Pending& pending) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The writing thread.
  void Run();
  std::vector<Pending> TakeBatch(bool& stop);
  void Commit(std::vector<Pending> batch);
  void Deliver(std::vector<Pending>& batch, const absl::Status& status);
  void Publish(const std::vector<PartitionBounds>& bounds);
  void Fail(const absl::Status& status);
  absl::Status CurrentFailure() const;
  bool has_retention() const {
    return options_.retention != absl::InfiniteDuration() || options_.max_partition_bytes > 0;
  }
  void EnforceRetention();
  absl::Status DropOldest(int32_t partition);

  const EmbeddedLogOptions options_;
  Clock& clock_;
  // Constant after Open().
  std::unique_ptr<LogStorage> storage_;
  std::unique_ptr<LogWitness> witness_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  // Of the writing thread alone once it runs.
  std::vector<PartitionBounds> bounds_;
  absl::Time next_retention_ = absl::InfinitePast();

  mutable absl::Mutex mutex_;
  std::deque<Pending> queue_ ABSL_GUARDED_BY(mutex_);
  size_t undelivered_records_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t undelivered_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  // What appends are told after a failed write, and its own code.
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  absl::StatusCode failure_code_ ABSL_GUARDED_BY(mutex_) = absl::StatusCode::kOk;
  Stats stats_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex close_mutex_;
  std::thread writer_ ABSL_GUARDED_BY(close_mutex_);
};

namespace {

// The position and what wakes it; the log does the rest.
template <typename Core>
class EmbeddedReader final : public Reader {
 public:
  EmbeddedReader(Core& core, Partition& partition, int32_t number, Offset position)
      : core_(core), partition_(partition), number_(number), position_(position) {}

  absl::StatusOr<std::vector<Record>> Read(size_t max_records, absl::Duration wait) override {
    Offset end = 0;
    ASSAY_ASSIGN_OR_RETURN(const bool has_records, Await(wait, end));
    if (!has_records) return std::vector<Record>();
    absl::StatusOr<std::vector<Record>> records = core_.Read(number_, position_, end, max_records);
    if (!records.ok()) {
      // Retention may have passed this position while it was read.
      absl::MutexLock lock(&partition_.mutex);
      if (position_ < partition_.start) return OutOfRange();
      return records;
    }
    position_ += static_cast<Offset>(records->size());
    return records;
  }

  void Interrupt() override {
    absl::MutexLock lock(&partition_.mutex);
    interrupted_ = true;
  }

 private:
  bool IsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(partition_.mutex) {
    return interrupted_ || partition_.closed || position_ < partition_.start || position_ != partition_.end;
  }

  absl::Status OutOfRange() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(partition_.mutex) {
    return absl::OutOfRangeError(absl::StrCat("partition ", number_, ": offset ", position_, " lies outside ",
                                              partition_.start, " to ", partition_.end));
  }

  absl::StatusOr<bool> Await(absl::Duration wait, Offset& end) {
    Clock& clock = core_.clock();
    absl::MutexLock lock(&partition_.mutex);
    if (!IsReady() && !core_.options().read_only && wait > absl::ZeroDuration()) {
      const auto is_ready = [this] {
        partition_.mutex.AssertHeld();
        return IsReady();
      };
      clock.AwaitWithDeadline(&partition_.mutex, absl::Condition(&is_ready), clock.TimeNow() + wait);
    }
    if (interrupted_) return absl::CancelledError("the reader was interrupted");
    if (position_ < partition_.start || position_ > partition_.end) return OutOfRange();
    end = partition_.end;
    if (position_ == end && partition_.closed) return absl::FailedPreconditionError("the log is closed");
    return position_ < end;
  }

  Core& core_;
  Partition& partition_;
  const int32_t number_;
  // Of the reading thread, except that Interrupt() never looks at it.
  Offset position_;
  bool interrupted_ ABSL_GUARDED_BY(partition_.mutex) = false;
};

}  // namespace

absl::Status EmbeddedLog::Core::Open() {
  if (options_.partitions < 1 || options_.partitions > kMaxPartitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("partitions: ", options_.partitions, ", 1 to ", kMaxPartitions, " are allowed"));
  }
  if (!options_.read_only) ASSAY_RETURN_IF_ERROR(MakeDirectories(options_.path));
  ASSAY_ASSIGN_OR_RETURN(storage_, LogStorage::Open({absl::StrCat(options_.path, "/db"), options_.partitions,
                                                     options_.read_only, options_.env}));
  bounds_ = storage_->bounds();
  for (const PartitionBounds& bounds : bounds_) {
    auto partition = std::make_unique<Partition>();
    absl::MutexLock lock(&partition->mutex);
    partition->start = bounds.start;
    partition->end = bounds.end;
    partitions_.push_back(std::move(partition));
  }
  if (options_.read_only) return absl::OkStatus();
  ASSAY_RETURN_IF_ERROR(CompareWithWitness());
  absl::MutexLock lock(&close_mutex_);
  writer_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

absl::Status EmbeddedLog::Core::CompareWithWitness() {
  ASSAY_ASSIGN_OR_RETURN(witness_, LogWitness::Open(absl::StrCat(options_.path, "/witness"), options_.partitions));
  if (!witness_->found().has_value() || options_.accept_loss) return absl::OkStatus();
  const LogWitness::State& seen = *witness_->found();
  if (seen.identity != identity()) {
    return absl::DataLossError(absl::StrCat(options_.path, ": the log that was here is gone (its witness names ",
                                            seen.identity, "); restore it from a backup"));
  }
  for (size_t i = 0; i < bounds_.size() && i < seen.ends.size(); ++i) {
    if (seen.ends[i] <= bounds_[i].end) continue;
    return absl::DataLossError(absl::StrCat(options_.path, ": partition ", i, " ends at offset ", bounds_[i].end,
                                            " although everything before ", seen.ends[i],
                                            " was acknowledged; restore it from a backup"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Partition*> EmbeddedLog::Core::Find(int32_t partition) {
  if (partition < 0 || partition >= options_.partitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("partition ", partition, ": 0 to ", options_.partitions - 1, " exist"));
  }
  return partitions_[static_cast<size_t>(partition)].get();
}

absl::Status EmbeddedLog::Core::Admit(const Pending& pending) {
  if (options_.read_only) return absl::FailedPreconditionError("the log was opened for reading");
  if (closed_) return absl::FailedPreconditionError("the log is closed");
  if (!failure_.ok()) return failure_;
  if (undelivered_records_ >= options_.max_queued_records ||
      undelivered_bytes_ + pending.bytes() > options_.max_queued_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the log's queue is full: ", undelivered_records_,
                                                     " records, ", undelivered_bytes_, " bytes"));
  }
  return absl::OkStatus();
}

void EmbeddedLog::Core::Append(int32_t partition, absl::string_view key, absl::string_view value,
                               DeliveryCallback done) {
  absl::Status status = Find(partition).status();
  if (status.ok() && key.size() + value.size() > kMaxRecordBytes) {
    status = absl::InvalidArgumentError(absl::StrCat("record of ", key.size() + value.size(), " bytes, at most ",
                                                     kMaxRecordBytes, " are allowed"));
  }
  if (status.ok()) {
    Pending pending{{partition, -1, std::string(key), std::string(value)}, std::move(done)};
    absl::MutexLock lock(&mutex_);
    status = Admit(pending);
    if (status.ok()) {
      ++undelivered_records_;
      undelivered_bytes_ += pending.bytes();
      queue_.push_back(std::move(pending));
      return;
    }
    done = std::move(pending.done);
  }
  // Outside the lock: the callback may append again.
  done({status, -1});
}

std::vector<Pending> EmbeddedLog::Core::TakeBatch(bool& stop) {
  const auto has_work = [this] {
    mutex_.AssertHeld();
    return !queue_.empty() || closed_;
  };
  absl::MutexLock lock(&mutex_);
  const absl::Condition condition(&has_work);
  if (has_retention()) {
    clock_.AwaitWithDeadline(&mutex_, condition, next_retention_);
  } else {
    mutex_.Await(condition);
  }
  stop = closed_ && queue_.empty();
  std::vector<Pending> batch;
  for (size_t bytes = 0; !queue_.empty() && bytes < kMaxBatchBytes;) {
    bytes += queue_.front().bytes();
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

void EmbeddedLog::Core::Run() {
  if (has_retention()) next_retention_ = clock_.TimeNow() + options_.retention_interval;
  for (;;) {
    bool stop = false;
    std::vector<Pending> batch = TakeBatch(stop);
    if (stop) return;
    if (!batch.empty()) Commit(std::move(batch));
    if (has_retention() && clock_.TimeNow() >= next_retention_) {
      EnforceRetention();
      next_retention_ = clock_.TimeNow() + options_.retention_interval;
    }
  }
}

void EmbeddedLog::Core::Commit(std::vector<Pending> batch) {
  // What was queued behind a failed write is certainly not there.
  if (const absl::Status failure = CurrentFailure(); !failure.ok()) {
    Deliver(batch, failure);
    return;
  }
  std::vector<PartitionBounds> bounds = bounds_;
  std::vector<Record> records;
  records.reserve(batch.size());
  for (Pending& pending : batch) {
    PartitionBounds& partition = bounds[static_cast<size_t>(pending.record.partition)];
    pending.record.offset = partition.end++;
    partition.bytes += pending.bytes();
    records.push_back(pending.record);
  }
  const absl::Status status = storage_->Append(records, clock_.TimeNow(), bounds);
  if (!status.ok()) {
    Fail(status);
    Deliver(batch, absl::UnavailableError(absl::StrCat("outcome unknown: ", status.message())));
    return;
  }
  bounds_ = std::move(bounds);
  Publish(bounds_);
  Deliver(batch, absl::OkStatus());
}

void EmbeddedLog::Core::Publish(const std::vector<PartitionBounds>& bounds) {
  std::vector<int64_t> ends;
  for (size_t i = 0; i < bounds.size(); ++i) {
    ends.push_back(bounds[i].end);
    absl::MutexLock lock(&partitions_[i]->mutex);
    partitions_[i]->start = bounds[i].start;
    partitions_[i]->end = bounds[i].end;
  }
  const absl::Status status = witness_->Write(identity(), ends);
  // Durability does not rest on the witness; without it only damage done later goes unnoticed.
  if (!status.ok()) LogWarning("log witness not written", {{"status", status.ToString()}});
}

void EmbeddedLog::Core::Deliver(std::vector<Pending>& batch, const absl::Status& status) {
  size_t bytes = 0;
  for (const Pending& pending : batch) bytes += pending.bytes();
  {
    absl::MutexLock lock(&mutex_);
    undelivered_records_ -= batch.size();
    undelivered_bytes_ -= bytes;
    if (status.ok()) {
      stats_.records += batch.size();
      ++stats_.flushes;
    }
  }
  for (Pending& pending : batch) pending.done({status, status.ok() ? pending.record.offset : -1});
}

void EmbeddedLog::Core::Fail(const absl::Status& status) {
  LogError("log write failed", {{"path", options_.path}, {"status", status.ToString()}});
  absl::MutexLock lock(&mutex_);
  failure_code_ = status.code();
  failure_ = absl::FailedPreconditionError(
      absl::StrCat(options_.path, ": read-only until it is opened again, because of: ", status.message()));
}

absl::Status EmbeddedLog::Core::CurrentFailure() const {
  absl::MutexLock lock(&mutex_);
  return failure_;
}

void EmbeddedLog::Core::EnforceRetention() {
  for (int32_t partition = 0; partition < options_.partitions; ++partition) {
    if (!CurrentFailure().ok()) return;
    const absl::Status status = DropOldest(partition);
    if (!status.ok()) Fail(status);
  }
}

absl::Status EmbeddedLog::Core::DropOldest(int32_t number) {
  Partition& partition = *partitions_[static_cast<size_t>(number)];
  PartitionBounds& bounds = bounds_[static_cast<size_t>(number)];
  Offset floor = 0;
  {
    absl::MutexLock lock(&partition.mutex);
    floor = partition.retention_floor;
  }
  ASSAY_ASSIGN_OR_RETURN(const PartitionBounds cut,
                         storage_->FindCut(number, bounds, options_.max_partition_bytes,
                                           clock_.TimeNow() - options_.retention, floor, kMaxDropRecords));
  if (cut.start == bounds.start) return absl::OkStatus();
  {
    // Readers must learn of it before the records go.
    absl::MutexLock lock(&partition.mutex);
    partition.start = cut.start;
  }
  bounds = cut;
  return storage_->Drop(number, cut);
}

absl::StatusOr<std::unique_ptr<Reader>> EmbeddedLog::Core::OpenReader(int32_t number, Offset from) {
  ASSAY_ASSIGN_OR_RETURN(Partition* partition, Find(number));
  {
    absl::MutexLock lock(&partition->mutex);
    if (from < partition->start || from > partition->end) {
      return absl::OutOfRangeError(absl::StrCat("partition ", number, ": offset ", from, " lies outside ",
                                                partition->start, " to ", partition->end));
    }
  }
  return std::unique_ptr<Reader>(std::make_unique<EmbeddedReader<Core>>(*this, *partition, number, from));
}

absl::StatusOr<std::vector<Record>> EmbeddedLog::Core::Read(int32_t partition, Offset from, Offset end,
                                                            size_t max_records) {
  return storage_->Read(partition, from, end, max_records, kMaxReadBytes);
}

void EmbeddedLog::Core::Close() {
  absl::MutexLock close_lock(&close_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  if (writer_.joinable()) writer_.join();
  for (const auto& partition : partitions_) {
    absl::MutexLock lock(&partition->mutex);
    partition->closed = true;
  }
}

absl::Status EmbeddedLog::Core::health() const {
  if (options_.read_only) return absl::FailedPreconditionError("the log was opened for reading");
  absl::MutexLock lock(&mutex_);
  if (closed_) return absl::FailedPreconditionError("the log is closed");
  return absl::Status(failure_code_, failure_.message());
}

EmbeddedLog::Stats EmbeddedLog::Core::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

EmbeddedLog::EmbeddedLog(std::unique_ptr<Core> core) : core_(std::move(core)) {}
EmbeddedLog::~EmbeddedLog() = default;

absl::StatusOr<std::unique_ptr<EmbeddedLog>> EmbeddedLog::Open(EmbeddedLogOptions options, Clock& clock) {
  auto core = std::make_unique<Core>(std::move(options), clock);
  ASSAY_RETURN_IF_ERROR(core->Open());
  return std::unique_ptr<EmbeddedLog>(new EmbeddedLog(std::move(core)));
}

int32_t EmbeddedLog::partitions() const { return core_->options().partitions; }
std::string EmbeddedLog::identity() const { return core_->identity(); }

void EmbeddedLog::Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done) {
  core_->Append(partition, key, value, std::move(done));
}

absl::StatusOr<std::unique_ptr<Reader>> EmbeddedLog::OpenReader(int32_t partition, Offset from) {
  return core_->OpenReader(partition, from);
}

absl::StatusOr<Offset> EmbeddedLog::StartOffset(int32_t partition) {
  ASSAY_ASSIGN_OR_RETURN(Partition* found, core_->Find(partition));
  absl::MutexLock lock(&found->mutex);
  return found->start;
}

absl::StatusOr<Offset> EmbeddedLog::EndOffset(int32_t partition) {
  ASSAY_ASSIGN_OR_RETURN(Partition* found, core_->Find(partition));
  absl::MutexLock lock(&found->mutex);
  return found->end;
}

absl::Status EmbeddedLog::SetRetentionFloor(int32_t partition, Offset offset) {
  ASSAY_ASSIGN_OR_RETURN(Partition* found, core_->Find(partition));
  absl::MutexLock lock(&found->mutex);
  found->retention_floor = offset;
  return absl::OkStatus();
}

void EmbeddedLog::Close() { core_->Close(); }
absl::Status EmbeddedLog::health() const { return core_->health(); }
EmbeddedLog::Stats EmbeddedLog::stats() const { return core_->stats(); }

}  // namespace assay::log
