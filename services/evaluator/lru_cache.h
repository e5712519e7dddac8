// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace assay::evaluator {

// Values by key, bounded by their number and by the bytes they say they have; what was used longest ago goes first. A
// value that is larger than the whole cache is not kept. Thread-safe.
template <typename Value>
class LruCache {
 public:
  LruCache(size_t max_entries, uint64_t max_bytes) : max_entries_(max_entries), max_bytes_(max_bytes) {}

  // Null: not there.
  std::shared_ptr<const Value> Find(const std::string& key) {
    absl::MutexLock lock(&mutex_);
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  void Insert(const std::string& key, std::shared_ptr<const Value> value, uint64_t bytes) {
    absl::MutexLock lock(&mutex_);
    if (bytes > max_bytes_ || max_entries_ == 0) return;
    if (const auto found = places_.find(key); found != places_.end()) Remove(found->second);
    entries_.push_front({key, std::move(value), bytes});
    places_[key] = entries_.begin();
    bytes_ += bytes;
    while (entries_.size() > max_entries_ || bytes_ > max_bytes_) Remove(std::prev(entries_.end()));
  }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Value> value;
    uint64_t bytes;
  };
  using Place = typename std::list<Entry>::iterator;

  void Remove(Place place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    bytes_ -= place->bytes;
    places_.erase(place->key);
    entries_.erase(place);
  }

  const size_t max_entries_;
  const uint64_t max_bytes_;
  absl::Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Place> places_ ABSL_GUARDED_BY(mutex_);
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace assay::evaluator
