// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/completion_window.h"

#include <algorithm>

namespace assay::log {

void CompletionWindow::Assign() {
  Revoke();
  is_first_ = true;
}

void CompletionWindow::Revoke() {
  for (State& state : states_) {
    if (state == State::kWaiting) state = State::kAbsent;
  }
}

CompletionWindow::State* CompletionWindow::Find(Offset offset) {
  if (offset < base_ || offset >= base_ + static_cast<Offset>(states_.size())) return nullptr;
  return &states_[static_cast<size_t>(offset - base_)];
}

void CompletionWindow::Set(State& state, State to) {
  if (state == State::kDone) --done_;
  if (to == State::kDone) ++done_;
  state = to;
}

void CompletionWindow::Advance() {
  while (!states_.empty() && states_.front() == State::kDone) {
    states_.pop_front();
    --done_;
    ++base_;
  }
}

bool CompletionWindow::Add(Offset offset) {
  if (base_ < 0) base_ = offset;
  if (is_first_) {
    is_first_ = false;
    next_ = base_;
    // Another consumer committed everything before it.
    while (base_ < offset && !states_.empty()) {
      Set(states_.front(), State::kAbsent);
      states_.pop_front();
      ++base_;
    }
    if (base_ < offset) base_ = offset;
  }
  // What the log skips will never come.
  for (; next_ < offset; ++next_) {
    State* skipped = Find(next_);
    if (skipped == nullptr && next_ >= base_) skipped = &states_.emplace_back(State::kAbsent);
    if (skipped != nullptr && *skipped == State::kAbsent) Set(*skipped, State::kDone);
  }
  next_ = std::max(next_, offset + 1);
  if (offset < base_) return false;
  if (offset == base_ + static_cast<Offset>(states_.size())) states_.emplace_back(State::kAbsent);
  State& state = *Find(offset);
  const bool is_new = state == State::kAbsent;
  if (is_new) Set(state, State::kWaiting);
  Advance();
  return is_new;
}

void CompletionWindow::Start(Offset offset) {
  if (State* state = Find(offset); state != nullptr && *state == State::kWaiting) Set(*state, State::kRunning);
}

bool CompletionWindow::Finish(Offset offset) {
  State* state = Find(offset);
  if (state == nullptr || *state != State::kRunning) return false;
  Set(*state, State::kDone);
  Advance();
  return true;
}

}  // namespace assay::log
