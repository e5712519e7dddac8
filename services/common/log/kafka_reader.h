// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/log/kafka_client.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/log.h"

namespace assay::log::kafka {

// Reads partitions of one topic. Readers of different partitions share a client, and so its connections and its fetch
// requests; each further reader of the same partition gets another one. Thread-safe; outlives its readers.
class ReaderPool {
 public:
  // Where a partition ends.
  using AskEnd = std::function<absl::StatusOr<Offset>(int32_t partition)>;

  // With `compacted`, offsets may be missing: of an older record of a key, which the brokers took away.
  static absl::StatusOr<std::unique_ptr<ReaderPool>> Create(const KafkaConnection& connection, std::string topic,
                                                            bool compacted, AskEnd ask_end);
  ~ReaderPool();

  // `from` must exist; the pool does not ask.
  absl::StatusOr<std::unique_ptr<Reader>> Open(int32_t partition, Offset from);
  // Readers read on to the end as it is now, and end there.
  void Close();
  // Readers end with `status` at once.
  void Fail(const absl::Status& status);
  // The client that also answers questions.
  rd_kafka_t* client() { return clients_.front()->client.get(); }

 private:
  class KafkaReader;
  struct Shared {
    Client client;
    // Goes before its client.
    Topic topic;
    std::set<int32_t> partitions;
  };

  ReaderPool(KafkaConnection connection, std::string topic, bool compacted, AskEnd ask_end)
      : connection_(std::move(connection)),
        topic_(std::move(topic)),
        compacted_(compacted),
        ask_end_(std::move(ask_end)) {}
  absl::StatusOr<std::unique_ptr<Shared>> MakeShared() const;
  void Release(Shared* shared, KafkaReader* reader);
  absl::Status failure();

  const KafkaConnection connection_;
  const std::string topic_;
  const bool compacted_;
  const AskEnd ask_end_;
  std::atomic<bool> closed_ = false;
  std::atomic<bool> failed_ = false;

  absl::Mutex mutex_;
  // The first is there from the start; none is removed.
  std::vector<std::unique_ptr<Shared>> clients_;
  std::set<KafkaReader*> readers_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::log::kafka
