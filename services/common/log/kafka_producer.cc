// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_producer.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::log::kafka {
namespace {

constexpr int kPollMilliseconds = 100;
// A failed client hands its records back at once; only a bug takes longer.
constexpr absl::Duration kDrainTime = absl::Seconds(10);

// The fate of a record whose delivery report carries `error`.
absl::Status FateOf(rd_kafka_resp_err_t error, rd_kafka_msg_status_t status, bool is_client_fatal) {
  if (is_client_fatal || status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED) {
    return absl::UnavailableError(absl::StrCat("kafka: the outcome is unknown: ", rd_kafka_err2str(error)));
  }
  const absl::Status cause = ErrorStatus(error, "not written");
  switch (cause.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
      return cause;
    case absl::StatusCode::kNotFound:
      return absl::FailedPreconditionError(cause.message());
    default:
      return absl::ResourceExhaustedError(cause.message());
  }
}

bool IsFatal(rd_kafka_t* client) { return rd_kafka_fatal_error(client, nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR; }

}  // namespace

absl::StatusOr<std::unique_ptr<Producer>> Producer::Create(ProducerOptions options) {
  std::unique_ptr<Producer> producer(new Producer(std::move(options)));
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<Generation> generation, producer->MakeGeneration());
  {
    absl::MutexLock lock(&producer->generation_mutex_);
    producer->generation_ = std::move(generation);
  }
  absl::MutexLock lock(&producer->close_mutex_);
  producer->poller_ = std::thread([raw = producer.get()] { raw->Run(); });
  return producer;
}

Producer::~Producer() { Close(); }

absl::StatusOr<std::unique_ptr<Producer::Generation>> Producer::MakeGeneration() {
  Settings settings(options_.connection);
  settings.Set("enable.idempotence", "true").Set("acks", "all").Set("compression.codec", "zstd");
  settings.Set("linger.ms", "0").Set("message.max.bytes", "1000000");
  settings.Set("message.timeout.ms", absl::StrCat(absl::ToInt64Milliseconds(options_.delivery_timeout)));
  settings.Set("request.timeout.ms", "10000").Set("retry.backoff.ms", "50");
  // Ours are the bounds that answer; these only must not be below them.
  settings.Set("queue.buffering.max.messages", absl::StrCat(2 * options_.max_queued_records));
  settings.Set("queue.buffering.max.kbytes",
               absl::StrCat(2 * options_.max_queued_bytes / 1024 + options_.max_queued_records));
  // Connects to all brokers at once instead of when the first record needs one.
  settings.Set("enable.sparse.connections", "false");
  settings.Set("statistics.interval.ms", "250");
  rd_kafka_conf_set_stats_cb(settings.conf(), OnStatistics);
  rd_kafka_conf_set_opaque(settings.conf(), this);
  rd_kafka_conf_set_dr_msg_cb(settings.conf(), OnDelivery);
  auto generation = std::make_unique<Generation>();
  ASSAY_ASSIGN_OR_RETURN(generation->client, std::move(settings).MakeClient(RD_KAFKA_PRODUCER));
  for (const std::string& topic : options_.topics) {
    generation->topics.emplace_back(rd_kafka_topic_new(generation->client.get(), topic.c_str(), nullptr));
    if (generation->topics.back() == nullptr) return ErrorStatus(rd_kafka_last_error(), absl::StrCat("topic ", topic));
  }
  return generation;
}

absl::StatusOr<Producer::Pending*> Producer::Admit(size_t bytes, DeliveryCallback& done) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return absl::FailedPreconditionError("the log is closed");
  if (pending_.size() >= options_.max_queued_records || pending_bytes_ + bytes > options_.max_queued_bytes) {
    ++stats_.refused;
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue to Kafka is full: ", pending_.size(), " records, ", pending_bytes_, " bytes"));
  }
  auto pending = std::make_unique<Pending>();
  pending->done = std::move(done);
  pending->bytes = bytes;
  pending->since = absl::Now();
  Pending* raw = pending.get();
  raw->place = pending_.insert(pending_.end(), std::move(pending));
  pending_bytes_ += bytes;
  return raw;
}

void Producer::Report(Pending* pending, const Delivery& delivery) {
  std::unique_ptr<Pending> owned;
  {
    absl::MutexLock lock(&mutex_);
    owned = std::move(*pending->place);
    pending_bytes_ -= owned->bytes;
    pending_.erase(owned->place);
    ++(delivery.status.ok() ? stats_.delivered : absl::IsUnavailable(delivery.status) ? stats_.unknown : stats_.refused);
  }
  // Outside the lock: the callback may write again.
  owned->done(delivery);
}

void Producer::Produce(size_t topic, int32_t partition, absl::string_view key, absl::string_view value,
                       DeliveryCallback done) {
  const absl::StatusOr<Pending*> pending = Admit(key.size() + value.size(), done);
  if (!pending.ok()) return done({pending.status(), -1});
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  {
    absl::ReaderMutexLock lock(&generation_mutex_);
    {
      absl::MutexLock pending_lock(&mutex_);
      (*pending)->generation = generation_.get();
    }
    // A null pointer would be a record without key or value: a deletion, to a compacted topic.
    error = rd_kafka_producev(
        generation_->client.get(), RD_KAFKA_V_RKT(generation_->topics[topic].get()), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY(key.data() == nullptr ? "" : key.data(), key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(value.data() == nullptr ? "" : value.data()), value.size()),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(*pending), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // Reported below, and by no one who replaces the client meanwhile.
      absl::MutexLock pending_lock(&mutex_);
      (*pending)->generation = nullptr;
    }
  }
  // What librdkafka did not take is certainly not there.
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Report(*pending, {FateOf(error, RD_KAFKA_MSG_STATUS_NOT_PERSISTED, false), -1});
  }
}

void Producer::OnDelivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque) {
  Delivery delivery;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    delivery.status = FateOf(message->err, rd_kafka_message_status(message), IsFatal(client));
  } else if (message->offset < 0) {
    // A broker that recognises a repeat it has long forgotten the place of.
    delivery.status = absl::UnavailableError("kafka: written, at an offset the brokers did not tell");
  } else {
    delivery.offset = message->offset;
  }
  static_cast<Producer*>(opaque)->Report(static_cast<Pending*>(message->_private), delivery);
}

void Producer::Run() {
  for (;;) {
    rd_kafka_t* client = nullptr;
    {
      // Only this thread replaces it.
      absl::ReaderMutexLock lock(&generation_mutex_);
      client = generation_->client.get();
    }
    rd_kafka_poll(client, kPollMilliseconds);
    if (IsFatal(client)) Replace();
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
  }
}

void Producer::Replace() {
  absl::StatusOr<std::unique_ptr<Generation>> next = MakeGeneration();
  if (!next.ok()) {
    LogError("kafka producer not replaced", {{"status", next.status().ToString()}});
    return;
  }
  std::unique_ptr<Generation> old;
  {
    absl::MutexLock lock(&generation_mutex_);
    old = std::exchange(generation_, *std::move(next));
  }
  char reason[256] = "";
  const rd_kafka_resp_err_t error = rd_kafka_fatal_error(old->client.get(), reason, sizeof(reason));
  LogWarning("kafka producer replaced", {{"error", rd_kafka_err2name(error)}, {"reason", reason}});
  {
    absl::MutexLock lock(&mutex_);
    ++stats_.rebuilt;
  }
  // Hands back everything unreported; see OnDelivery.
  rd_kafka_purge(old->client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  const absl::Time deadline = absl::Now() + kDrainTime;
  while (rd_kafka_outq_len(old->client.get()) > 0 && absl::Now() < deadline) rd_kafka_poll(old->client.get(), 10);
  const Generation* const gone = old.get();
  old.reset();
  ReportForgotten(gone);
}

void Producer::ReportForgotten(const Generation* generation) {
  std::vector<Pending*> forgotten;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::unique_ptr<Pending>& pending : pending_) {
      if (pending->generation == generation) forgotten.push_back(pending.get());
    }
  }
  if (forgotten.empty()) return;
  LogError("kafka producer forgot records", {{"records", absl::StrCat(forgotten.size())}});
  for (Pending* pending : forgotten) {
    Report(pending, {absl::UnavailableError("kafka: the outcome is unknown: the client was replaced"), -1});
  }
}

int Producer::OnStatistics(rd_kafka_t*, char* json, size_t length, void* opaque) {
  // Nothing else tells.
  if (absl::StrContains(absl::string_view(json, length), R"("idemp_state": "Assigned")")) {
    auto* const self = static_cast<Producer*>(opaque);
    absl::MutexLock lock(&self->mutex_);
    self->is_warm_ = true;
  }
  return 0;
}

absl::Status Producer::Warm(absl::Time deadline) {
  {
    absl::ReaderMutexLock lock(&generation_mutex_);
    for (const std::string& topic : options_.topics) {
      ASSAY_RETURN_IF_ERROR(DescribeTopic(generation_->client.get(), topic, deadline).status());
    }
  }
  absl::MutexLock lock(&mutex_);
  if (mutex_.AwaitWithDeadline(absl::Condition(&is_warm_), deadline)) return absl::OkStatus();
  return absl::UnavailableError("kafka: the brokers gave the producer no id in time");
}

void Producer::Close() {
  absl::MutexLock close_lock(&close_mutex_);
  if (!poller_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    const auto all_reported = [this] {
      mutex_.AssertHeld();
      return pending_.empty();
    };
    // Ends: every record has a time limit of its own.
    mutex_.Await(absl::Condition(&all_reported));
    stopping_ = true;
  }
  poller_.join();
}

Producer::Stats Producer::stats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats = stats_;
  stats.queued_records = pending_.size();
  stats.queued_bytes = pending_bytes_;
  if (!pending_.empty()) stats.oldest_queued = absl::Now() - pending_.front()->since;
  return stats;
}

void Producer::FailForTest() {
  absl::ReaderMutexLock lock(&generation_mutex_);
  rd_kafka_test_fatal_error(generation_->client.get(), RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                            "injected by a test");
}

}  // namespace assay::log::kafka
