// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/log/log.h"

namespace assay::log {

// A piece of work taken from a queue. It stays assigned until it is done or its consumer goes away.
struct WorkItem {
  std::string key;
  std::string value;
  // Opaque to callers; handed back to Done().
  int32_t partition = 0;
  Offset offset = 0;
};

// Takes work for one consumer of a lane. Taking never runs anything; work ends by Done(), in any order; what is
// committed is the contiguous watermark, so that after a crash everything not done is delivered again. Destroying it
// gives what is not done to other consumers. Thread-safe; must not outlive its queue.
class WorkConsumer {
 public:
  virtual ~WorkConsumer() = default;
  // Up to `max_items`, waiting at most `wait` for the first. Returns none while its window of undone items is full.
  // CANCELLED: Interrupt() was called. FAILED_PRECONDITION: the queue was closed, or another consumer took this name.
  virtual absl::StatusOr<std::vector<WorkItem>> Take(size_t max_items, absl::Duration wait) = 0;
  // Unknown or repeated items are ignored.
  virtual void Done(const WorkItem& item) = 0;
  // Ends a waiting Take and every later one; Done goes on working.
  virtual void Interrupt() = 0;
};

// Lanes of work with consumer groups: every item goes to one consumer of each lane, at least once. Thread-safe.
class WorkQueue {
 public:
  virtual ~WorkQueue() = default;
  // Same contract as Log::Append. RESOURCE_EXHAUSTED: the lane is full. INVALID_ARGUMENT: no such lane, or too large.
  virtual void Put(absl::string_view lane, absl::string_view key, absl::string_view value, DeliveryCallback done) = 0;
  // `consumer` is a stable name: the same name again continues where it left off, and fences a consumer that still has
  // it. INVALID_ARGUMENT: no such lane.
  virtual absl::StatusOr<std::unique_ptr<WorkConsumer>> Consume(absl::string_view lane, absl::string_view consumer) = 0;
  // Items put and not yet done.
  virtual uint64_t Depth(absl::string_view lane) = 0;
  virtual void Close() = 0;
};

}  // namespace assay::log
