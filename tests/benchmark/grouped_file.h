// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/unique_fd.h"

namespace assay::benchmark {

// The limit of durable appends from many threads: one file, one flush for everything that waits, as a group commit
// without any store would do it. Thread-safe.
class GroupedFile {
 public:
  explicit GroupedFile(const std::string& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)), flusher_([this] { Flush(); }) {}

  ~GroupedFile() {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    flusher_.join();
  }

  // Durable when it returns.
  void Append(absl::string_view value) {
    absl::MutexLock lock(&mutex_);
    pending_.append(value.data(), value.size());
    const uint64_t mine = batch_;
    const auto is_flushed = [&] {
      mutex_.AssertHeld();
      return flushed_ > mine;
    };
    mutex_.Await(absl::Condition(&is_flushed));
  }

 private:
  void Flush() {
    const auto has_work = [this] {
      mutex_.AssertHeld();
      return !pending_.empty() || stopped_;
    };
    for (;;) {
      std::string data;
      {
        absl::MutexLock lock(&mutex_, absl::Condition(&has_work));
        if (pending_.empty()) return;
        data.swap(pending_);
        ++batch_;
      }
      if (::write(fd_.get(), data.data(), data.size()) != static_cast<ssize_t>(data.size()) ||
          ::fdatasync(fd_.get()) != 0) {
        std::abort();
      }
      absl::MutexLock lock(&mutex_);
      flushed_ = batch_;
    }
  }

  const UniqueFd fd_;
  absl::Mutex mutex_;
  std::string pending_ ABSL_GUARDED_BY(mutex_);
  uint64_t batch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t flushed_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread flusher_;
};

}  // namespace assay::benchmark
