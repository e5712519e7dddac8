// SPDX-License-Identifier: Apache-2.0
#include "services/common/runtime/health.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace assay::runtime {

bool Health::IsReadyLocked() const {
  return !stopping_ && !parts_.empty() &&
         std::all_of(parts_.begin(), parts_.end(), [](const auto& part) { return part.second.ok(); });
}

void Health::Set(const std::string& part, absl::Status status) {
  {
    absl::MutexLock lock(&mutex_);
    parts_[part] = std::move(status);
  }
  Announce();
}

void Health::BeginStop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  Announce();
}

bool Health::IsReady() const {
  absl::ReaderMutexLock lock(&mutex_);
  return IsReadyLocked();
}

std::string Health::Text() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::string text = stopping_ ? "stopping\n" : "";
  for (const auto& [part, status] : parts_) absl::StrAppend(&text, part, ": ", status.ToString(), "\n");
  return text;
}

void Health::Listen(std::function<void(bool)> listener) {
  absl::MutexLock lock(&announce_mutex_);
  listener(announced_);
  listeners_.push_back(std::move(listener));
}

void Health::Announce() {
  absl::MutexLock lock(&announce_mutex_);
  const bool ready = IsReady();
  if (ready == announced_) return;
  announced_ = ready;
  for (const auto& listener : listeners_) listener(ready);
}

}  // namespace assay::runtime
