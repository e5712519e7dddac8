// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/log/log.h"

namespace assay::log {

struct JournalCopy {
  // Of each partition, and of those how many this call added.
  std::vector<int64_t> records;
  int64_t added = 0;
};

// Makes `to` hold what `from` holds: every record of every partition, in order and at the same offset, then reads both
// and compares them. What is there already must be the beginning of `from`, so that a copy that was interrupted goes on
// when it is called again. Nobody else may append to either meanwhile. `progress` is told the number of records copied
// or compared, now and then. Blocks.
//
// FAILED_PRECONDITION: another number of partitions, a `from` whose beginning retention has dropped, or other records
// in `to`; the partition and the offset are named. Else what the logs answer.
absl::StatusOr<JournalCopy> CopyJournal(Log& from, Log& to, const std::function<void(int64_t records)>& progress);

}  // namespace assay::log
