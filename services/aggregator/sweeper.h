// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/aggregator/rows.h"
#include "services/aggregator/sweep.h"
#include "services/common/base/clock.h"

namespace assay::aggregator {

// Sweeps the shards of a process again and again, one after the other on a thread of its own and slowly enough to be in
// nobody's way. What a sweep finds is logged, and kept until the next one of that shard. Thread-safe; the clock and
// whatever the functions read must outlive it.
class Sweeper {
 public:
  struct Options {
    absl::Duration first_wait = absl::Seconds(10);
    absl::Duration wait = absl::Minutes(10);
    // Between two steps of `rows` rows.
    absl::Duration pause = absl::Milliseconds(20);
    size_t rows = 100;
  };
  struct Outcome {
    absl::Time end;
    SweepReport report;
  };
  // The rows of a shard as they are when it is called.
  using Snapshot = std::function<std::unique_ptr<RowReader>()>;

  Sweeper(Options options, std::vector<Snapshot> shards, Clock& clock);
  ~Sweeper();

  void Start();
  // Ends the thread after the step it works on.
  void Stop();

  // Of the last sweep of the shard that came to its end.
  std::optional<Outcome> Last(size_t shard) const;

 private:
  void Run();
  absl::Status SweepShard(size_t shard);
  // False: it is time to stop.
  bool Wait(absl::Duration duration) const;

  const Options options_;
  const std::vector<Snapshot> shards_;
  Clock& clock_;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::optional<Outcome>> last_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::aggregator
