// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/sweeper.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::aggregator {

Sweeper::Sweeper(Options options, std::vector<Snapshot> shards, Clock& clock)
    : options_(options), shards_(std::move(shards)), clock_(clock), last_(shards_.size()) {}

Sweeper::~Sweeper() { Stop(); }

void Sweeper::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Sweeper::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

std::optional<Sweeper::Outcome> Sweeper::Last(size_t shard) const {
  absl::MutexLock lock(&mutex_);
  return last_.at(shard);
}

bool Sweeper::Wait(absl::Duration duration) const {
  absl::MutexLock lock(&mutex_);
  return !clock_.AwaitWithDeadline(&mutex_, absl::Condition(&stopping_), clock_.TimeNow() + duration);
}

void Sweeper::Run() {
  for (absl::Duration wait = options_.first_wait; Wait(wait); wait = options_.wait) {
    for (size_t shard = 0; shard < shards_.size(); ++shard) {
      const absl::Status status = SweepShard(shard);
      if (absl::IsCancelled(status)) return;
      if (!status.ok()) {
        LogError("the sweep of a shard failed", {{"shard", absl::StrCat(shard)}, {"status", status.ToString()}});
      }
    }
  }
}

absl::Status Sweeper::SweepShard(size_t shard) {
  const std::unique_ptr<RowReader> rows = shards_[shard]();
  Sweep sweep(*rows);
  for (bool done = false; !done;) {
    if (!Wait(options_.pause)) return absl::CancelledError("stopping");
    ASSAY_ASSIGN_OR_RETURN(done, sweep.Step(options_.rows));
  }
  const SweepReport& report = sweep.report();
  for (const std::string& finding : report.first_findings) {
    LogError("lost work, or a wrong account",
             {{"shard", absl::StrCat(shard)}, {"offset", absl::StrCat(report.applied_offset)}, {"finding", finding}});
  }
  absl::MutexLock lock(&mutex_);
  last_[shard] = Outcome{clock_.TimeNow(), report};
  return absl::OkStatus();
}

}  // namespace assay::aggregator
