// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_log.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/log/kafka_client.h"
#include "services/common/log/kafka_producer.h"
#include "services/common/log/kafka_reader.h"

namespace assay::log {

namespace {

// Of one look at whether the topic is the same: closing waits for it while the brokers are away.
constexpr absl::Duration kWatchTimeout = absl::Seconds(2);

}  // namespace

class KafkaLog::Core {
 public:
  explicit Core(KafkaLogOptions options)
      : options_(std::move(options)), seen_(static_cast<size_t>(options_.topic.partitions)) {}
  ~Core() { Close(); }

  absl::Status Open();
  void Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done);
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(int32_t partition, Offset from);
  absl::StatusOr<Offset> StartOffset(int32_t partition);
  absl::StatusOr<Offset> EndOffset(int32_t partition);
  void Close();

  const KafkaLogOptions& options() const { return options_; }
  const std::string& identity() const { return identity_; }
  kafka::Producer& producer() { return *producer_; }
  absl::Status failure() const {
    absl::MutexLock lock(&mutex_);
    return failure_;
  }
  absl::Duration silence() const {
    absl::MutexLock lock(&mutex_);
    return is_silent_ ? absl::Now() - last_answer_ : absl::ZeroDuration();
  }
  absl::Status health() const;

 private:
  absl::Time Deadline() const { return absl::Now() + options_.request_timeout; }
  absl::Status CheckPartition(int32_t partition) const {
    if (partition >= 0 && partition < options_.topic.partitions) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("partition ", partition, ": 0 to ", options_.topic.partitions - 1, " exist"));
  }
  // What the partition must have grown to.
  std::atomic<Offset>& Seen(int32_t partition) { return seen_[static_cast<size_t>(partition)]; }
  void Note(int32_t partition, Offset end) {
    std::atomic<Offset>& seen = Seen(partition);
    for (Offset known = seen; known < end && !seen.compare_exchange_weak(known, end);) {
    }
  }

  // The watching thread.
  void Watch();
  absl::Status AskWhetherSame();
  void NoteAnswer(bool answered);

  const KafkaLogOptions options_;
  // Constant after Open().
  std::unique_ptr<KafkaTopics> topics_;
  std::string identity_;
  std::unique_ptr<kafka::ReaderPool> readers_;
  std::unique_ptr<kafka::Producer> producer_;
  std::vector<std::atomic<Offset>> seen_;
  // Of the watching thread: how often in a row the topic was not there.
  int missing_ = 0;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  // The last time that a broker answered, and whether one was asked in vain since.
  absl::Time last_answer_ ABSL_GUARDED_BY(mutex_) = absl::Now();
  bool is_silent_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Mutex close_mutex_;
  std::thread watcher_ ABSL_GUARDED_BY(close_mutex_);
};

absl::Status KafkaLog::Core::Open() {
  if (!options_.topic.has_identity) {
    return absl::InvalidArgumentError(absl::StrCat("topic ", options_.topic.name, ": has_identity must be set for a log"));
  }
  ASSAY_ASSIGN_OR_RETURN(topics_, KafkaTopics::Connect(options_.connection, options_.request_timeout));
  ASSAY_RETURN_IF_ERROR(topics_->Check(options_.topic, options_.request_timeout));
  ASSAY_ASSIGN_OR_RETURN(identity_, topics_->Identity(options_.topic.name, options_.request_timeout));
  ASSAY_ASSIGN_OR_RETURN(readers_,
                         kafka::ReaderPool::Create(options_.connection, options_.topic.name, options_.topic.compacted,
                                                   [this](int32_t partition) { return EndOffset(partition); }));
  kafka::ProducerOptions producing;
  producing.connection = options_.connection;
  producing.topics = {options_.topic.name};
  producing.max_queued_records = options_.max_queued_records;
  producing.max_queued_bytes = options_.max_queued_bytes;
  producing.delivery_timeout = options_.delivery_timeout;
  ASSAY_ASSIGN_OR_RETURN(producer_, kafka::Producer::Create(std::move(producing)));
  ASSAY_RETURN_IF_ERROR(producer_->Warm(Deadline()));
  absl::MutexLock lock(&close_mutex_);
  watcher_ = std::thread([this] { Watch(); });
  return absl::OkStatus();
}

void KafkaLog::Core::Watch() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.watch_interval)) return;
    }
    const absl::Status status = AskWhetherSame();
    if (status.ok()) continue;
    LogError("kafka log lost", {{"status", status.ToString()}});
    {
      absl::MutexLock lock(&mutex_);
      failure_ = absl::FailedPreconditionError(status.message());
    }
    readers_->Fail(absl::DataLossError(status.message()));
    return;
  }
}

void KafkaLog::Core::NoteAnswer(bool answered) {
  absl::MutexLock lock(&mutex_);
  is_silent_ = !answered;
  if (answered) last_answer_ = absl::Now();
}

absl::Status KafkaLog::Core::health() const {
  ASSAY_RETURN_IF_ERROR(failure());
  const absl::Duration silent = silence();
  if (silent == absl::ZeroDuration()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("kafka: no broker has answered for ", absl::FormatDuration(silent)));
}

absl::Status KafkaLog::Core::AskWhetherSame() {
  const absl::StatusOr<std::string> now = topics_->Identity(options_.topic.name, kWatchTimeout);
  NoteAnswer(!absl::IsUnavailable(now.status()));
  missing_ = absl::IsNotFound(now.status()) ? missing_ + 1 : 0;
  // Once may be a broker that has not heard of it yet.
  if (missing_ == 1) return absl::OkStatus();
  if (missing_ > 1) {
    return absl::DataLossError(absl::StrCat("kafka: topic ", options_.topic.name, " was deleted"));
  }
  // Brokers that do not answer say nothing about the topic.
  if (absl::IsUnavailable(now.status()) || absl::IsPermissionDenied(now.status())) return absl::OkStatus();
  if (now.ok() && *now == identity_) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("kafka: topic ", options_.topic.name,
                                          " was deleted and created again: it is now ",
                                          now.ok() ? *now : now.status().ToString(), ", it was ", identity_));
}

void KafkaLog::Core::Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done) {
  absl::Status status = CheckPartition(partition);
  if (status.ok() && key.size() + value.size() > kMaxRecordBytes) {
    status = absl::InvalidArgumentError(absl::StrCat("record of ", key.size() + value.size(), " bytes, at most ",
                                                     kMaxRecordBytes, " are allowed"));
  }
  if (status.ok()) status = failure();
  if (!status.ok()) return done({status, -1});
  producer_->Produce(0, partition, key, value, [this, partition, done = std::move(done)](const Delivery& delivery) {
    if (delivery.status.ok()) Note(partition, delivery.offset + 1);
    done(delivery);
  });
}

absl::StatusOr<Offset> KafkaLog::Core::StartOffset(int32_t partition) {
  ASSAY_RETURN_IF_ERROR(CheckPartition(partition));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Offset> offsets,
                         kafka::QueryOffsets(readers_->client(), options_.topic.name, {partition}, kafka::Edge::kStart,
                                             Deadline()));
  return offsets.front();
}

absl::StatusOr<Offset> KafkaLog::Core::EndOffset(int32_t partition) {
  ASSAY_RETURN_IF_ERROR(CheckPartition(partition));
  const Offset seen = Seen(partition);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Offset> offsets,
                         kafka::QueryOffsets(readers_->client(), options_.topic.name, {partition}, kafka::Edge::kEnd,
                                             Deadline()));
  const Offset end = offsets.front();
  if (end < seen) {
    return absl::DataLossError(absl::StrCat("kafka: topic ", options_.topic.name, ", partition ", partition,
                                            " ends at offset ", end, " although everything before ", seen,
                                            " was acknowledged"));
  }
  Note(partition, end);
  return end;
}

absl::StatusOr<std::unique_ptr<Reader>> KafkaLog::Core::OpenReader(int32_t partition, Offset from) {
  ASSAY_ASSIGN_OR_RETURN(const Offset end, EndOffset(partition));
  ASSAY_ASSIGN_OR_RETURN(const Offset start, StartOffset(partition));
  if (from < start || from > end) {
    return absl::OutOfRangeError(
        absl::StrCat("partition ", partition, ": offset ", from, " lies outside ", start, " to ", end));
  }
  return readers_->Open(partition, from);
}

void KafkaLog::Core::Close() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  {
    absl::MutexLock lock(&close_mutex_);
    if (watcher_.joinable()) watcher_.join();
  }
  if (producer_ != nullptr) producer_->Close();
  if (readers_ != nullptr) readers_->Close();
}

KafkaLog::KafkaLog(std::unique_ptr<Core> core) : core_(std::move(core)) {}
KafkaLog::~KafkaLog() = default;

absl::StatusOr<std::unique_ptr<KafkaLog>> KafkaLog::Open(KafkaLogOptions options) {
  auto core = std::make_unique<Core>(std::move(options));
  ASSAY_RETURN_IF_ERROR(core->Open());
  return std::unique_ptr<KafkaLog>(new KafkaLog(std::move(core)));
}

int32_t KafkaLog::partitions() const { return core_->options().topic.partitions; }
std::string KafkaLog::identity() const { return core_->identity(); }

void KafkaLog::Append(int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done) {
  core_->Append(partition, key, value, std::move(done));
}

absl::StatusOr<std::unique_ptr<Reader>> KafkaLog::OpenReader(int32_t partition, Offset from) {
  return core_->OpenReader(partition, from);
}

absl::StatusOr<Offset> KafkaLog::StartOffset(int32_t partition) { return core_->StartOffset(partition); }
absl::StatusOr<Offset> KafkaLog::EndOffset(int32_t partition) { return core_->EndOffset(partition); }
void KafkaLog::Close() { core_->Close(); }
void KafkaLog::FailProducerForTest() { core_->producer().FailForTest(); }

absl::Status KafkaLog::health() const { return core_->health(); }

KafkaLog::Stats KafkaLog::stats() const {
  const kafka::Producer::Stats stats = core_->producer().stats();
  return {stats.delivered,      stats.unknown,      stats.refused,       stats.rebuilt,
          stats.queued_records, stats.queued_bytes, stats.oldest_queued, core_->silence()};
}

}  // namespace assay::log
