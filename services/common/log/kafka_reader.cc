// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace assay::log::kafka {
namespace {

constexpr size_t kMaxReadBytes = 4 << 20;
// Only so that a lost wake-up costs no more than this.
constexpr absl::Duration kLongestWait = absl::Milliseconds(500);

}  // namespace

// Queue, position, and what ends it. The partition of `shared` is its own until it is released.
class ReaderPool::KafkaReader final : public Reader {
 public:
  KafkaReader(ReaderPool& pool, Shared& shared, int32_t partition, Offset position)
      : pool_(pool),
        shared_(shared),
        queue_(rd_kafka_queue_new(shared.client.get())),
        partition_(partition),
        position_(position) {}

  ~KafkaReader() override {
    if (started_) rd_kafka_consume_stop(shared_.topic.get(), partition_);
    pool_.Release(&shared_, this);
  }

  absl::Status Start() {
    if (rd_kafka_consume_start_queue(shared_.topic.get(), partition_, position_, queue_.get()) != 0) {
      return ErrorStatus(rd_kafka_last_error(), absl::StrCat("read partition ", partition_));
    }
    started_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Record>> Read(size_t max_records, absl::Duration wait) override {
    const absl::Time deadline = absl::Now() + wait;
    std::vector<Record> records;
    size_t bytes = 0;
    for (;;) {
      if (const absl::Status ended = Ended(); !ended.ok()) {
        if (records.empty()) return ended;
        return records;
      }
      const absl::Duration left =
          records.empty() ? std::min(deadline - absl::Now(), kLongestWait) : absl::ZeroDuration();
      const Message message(rd_kafka_consume_queue(
          queue_.get(), static_cast<int>(absl::ToInt64Milliseconds(std::max(left, absl::ZeroDuration())))));
      if (message == nullptr) {
        if (!records.empty() || absl::Now() >= deadline) return records;
        continue;
      }
      const absl::Status status = Accept(*message, records);
      if (!status.ok()) {
        failure_ = status;
        // What came before it is good; the next call tells.
        if (records.empty()) return status;
        return records;
      }
      bytes += message->len + message->key_len;
      if (records.size() >= max_records || bytes >= kMaxReadBytes) return records;
    }
  }

  void Interrupt() override {
    interrupted_ = true;
    Wake();
  }

  int32_t partition() const { return partition_; }
  void Wake() { rd_kafka_queue_yield(queue_.get()); }

 private:
  // Why no more can be read, if so.
  absl::Status Ended() {
    if (interrupted_) return absl::CancelledError("the reader was interrupted");
    ASSAY_RETURN_IF_ERROR(failure_);
    if (pool_.failed_) return pool_.failure();
    if (!pool_.closed_) return absl::OkStatus();
    if (!last_.has_value()) last_ = pool_.ask_end_(partition_).value_or(position_);
    if (position_ < *last_) return absl::OkStatus();
    return absl::FailedPreconditionError("the log is closed");
  }

  absl::Status Accept(const rd_kafka_message_t& message, std::vector<Record>& records) {
    if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return Judge(message);
    // What an earlier fetch brought once more.
    if (message.offset < position_) return absl::OkStatus();
    if (message.offset > position_ && !pool_.compacted_) {
      return absl::DataLossError(absl::StrCat("partition ", partition_, ": offset ", position_,
                                              " is missing, the next record is at ", message.offset));
    }
    records.push_back({partition_, message.offset,
                       std::string(static_cast<const char*>(message.key), message.key_len),
                       std::string(static_cast<const char*>(message.payload), message.len)});
    position_ = message.offset + 1;
    return absl::OkStatus();
  }

  absl::Status Judge(const rd_kafka_message_t& message) {
    const std::string what = absl::StrCat("partition ", partition_, " at offset ", position_);
    switch (message.err) {
      case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return absl::OutOfRangeError(absl::StrCat(what, ": the position fell out of retention or lies beyond the end"));
      case RD_KAFKA_RESP_ERR__BAD_MSG:
      case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
        return absl::DataLossError(absl::StrCat(what, ": damaged: ", rd_kafka_message_errstr(&message)));
      default: {
        const absl::Status status = ErrorStatus(message.err, what);
        // The rest passes; whether the topic is still there is watched elsewhere.
        return absl::IsPermissionDenied(status) ? status : absl::OkStatus();
      }
    }
  }

  ReaderPool& pool_;
  Shared& shared_;
  const Queue queue_;
  const int32_t partition_;
  bool started_ = false;
  // Of the reading thread.
  Offset position_;
  absl::Status failure_;
  // Where a closed log ended.
  std::optional<Offset> last_;
  std::atomic<bool> interrupted_ = false;
};

absl::StatusOr<std::unique_ptr<ReaderPool>> ReaderPool::Create(const KafkaConnection& connection, std::string topic,
                                                               bool compacted, AskEnd ask_end) {
  std::unique_ptr<ReaderPool> pool(new ReaderPool(connection, std::move(topic), compacted, std::move(ask_end)));
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<Shared> first, pool->MakeShared());
  pool->clients_.push_back(std::move(first));
  return pool;
}

ReaderPool::~ReaderPool() = default;

absl::StatusOr<std::unique_ptr<ReaderPool::Shared>> ReaderPool::MakeShared() const {
  Settings settings = ConsumerSettings(connection_);
  // A full queue is looked at again only once a second, so it must hold what a replay reads in that time.
  settings.Set("queued.min.messages", "100000").Set("queued.max.messages.kbytes", "8192");
  settings.Set("auto.offset.reset", "error");
  auto shared = std::make_unique<Shared>();
  ASSAY_ASSIGN_OR_RETURN(shared->client, std::move(settings).MakeClient(RD_KAFKA_CONSUMER));
  shared->topic.reset(rd_kafka_topic_new(shared->client.get(), topic_.c_str(), nullptr));
  if (shared->topic == nullptr) return ErrorStatus(rd_kafka_last_error(), absl::StrCat("topic ", topic_));
  return shared;
}

absl::StatusOr<std::unique_ptr<Reader>> ReaderPool::Open(int32_t partition, Offset from) {
  std::unique_ptr<KafkaReader> reader;
  {
    absl::MutexLock lock(&mutex_);
    auto it = std::find_if(clients_.begin(), clients_.end(),
                           [&](const auto& shared) { return shared->partitions.count(partition) == 0; });
    if (it == clients_.end()) {
      ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<Shared> another, MakeShared());
      it = clients_.insert(clients_.end(), std::move(another));
    }
    (*it)->partitions.insert(partition);
    reader = std::make_unique<KafkaReader>(*this, **it, partition, from);
    readers_.insert(reader.get());
  }
  ASSAY_RETURN_IF_ERROR(reader->Start());
  return std::unique_ptr<Reader>(std::move(reader));
}

void ReaderPool::Release(Shared* shared, KafkaReader* reader) {
  absl::MutexLock lock(&mutex_);
  shared->partitions.erase(reader->partition());
  readers_.erase(reader);
}

void ReaderPool::Close() {
  closed_ = true;
  absl::MutexLock lock(&mutex_);
  for (KafkaReader* reader : readers_) reader->Wake();
}

void ReaderPool::Fail(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  failure_ = status;
  failed_ = true;
  for (KafkaReader* reader : readers_) reader->Wake();
}

absl::Status ReaderPool::failure() {
  absl::MutexLock lock(&mutex_);
  return failure_;
}

}  // namespace assay::log::kafka
