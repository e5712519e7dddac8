// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_work_consumer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::log::kafka {
namespace {

constexpr int kPollMilliseconds = 100;
// Of the last word on what is done; without it some of it is run again.
constexpr int kCommitMilliseconds = 5000;

}  // namespace

absl::StatusOr<std::unique_ptr<KafkaWorkConsumer>> KafkaWorkConsumer::Create(
    WorkConsumerOptions options, std::function<void(KafkaWorkConsumer*)> on_destruction) {
  std::unique_ptr<KafkaWorkConsumer> consumer(new KafkaWorkConsumer(std::move(options)));
  ASSAY_RETURN_IF_ERROR(consumer->Start());
  consumer->on_destruction_ = std::move(on_destruction);
  return consumer;
}

absl::Status KafkaWorkConsumer::Start() {
  {
    absl::MutexLock lock(&mutex_);
    partitions_.resize(static_cast<size_t>(options_.partitions));
  }
  Settings settings = ConsumerSettings(options_.connection);
  // Every restart under the same name continues where the last one was, without moving anyone else's partitions. The
  // other assignment strategies of this librdkafka lose partitions or never end.
  settings.Set("group.id", options_.group).Set("group.instance.id", options_.name);
  settings.Set("partition.assignment.strategy", "range");
  settings.Set("session.timeout.ms", absl::StrCat(absl::ToInt64Milliseconds(options_.session_timeout)));
  settings.Set("heartbeat.interval.ms", "3000").Set("max.poll.interval.ms", "300000");
  // An item that comes again is harmless, one that is passed over is not.
  settings.Set("auto.offset.reset", "earliest");
  settings.Set("queued.min.messages", "100").Set("queued.max.messages.kbytes", "16384");
  rd_kafka_conf_set_opaque(settings.conf(), this);
  rd_kafka_conf_set_rebalance_cb(settings.conf(), OnRebalance);
  rd_kafka_conf_set_offset_commit_cb(settings.conf(), OnCommitted);
  ASSAY_ASSIGN_OR_RETURN(client_, std::move(settings).MakeClient(RD_KAFKA_CONSUMER));
  rd_kafka_poll_set_consumer(client_.get());
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
  const Partitions topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), options_.topic.c_str(), RD_KAFKA_PARTITION_UA);
  ASSAY_RETURN_IF_ERROR(
      ErrorStatus(rd_kafka_subscribe(client_.get(), topics.get()), absl::StrCat("join ", options_.group)));
  poller_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

KafkaWorkConsumer::~KafkaWorkConsumer() {
  if (poller_.joinable()) {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    rd_kafka_queue_yield(queue_.get());
    poller_.join();
  }
  if (on_destruction_) on_destruction_(this);
}

absl::StatusOr<std::vector<WorkItem>> KafkaWorkConsumer::Take(size_t max_items, absl::Duration wait) {
  absl::MutexLock lock(&mutex_);
  const auto is_ready = [this] {
    mutex_.AssertHeld();
    return interrupted_ || !ended_.ok() || !waiting_.empty();
  };
  mutex_.AwaitWithDeadline(absl::Condition(&is_ready), absl::Now() + wait);
  if (interrupted_) return absl::CancelledError("the consumer was interrupted");
  ASSAY_RETURN_IF_ERROR(ended_);
  std::vector<WorkItem> taken;
  while (!waiting_.empty() && taken.size() < max_items) {
    WorkItem& item = waiting_.front();
    running_.emplace(item.partition, item.offset);
    Find(item.partition)->window.Start(item.offset);
    taken.push_back(std::move(item));
    waiting_.pop_front();
  }
  return taken;
}

void KafkaWorkConsumer::Done(const WorkItem& item) {
  bool may_resume = false;
  {
    absl::MutexLock lock(&mutex_);
    Partition* partition = Find(item.partition);
    if (partition == nullptr || running_.erase({item.partition, item.offset}) == 0) return;
    partition->window.Finish(item.offset);
    may_resume = is_full_ || partition->is_paused;
  }
  if (may_resume) rd_kafka_queue_yield(queue_.get());
}

void KafkaWorkConsumer::Interrupt() {
  absl::MutexLock lock(&mutex_);
  interrupted_ = true;
}

void KafkaWorkConsumer::Close() { Fail(absl::FailedPreconditionError("the queue is closed")); }

void KafkaWorkConsumer::Fail(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  if (ended_.ok()) ended_ = std::move(status);
}

std::vector<KafkaWorkConsumer::Progress> KafkaWorkConsumer::progress() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Progress> progress;
  for (const Partition& partition : partitions_) {
    progress.push_back({partition.window.watermark(), partition.window.done()});
  }
  return progress;
}

KafkaWorkConsumer::Partition* KafkaWorkConsumer::Find(int32_t partition) {
  if (partition < 0 || static_cast<size_t>(partition) >= partitions_.size()) return nullptr;
  return &partitions_[static_cast<size_t>(partition)];
}

void KafkaWorkConsumer::Run() {
  next_commit_ = absl::Now() + options_.commit_interval;
  for (;;) {
    // One at a time: taking many at once loses some over a pause or a reassignment.
    const Message message(rd_kafka_consumer_poll(client_.get(), kPollMilliseconds));
    if (message != nullptr) Accept(*message);
    Balance();
    CommitIfDue();
    absl::MutexLock lock(&mutex_);
    if (stopping_) break;
  }
  // Takes its partitions away, which commits what is done.
  rd_kafka_consumer_close(client_.get());
}

void KafkaWorkConsumer::Accept(const rd_kafka_message_t& message) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return Judge(message);
  absl::MutexLock lock(&mutex_);
  Partition* partition = Find(message.partition);
  if (partition == nullptr || !partition->is_assigned) return;
  if (const Offset next = partition->window.next(); next >= 0 && message.offset > next) {
    // Only retention and transactions leave such holes, and work has neither in its lifetime.
    LogWarning("kafka work offsets missing", {{"group", options_.group},
                                              {"partition", absl::StrCat(message.partition)},
                                              {"from", absl::StrCat(next)},
                                              {"to", absl::StrCat(message.offset)}});
  }
  if (!partition->window.Add(message.offset)) return;
  waiting_.push_back({std::string(static_cast<const char*>(message.key), message.key_len),
                      std::string(static_cast<const char*>(message.payload), message.len), message.partition,
                      message.offset});
}

void KafkaWorkConsumer::Judge(const rd_kafka_message_t& message) {
  const std::string what = absl::StrCat(options_.group, " as ", options_.name);
  char reason[256] = "";
  const rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(client_.get(), reason, sizeof(reason));
  if (fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
    return Fail(absl::FailedPreconditionError(absl::StrCat("another consumer took the name ", options_.name)));
  }
  if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Fail(absl::FailedPreconditionError(absl::StrCat("kafka: ", what, ": ", reason)));
  }
  const absl::Status status = ErrorStatus(message.err, what);
  if (absl::IsPermissionDenied(status)) return Fail(status);
  LogWarning("kafka work consumer", {{"group", options_.group}, {"status", status.ToString()}});
}

void KafkaWorkConsumer::Balance() {
  const Partitions to_pause(rd_kafka_topic_partition_list_new(1));
  const Partitions to_resume(rd_kafka_topic_partition_list_new(1));
  {
    absl::MutexLock lock(&mutex_);
    const size_t held = waiting_.size() + running_.size();
    is_full_ = held >= options_.window || (is_full_ && held > options_.window / 2);
    for (int32_t number = 0; number < options_.partitions; ++number) {
      Partition& partition = *Find(number);
      if (!partition.is_assigned) continue;
      const size_t span = partition.window.span();
      const bool should_pause =
          is_full_ || span >= options_.window || (partition.is_paused && span > options_.window / 2);
      if (should_pause == partition.is_paused) continue;
      partition.is_paused = should_pause;
      rd_kafka_topic_partition_list_add(should_pause ? to_pause.get() : to_resume.get(), options_.topic.c_str(), number);
    }
  }
  if (to_pause->cnt > 0) rd_kafka_pause_partitions(client_.get(), to_pause.get());
  if (to_resume->cnt > 0) Resume(to_resume.get());
}

void KafkaWorkConsumer::Resume(rd_kafka_topic_partition_list_t* list) {
  rd_kafka_resume_partitions(client_.get(), list);
  // A connection that had nothing to fetch looks again only once a second, unless it has something else to send: a
  // question to the leaders, whose answer no one waits for.
  for (int i = 0; i < list->cnt; ++i) list->elems[i].offset = RD_KAFKA_OFFSET_END;
  rd_kafka_offsets_for_times(client_.get(), list, /*timeout_ms=*/1);
}

Partitions KafkaWorkConsumer::ToCommit() {
  Partitions list(rd_kafka_topic_partition_list_new(1));
  absl::MutexLock lock(&mutex_);
  for (int32_t number = 0; number < options_.partitions; ++number) {
    Partition& partition = *Find(number);
    const Offset watermark = partition.window.watermark();
    if (!partition.is_assigned || watermark <= partition.committed) continue;
    partition.committed = watermark;
    rd_kafka_topic_partition_list_add(list.get(), options_.topic.c_str(), number)->offset = watermark;
  }
  return list;
}

void KafkaWorkConsumer::CommitIfDue() {
  if (absl::Now() < next_commit_) return;
  next_commit_ = absl::Now() + options_.commit_interval;
  const Partitions list = ToCommit();
  if (list->cnt > 0) rd_kafka_commit(client_.get(), list.get(), /*async=*/1);
}

void KafkaWorkConsumer::CommitNow() {
  const Partitions list = ToCommit();
  if (list->cnt == 0) return;
  const Queue answers(rd_kafka_queue_new(client_.get()));
  rd_kafka_resp_err_t error = rd_kafka_commit_queue(client_.get(), list.get(), answers.get(), nullptr, nullptr);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const Event event(rd_kafka_queue_poll(answers.get(), kCommitMilliseconds));
    error = event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event.get());
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    LogWarning("kafka work not committed", {{"group", options_.group}, {"error", rd_kafka_err2str(error)}});
  }
}

void KafkaWorkConsumer::OnRebalance(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list,
                                    void* opaque) {
  auto* const self = static_cast<KafkaWorkConsumer*>(opaque);
  if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) return self->OnAssigned(list);
  self->OnRevoked(list);
}

void KafkaWorkConsumer::OnAssigned(rd_kafka_topic_partition_list_t* assigned) {
  {
    absl::MutexLock lock(&mutex_);
    for (int i = 0; i < assigned->cnt; ++i) {
      Partition* partition = Find(assigned->elems[i].partition);
      if (partition == nullptr) continue;
      partition->window.Assign();
      partition->is_assigned = true;
      partition->is_paused = false;
      partition->committed = -1;
    }
  }
  rd_kafka_assign(client_.get(), assigned);
}

void KafkaWorkConsumer::OnRevoked(rd_kafka_topic_partition_list_t* revoked) {
  // Once they are lost they may be another's, and so is their progress.
  if (rd_kafka_assignment_lost(client_.get()) == 0) CommitNow();
  {
    absl::MutexLock lock(&mutex_);
    for (int i = 0; i < revoked->cnt; ++i) {
      Partition* partition = Find(revoked->elems[i].partition);
      if (partition == nullptr) continue;
      partition->window.Revoke();
      partition->is_assigned = false;
      partition->is_paused = false;
    }
    const auto is_gone = [this](const WorkItem& item) {
      mutex_.AssertHeld();
      return !Find(item.partition)->is_assigned;
    };
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), is_gone), waiting_.end());
  }
  rd_kafka_assign(client_.get(), nullptr);
}

void KafkaWorkConsumer::OnCommitted(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list,
                                    void* opaque) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET || list == nullptr) return;
  auto* const self = static_cast<KafkaWorkConsumer*>(opaque);
  LogWarning("kafka work not committed", {{"group", self->options_.group}, {"error", rd_kafka_err2str(error)}});
  absl::MutexLock lock(&self->mutex_);
  for (int i = 0; i < list->cnt; ++i) {
    if (Partition* partition = self->Find(list->elems[i].partition); partition != nullptr) partition->committed = -1;
  }
}

}  // namespace assay::log::kafka
