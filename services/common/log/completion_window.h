// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>

#include "services/common/log/log.h"

namespace assay::log {

// What one consumer knows of a partition whose records end in any order: which are waiting, running and done, and up to
// where nothing is left, which is the only offset that may be committed.
//
// Keeps what is running and done while the partition is elsewhere, so that a record that comes back after a
// reassignment is not run a second time beside itself. Not thread-safe.
class CompletionWindow {
 public:
  // The partition was assigned; records come in order from somewhere.
  void Assign();
  // The partition was taken away: what was waiting will come again.
  void Revoke();

  // A record came. False: it is running or done already.
  bool Add(Offset offset);
  // A waiting record starts to run.
  void Start(Offset offset);
  // A running record ended. False: it is not running.
  bool Finish(Offset offset);

  // Everything before it is done. Less than 0 while no record ever came.
  Offset watermark() const { return base_; }
  // What should come next in this assignment; less than 0 before the first.
  Offset next() const { return is_first_ ? -1 : next_; }
  // Offsets between the watermark and the last record that came.
  size_t span() const { return states_.size(); }
  // Those of them that are done.
  size_t done() const { return done_; }

 private:
  // Waiting ones are kAbsent again after Revoke().
  enum class State : char { kAbsent, kWaiting, kRunning, kDone };

  State* Find(Offset offset);
  void Set(State& state, State to);
  void Advance();

  Offset base_ = -1;
  // Of the offsets from base_ on; the first is never kDone.
  std::deque<State> states_;
  size_t done_ = 0;
  // Records before it came in this assignment, or will not come.
  Offset next_ = -1;
  bool is_first_ = true;
};

}  // namespace assay::log
