// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "assay/event/v1/announcement.pb.h"
#include "services/common/base/clock.h"
#include "services/common/log/log.h"

namespace assay::membership {

// An instance is taken for gone when nothing was heard of it for this long.
inline constexpr absl::Duration kSilence = absl::Seconds(10);
// How often an instance says that it is there.
inline constexpr absl::Duration kHeartbeat = absl::Seconds(1);

// The latest announcement of an instance, and when it was received here. Time passes by this process's clock alone: a
// record found at start counts as received then.
struct Heard {
  event::v1::Announcement announcement;
  absl::Time received;
};

// Who is there, by what the topic of announcements says: one partition, compacted by key. Whatever is read here steers
// liveness alone and may be late or wrong; nothing that must be true may rest on it.
//
// Thread-safe. The log and the clock must outlive it.
class Announcements {
 public:
  // Reads what is there before it returns, for `timeout` at most. INVALID_ARGUMENT: the log has more than one partition.
  static absl::StatusOr<std::unique_ptr<Announcements>> Open(log::Log& log, Clock& clock,
                                                             absl::Duration timeout = absl::Seconds(10));
  ~Announcements();

  // Appends without waiting; a failure is logged and mended by the next one. Stamps the time. `key` as in
  // announcement.proto.
  void Announce(absl::string_view key, event::v1::Announcement announcement);

  // By instance. Includes those that are silent: see IsPresent.
  std::map<std::string, Heard> aggregators() const;
  std::map<std::string, Heard> evaluators() const;
  // It was heard of within `silence` and does not leave.
  bool IsPresent(const Heard& heard, absl::Duration silence = kSilence) const;

  // Calls `listener` with every record that arrives from now on, from the reading thread; it must not block. Ends when
  // the handle goes.
  std::shared_ptr<void> Subscribe(std::function<void(const event::v1::Announcement&)> listener);

  // OK while records are read; else why not. It goes on trying.
  absl::Status health() const;

 private:
  Announcements(log::Log& log, Clock& clock) : log_(log), clock_(clock) {}
  absl::Status OpenReader();
  // Takes what there is, waiting a little for the first; how many records.
  absl::StatusOr<size_t> ReadSome(absl::Duration wait);
  void Run();

  log::Log& log_;
  Clock& clock_;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  // Shared so that Interrupt and the reading thread never meet a reader that is gone.
  std::shared_ptr<log::Reader> reader_ ABSL_GUARDED_BY(mutex_);
  log::Offset next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Heard> aggregators_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Heard> evaluators_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);

  struct Listeners;
  // Outlives a handle that is let go of after this object.
  const std::shared_ptr<Listeners> listeners_ = MakeListeners();
  static std::shared_ptr<Listeners> MakeListeners();
};

}  // namespace assay::membership
