// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/log/completion_window.h"
#include "services/common/log/kafka_client.h"
#include "services/common/log/work_queue.h"

namespace assay::log::kafka {

struct WorkConsumerOptions {
  KafkaConnection connection;
  std::string topic;
  int32_t partitions = 1;
  std::string group;
  std::string name;
  size_t window = 512;
  absl::Duration session_timeout = absl::Seconds(45);
  absl::Duration commit_interval = absl::Seconds(1);
};

// One static member of a consumer group. A thread of its own polls, whatever the work does; work waits in a bounded
// queue, and a full one pauses the partitions.
class KafkaWorkConsumer final : public WorkConsumer {
 public:
  // What a consumer knows of a partition beyond what is committed: everything before `watermark` is done, and so are
  // `done` later items.
  struct Progress {
    Offset watermark = -1;
    size_t done = 0;
  };

  // `on_destruction` is called once, after the last use of anything but this object.
  static absl::StatusOr<std::unique_ptr<KafkaWorkConsumer>> Create(
      WorkConsumerOptions options, std::function<void(KafkaWorkConsumer*)> on_destruction);
  ~KafkaWorkConsumer() override;

  absl::StatusOr<std::vector<WorkItem>> Take(size_t max_items, absl::Duration wait) override;
  void Done(const WorkItem& item) override;
  void Interrupt() override;
  // Take answers FAILED_PRECONDITION from now on.
  void Close();
  // By partition.
  std::vector<Progress> progress() const;

 private:
  struct Partition {
    CompletionWindow window;
    bool is_assigned = false;
    // Ours, because resuming what is not paused makes this librdkafka start over.
    bool is_paused = false;
    Offset committed = -1;
  };

  explicit KafkaWorkConsumer(WorkConsumerOptions options) : options_(std::move(options)) {}
  absl::Status Start();
  // The polling thread, and what it calls.
  void Run();
  void Accept(const rd_kafka_message_t& message);
  void Judge(const rd_kafka_message_t& message);
  void Balance();
  void Resume(rd_kafka_topic_partition_list_t* list);
  void CommitIfDue();
  void CommitNow();
  Partitions ToCommit();
  void OnAssigned(rd_kafka_topic_partition_list_t* assigned);
  void OnRevoked(rd_kafka_topic_partition_list_t* revoked);
  static void OnRebalance(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque);
  static void OnCommitted(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque);

  void Fail(absl::Status status);
  Partition* Find(int32_t partition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const WorkConsumerOptions options_;
  std::function<void(KafkaWorkConsumer*)> on_destruction_;
  Client client_;
  Queue queue_;
  // Of the polling thread.
  absl::Time next_commit_ = absl::InfinitePast();

  mutable absl::Mutex mutex_;
  std::vector<Partition> partitions_ ABSL_GUARDED_BY(mutex_);
  std::deque<WorkItem> waiting_ ABSL_GUARDED_BY(mutex_);
  // By partition and offset.
  std::set<std::pair<int32_t, Offset>> running_ ABSL_GUARDED_BY(mutex_);
  // Too many are waiting or running; until half of them are gone.
  bool is_full_ ABSL_GUARDED_BY(mutex_) = false;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status ended_ ABSL_GUARDED_BY(mutex_);

  std::thread poller_;
};

}  // namespace assay::log::kafka
