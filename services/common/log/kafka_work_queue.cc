// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_work_queue.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/log/kafka_client.h"
#include "services/common/log/kafka_producer.h"
#include "services/common/log/kafka_work_consumer.h"

namespace assay::log {
namespace {

using kafka::KafkaWorkConsumer;

// Of one question for the depth: metrics ask often, and must not hang with the brokers.
constexpr absl::Duration kDepthTimeout = absl::Seconds(2);

}  // namespace

class KafkaWorkQueue::Core {
 public:
  explicit Core(KafkaWorkQueueOptions options) : options_(std::move(options)) {}
  ~Core() { Close(); }

  absl::Status Open();
  void Put(absl::string_view lane, absl::string_view key, absl::string_view value, DeliveryCallback done);
  absl::StatusOr<std::unique_ptr<WorkConsumer>> Consume(absl::string_view lane, absl::string_view consumer);
  uint64_t Depth(absl::string_view lane);
  void Close();

 private:
  struct Lane {
    // Its place among the producer's topics.
    size_t number = 0;
    KafkaTopic topic;
    std::atomic<uint32_t> next_partition = 0;
    std::atomic<uint64_t> last_depth = 0;
    absl::Mutex mutex;
    std::set<KafkaWorkConsumer*> consumers ABSL_GUARDED_BY(mutex);
    // Asks about the group; made by the first question, for most processes have none.
    absl::Mutex asker_mutex;
    kafka::Client asker ABSL_GUARDED_BY(asker_mutex);

    std::string group() const { return GroupOf(topic.name); }
  };

  absl::StatusOr<Lane*> Find(absl::string_view lane);
  absl::StatusOr<uint64_t> AskDepth(Lane& lane);
  absl::StatusOr<std::vector<Offset>> AskCommitted(Lane& lane, const std::vector<int32_t>& partitions,
                                                   absl::Time deadline);

  const KafkaWorkQueueOptions options_;
  // Constant after Open().
  std::map<std::string, std::unique_ptr<Lane>, std::less<>> lanes_;
  std::unique_ptr<kafka::Producer> producer_;
  // Answers questions.
  kafka::Client client_;
  std::atomic<bool> closed_ = false;
};

absl::Status KafkaWorkQueue::Core::Open() {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<KafkaTopics> topics,
                         KafkaTopics::Connect(options_.connection, options_.request_timeout));
  kafka::ProducerOptions producing;
  producing.connection = options_.connection;
  producing.max_queued_records = options_.max_queued_records;
  producing.max_queued_bytes = options_.max_queued_bytes;
  for (const KafkaWorkQueueOptions::Lane& lane : options_.lanes) {
    ASSAY_RETURN_IF_ERROR(topics->Check(lane.topic, options_.request_timeout));
    auto& made = lanes_[lane.name] = std::make_unique<Lane>();
    made->number = producing.topics.size();
    made->topic = lane.topic;
    producing.topics.push_back(lane.topic.name);
  }
  ASSAY_ASSIGN_OR_RETURN(client_, kafka::Settings(options_.connection).MakeClient(RD_KAFKA_PRODUCER));
  ASSAY_ASSIGN_OR_RETURN(producer_, kafka::Producer::Create(std::move(producing)));
  return producer_->Warm(absl::Now() + options_.request_timeout);
}

absl::StatusOr<KafkaWorkQueue::Core::Lane*> KafkaWorkQueue::Core::Find(absl::string_view lane) {
  const auto it = lanes_.find(lane);
  if (it != lanes_.end()) return it->second.get();
  const auto name = [](std::string* out, const KafkaWorkQueueOptions::Lane& each) { out->append(each.name); };
  return absl::InvalidArgumentError(
      absl::StrCat("lane \"", lane, "\": there are ", absl::StrJoin(options_.lanes, ", ", name)));
}

void KafkaWorkQueue::Core::Put(absl::string_view name, absl::string_view key, absl::string_view value,
                               DeliveryCallback done) {
  const absl::StatusOr<Lane*> found = Find(name);
  if (!found.ok()) return done({found.status(), -1});
  if (key.size() + value.size() > Log::kMaxRecordBytes) {
    return done({absl::InvalidArgumentError(absl::StrCat("item of ", key.size() + value.size(), " bytes, at most ",
                                                         Log::kMaxRecordBytes, " are allowed")),
                 -1});
  }
  Lane& lane = **found;
  const auto partition = static_cast<int32_t>(lane.next_partition++ % static_cast<uint32_t>(lane.topic.partitions));
  producer_->Produce(lane.number, partition, key, value, std::move(done));
}

absl::StatusOr<std::unique_ptr<WorkConsumer>> KafkaWorkQueue::Core::Consume(absl::string_view name,
                                                                            absl::string_view consumer) {
  ASSAY_ASSIGN_OR_RETURN(Lane * lane, Find(name));
  if (closed_) return absl::FailedPreconditionError("the queue is closed");
  kafka::WorkConsumerOptions options;
  options.connection = options_.connection;
  options.topic = lane->topic.name;
  options.partitions = lane->topic.partitions;
  options.group = lane->group();
  options.name = std::string(consumer);
  options.window = options_.window;
  options.session_timeout = options_.session_timeout;
  options.commit_interval = options_.commit_interval;
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<KafkaWorkConsumer> created,
                         KafkaWorkConsumer::Create(std::move(options), [lane](KafkaWorkConsumer* gone) {
                           absl::MutexLock lock(&lane->mutex);
                           lane->consumers.erase(gone);
                         }));
  absl::MutexLock lock(&lane->mutex);
  lane->consumers.insert(created.get());
  return std::unique_ptr<WorkConsumer>(std::move(created));
}

uint64_t KafkaWorkQueue::Core::Depth(absl::string_view name) {
  const absl::StatusOr<Lane*> lane = Find(name);
  if (!lane.ok()) return 0;
  const absl::StatusOr<uint64_t> depth = AskDepth(**lane);
  if (depth.ok()) {
    (*lane)->last_depth = *depth;
  } else {
    LogWarning("kafka depth not known", {{"lane", std::string(name)}, {"status", depth.status().ToString()}});
  }
  return (*lane)->last_depth;
}

absl::StatusOr<std::vector<Offset>> KafkaWorkQueue::Core::AskCommitted(Lane& lane,
                                                                       const std::vector<int32_t>& partitions,
                                                                       absl::Time deadline) {
  rd_kafka_t* asker = nullptr;
  {
    absl::MutexLock lock(&lane.asker_mutex);
    if (lane.asker == nullptr) {
      ASSAY_ASSIGN_OR_RETURN(lane.asker, kafka::MakeGroupClient(options_.connection, lane.group()));
    }
    asker = lane.asker.get();
  }
  return kafka::QueryCommitted(asker, lane.topic.name, partitions, deadline);
}

absl::StatusOr<uint64_t> KafkaWorkQueue::Core::AskDepth(Lane& lane) {
  const absl::Time deadline = absl::Now() + kDepthTimeout;
  const std::string& topic = lane.topic.name;
  std::vector<int32_t> all(static_cast<size_t>(lane.topic.partitions));
  std::iota(all.begin(), all.end(), 0);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Offset> starts,
                         kafka::QueryOffsets(client_.get(), topic, all, kafka::Edge::kStart, deadline));
  ASSAY_ASSIGN_OR_RETURN(std::vector<Offset> firsts, AskCommitted(lane, all, deadline));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Offset> ends,
                         kafka::QueryOffsets(client_.get(), topic, all, kafka::Edge::kEnd, deadline));
  // What consumers of this process have done and not yet committed counts too.
  std::vector<size_t> done(all.size());
  absl::MutexLock lock(&lane.mutex);
  for (const KafkaWorkConsumer* consumer : lane.consumers) {
    const std::vector<KafkaWorkConsumer::Progress> progress = consumer->progress();
    for (size_t i = 0; i < all.size(); ++i) {
      if (progress[i].watermark < firsts[i]) continue;
      firsts[i] = progress[i].watermark;
      done[i] = progress[i].done;
    }
  }
  uint64_t depth = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const Offset undone = ends[i] - std::max(firsts[i], starts[i]) - static_cast<Offset>(done[i]);
    depth += static_cast<uint64_t>(std::max<Offset>(undone, 0));
  }
  return depth;
}

void KafkaWorkQueue::Core::Close() {
  closed_ = true;
  for (const auto& [name, lane] : lanes_) {
    absl::MutexLock lock(&lane->mutex);
    for (KafkaWorkConsumer* consumer : lane->consumers) consumer->Close();
  }
  if (producer_ != nullptr) producer_->Close();
}

std::string KafkaWorkQueue::GroupOf(absl::string_view topic) { return absl::StrCat(topic, ".workers"); }

KafkaWorkQueue::KafkaWorkQueue(std::unique_ptr<Core> core) : core_(std::move(core)) {}
KafkaWorkQueue::~KafkaWorkQueue() = default;

absl::StatusOr<std::unique_ptr<KafkaWorkQueue>> KafkaWorkQueue::Open(KafkaWorkQueueOptions options) {
  auto core = std::make_unique<Core>(std::move(options));
  ASSAY_RETURN_IF_ERROR(core->Open());
  return std::unique_ptr<KafkaWorkQueue>(new KafkaWorkQueue(std::move(core)));
}

void KafkaWorkQueue::Put(absl::string_view lane, absl::string_view key, absl::string_view value,
                         DeliveryCallback done) {
  core_->Put(lane, key, value, std::move(done));
}

absl::StatusOr<std::unique_ptr<WorkConsumer>> KafkaWorkQueue::Consume(absl::string_view lane,
                                                                      absl::string_view consumer) {
  return core_->Consume(lane, consumer);
}

uint64_t KafkaWorkQueue::Depth(absl::string_view lane) { return core_->Depth(lane); }
void KafkaWorkQueue::Close() { core_->Close(); }

}  // namespace assay::log
