// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/store/store.h"

namespace assay::store {

// A Store in memory that fails, and loses what was not synced, when told to. Thread-safe.
class FakeStore final : public Store {
 public:
  explicit FakeStore(std::vector<Table> tables);

  absl::Status Write(const Batch& batch, bool sync) override;
  absl::StatusOr<std::string> Get(absl::string_view table, absl::string_view key) override;
  absl::StatusOr<std::vector<Row>> Scan(absl::string_view table, absl::string_view prefix, absl::string_view start,
                                        size_t limit) override;
  absl::StatusOr<std::vector<Row>> ScanBackwards(absl::string_view table, absl::string_view prefix,
                                                 absl::string_view start, size_t limit) override;
  absl::StatusOr<std::string> StateHash(const std::vector<Table>& tables) override;

  // The next write returns `status`; when `applied`, its changes are there after Reopen() nevertheless, as on a disk
  // that failed between writing and flushing. Like a real store this one is then read-only until Reopen().
  void FailNext(absl::Status status, bool applied = false);
  // Forgets every write after the last synced one, as a power loss does, and can be written again.
  void LoseUnsynced();
  // Can be written again after a failure; keeps everything.
  void Reopen();
  // Writes that returned OK.
  int writes() const;

 private:
  using Rows = std::map<std::string, std::string>;
  using Tables = std::map<Table, Rows>;

  absl::Status Check(const Batch& batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<const Rows*> Find(absl::string_view table) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Apply(const Batch& batch, Tables& tables);

  mutable absl::Mutex mutex_;
  Tables tables_ ABSL_GUARDED_BY(mutex_);
  Tables synced_ ABSL_GUARDED_BY(mutex_);
  // What tables_ has and synced_ has not.
  std::vector<Batch> unsynced_ ABSL_GUARDED_BY(mutex_);
  // What a reopening finds in place of tables_ when the failed write reached the disk.
  Tables after_reopen_ ABSL_GUARDED_BY(mutex_);
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_after_reopen_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status next_failure_ ABSL_GUARDED_BY(mutex_);
  bool next_failure_applied_ ABSL_GUARDED_BY(mutex_) = false;
  int writes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace assay::store
