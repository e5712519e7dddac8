// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "assay/event/v1/work.pb.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// Which of the work that waits in one lane of a shard's outbox is handed out next. Every tenant with waiting work gets
// a turn in each round, in order of its name, and may hand out as many rows in it as its quota's weight says; within a
// tenant the oldest goes first. So one with ten thousand rows delays another's single one by a turn, not by its queue.
//
// Work that is handed out and whose attempt has not ended is outstanding; `credit` bounds it. Holds a few numbers for
// each tenant with work and for a bounded number of others, and never the rows: it finds those by their keys. No
// threads, locks or clocks; not thread-safe.
class DispatchPlan {
 public:
  struct Item {
    std::string tenant;
    uint64_t place = 0;
    event::v1::Work work;
  };

  explicit DispatchPlan(std::string lane) : lane_(std::move(lane)) {}

  // Forgets everything and finds the tenants that have work in the outbox: all of it waits. Looks at one row for each.
  absl::Status Restart(const RowReader& rows);
  // Something of the tenant changed: it may have new work, and attempts of it may have ended. Every step of a
  // submission in the shard's feed of changes is worth a notice.
  void Notice(absl::string_view tenant);

  // What to hand out now, in order, at most `limit`, so that no more than `credit` is outstanding; it counts as
  // outstanding from here on. DATA_LOSS: a row cannot be read.
  absl::StatusOr<std::vector<Item>> Next(const RowReader& rows, size_t credit, size_t limit);
  // It could not be handed out: it waits again, in its old place.
  void PutBack(const Item& item);

  size_t outstanding() const { return outstanding_; }

 private:
  struct Queue {
    // Everything before it is handed out, or gone.
    uint64_t next = 1;
    std::set<uint64_t> outstanding;
  };

  absl::Status Settle(const RowReader& rows, const std::string& tenant, Queue& queue);
  absl::StatusOr<size_t> WeightOf(const RowReader& rows, const std::string& tenant) const;
  // Moves up to `limit` rows of the tenant to `items`; how many there were.
  absl::StatusOr<size_t> Take(const RowReader& rows, const std::string& tenant, size_t limit, std::vector<Item>& items);
  void ForgetIfIdle(const std::string& tenant);

  const std::string lane_;
  std::map<std::string, Queue> queues_;
  // Tenants that may have rows to hand out.
  std::set<std::string> waiting_;
  // Tenants whose outstanding rows may be gone.
  std::set<std::string> noticed_;
  size_t outstanding_ = 0;
  // Whose turn it is, or from where on the next is looked for; and how much of its turn is left, 0: it has not begun.
  std::string turn_;
  size_t turn_left_ = 0;
};

}  // namespace assay::aggregator
