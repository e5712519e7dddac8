// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/log/kafka_client.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/log.h"

namespace assay::log::kafka {

struct ProducerOptions {
  KafkaConnection connection;
  // What it may write to; Produce() names them by their place here.
  std::vector<std::string> topics;
  // Accepted and not yet delivered; past either bound Produce answers RESOURCE_EXHAUSTED.
  size_t max_queued_records = 10000;
  size_t max_queued_bytes = 64 << 20;
  // After this an append that was not acknowledged is given up. Below 30 s this librdkafka turns a slow broker into a
  // fatal error more often.
  absl::Duration delivery_timeout = absl::Seconds(30);
};

// Writes records with all copies acknowledged and tells each one's fate, in the words of Delivery: a record that may
// have reached a broker is UNAVAILABLE, one that surely has not is RESOURCE_EXHAUSTED (or INVALID_ARGUMENT,
// PERMISSION_DENIED, or FAILED_PRECONDITION when the topic is gone), however it failed.
//
// After a fatal error of the client everything it had not reported is answered as UNAVAILABLE, and a new one takes
// over. Such a record may still arrive, after records that were accepted later. Callbacks run on a thread of its own.
// Thread-safe.
class Producer {
 public:
  struct Stats {
    uint64_t delivered = 0;
    uint64_t unknown = 0;
    uint64_t refused = 0;
    uint64_t rebuilt = 0;
    size_t queued_records = 0;
    size_t queued_bytes = 0;
    // How long the oldest undelivered record has been waiting: the first sign of brokers in trouble.
    absl::Duration oldest_queued;
  };

  static absl::StatusOr<std::unique_ptr<Producer>> Create(ProducerOptions options);
  ~Producer();

  // `done` is called exactly once, before Produce returns where the record is refused at once. Records of one thread to
  // one partition keep their order.
  void Produce(size_t topic, int32_t partition, absl::string_view key, absl::string_view value, DeliveryCallback done);
  // Learns the topics' leaders and gets the number that makes repeats recognisable, so that the first record does not
  // wait for it (half a second, mostly). UNAVAILABLE: not before `deadline`.
  absl::Status Warm(absl::Time deadline);
  // Waits until all that was accepted is reported, and refuses the rest. Calling it again does nothing.
  void Close();

  Stats stats() const;
  // For tests: the client fails as it does when its sequence numbers and a broker's part.
  void FailForTest();

 private:
  // One librdkafka client. A fatal error ends it.
  struct Generation {
    Client client;
    // Go before their client.
    std::vector<Topic> topics;
  };
  struct Pending {
    DeliveryCallback done;
    size_t bytes = 0;
    absl::Time since;
    // Which client has it; null until one has. Only compared.
    const Generation* generation = nullptr;
    std::list<std::unique_ptr<Pending>>::iterator place;
  };

  explicit Producer(ProducerOptions options) : options_(std::move(options)) {}
  absl::StatusOr<std::unique_ptr<Generation>> MakeGeneration();
  absl::StatusOr<Pending*> Admit(size_t bytes, DeliveryCallback& done);
  void Report(Pending* pending, const Delivery& delivery);
  // The polling thread.
  void Run();
  void Replace();
  void ReportForgotten(const Generation* generation);
  static int OnStatistics(rd_kafka_t* client, char* json, size_t length, void* opaque);
  static void OnDelivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);

  const ProducerOptions options_;

  // Held for reading while a record is handed over, for writing while the client is replaced.
  absl::Mutex generation_mutex_;
  std::unique_ptr<Generation> generation_ ABSL_GUARDED_BY(generation_mutex_);

  mutable absl::Mutex mutex_;
  // In the order in which they were accepted.
  std::list<std::unique_ptr<Pending>> pending_ ABSL_GUARDED_BY(mutex_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // The first client has its number.
  bool is_warm_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Stats stats_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex close_mutex_;
  std::thread poller_ ABSL_GUARDED_BY(close_mutex_);
};

}  // namespace assay::log::kafka
