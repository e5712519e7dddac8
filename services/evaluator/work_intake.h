// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "assay/event/v1/announcement.pb.h"
#include "assay/event/v1/work.pb.h"

namespace assay::evaluator {

// Decides what happens to work that is offered, and remembers what runs. A step machine: no threads, locks or clocks
// inside; whoever drives it passes the time.
class WorkIntake {
 public:
  enum class Decision {
    kStart,      // run it, then call Ended
    kDuplicate,  // that very attempt runs already or ran lately: done at once, without a record
    kCancelled,  // its evaluation was cancelled: finish it as CANCELLED
    kExpired,    // its deadline or its capability is over: done at once, the shard has moved on
  };

  // Slots by lane; a lane that is not named has none.
  explicit WorkIntake(std::map<std::string, int> slots) : free_(std::move(slots)) {}

  // How many pieces of work the lane may be given now.
  int FreeSlots(const std::string& lane) const;
  // kStart takes a slot of the lane until Ended.
  Decision Offer(const std::string& lane, const event::v1::Work& work, absl::Time now);
  void Ended(const std::string& lane, const event::v1::Work& work);
  // Remembers the evaluations, so that work that comes later is not started either; what a rerun of the submission made
  // is. The last 10,000 are known.
  void Cancel(const event::v1::Cancellation& cancellation);
  size_t running() const { return running_.size(); }

 private:
  using Attempt = std::pair<std::string, uint32_t>;

  std::map<std::string, int> free_;
  std::set<Attempt> running_;
  // Lately ended attempts, in order; the queue may deliver them again.
  std::set<Attempt> ended_;
  std::deque<Attempt> ended_order_;
  std::set<std::string> cancelled_;
  std::deque<std::string> cancelled_order_;
};

// Whether that attempt, which runs or waits, is to end.
bool IsCancelledBy(const event::v1::Work& work, const event::v1::Cancellation& cancellation);

}  // namespace assay::evaluator
