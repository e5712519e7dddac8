// SPDX-License-Identifier: Apache-2.0
#include "services/membership/announcements.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::membership {
namespace {

using event::v1::Announcement;

constexpr size_t kPage = 256;
constexpr absl::Duration kIdleWait = absl::Seconds(1);
constexpr absl::Duration kRetryWait = absl::Milliseconds(200);

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  const int64_t micros = absl::ToUnixMicros(time);
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(micros / 1'000'000);
  stamp.set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
  return stamp;
}

bool IsLeaving(const Announcement& announcement) {
  return announcement.has_aggregator() ? announcement.aggregator().is_leaving() : announcement.evaluator().is_leaving();
}

}  // namespace

// Held while listeners are called, so that one that is gone is never called again.
struct Announcements::Listeners {
  absl::Mutex mutex;
  uint64_t next ABSL_GUARDED_BY(mutex) = 0;
  std::map<uint64_t, std::function<void(const Announcement&)>> by_id ABSL_GUARDED_BY(mutex);
};

std::shared_ptr<Announcements::Listeners> Announcements::MakeListeners() { return std::make_shared<Listeners>(); }

absl::StatusOr<std::unique_ptr<Announcements>> Announcements::Open(log::Log& log, Clock& clock, absl::Duration timeout) {
  if (log.partitions() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("announcements: the topic has ", log.partitions(), " partitions, 1 is needed"));
  }
  std::unique_ptr<Announcements> announcements(new Announcements(log, clock));
  ASSAY_ASSIGN_OR_RETURN(const log::Offset end, log.EndOffset(0));
  ASSAY_RETURN_IF_ERROR(announcements->OpenReader());
  const absl::Time deadline = clock.TimeNow() + timeout;
  for (;;) {
    {
      absl::MutexLock lock(&announcements->mutex_);
      if (announcements->next_ >= end) break;
    }
    if (clock.TimeNow() >= deadline) break;
    ASSAY_ASSIGN_OR_RETURN(const size_t count, announcements->ReadSome(kRetryWait));
    // Compaction may have taken the last records before the end.
    if (count == 0) break;
  }
  announcements->thread_ = std::thread([self = announcements.get()] { self->Run(); });
  return announcements;
}

Announcements::~Announcements() {
  std::shared_ptr<log::Reader> reader;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    reader = reader_;
  }
  if (reader != nullptr) reader->Interrupt();
  if (thread_.joinable()) thread_.join();
}

absl::Status Announcements::OpenReader() {
  log::Offset from = 0;
  {
    absl::MutexLock lock(&mutex_);
    from = next_;
  }
  ASSAY_ASSIGN_OR_RETURN(const log::Offset start, log_.StartOffset(0));
  from = std::max(from, start);
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<log::Reader> reader, log_.OpenReader(0, from));
  absl::MutexLock lock(&mutex_);
  next_ = from;
  reader_ = std::move(reader);
  if (stopping_) reader_->Interrupt();
  return absl::OkStatus();
}

absl::StatusOr<size_t> Announcements::ReadSome(absl::Duration wait) {
  std::shared_ptr<log::Reader> reader;
  {
    absl::MutexLock lock(&mutex_);
    reader = reader_;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<log::Record> records, reader->Read(kPage, wait));
  const absl::Time now = clock_.TimeNow();
  for (const log::Record& record : records) {
    Announcement announcement;
    const bool is_readable = announcement.ParseFromString(record.value);
    {
      absl::MutexLock lock(&mutex_);
      next_ = record.offset + 1;
      if (is_readable && announcement.has_aggregator()) aggregators_[announcement.instance()] = {announcement, now};
      if (is_readable && announcement.has_evaluator()) evaluators_[announcement.instance()] = {announcement, now};
    }
    if (!is_readable) continue;
    absl::MutexLock lock(&listeners_->mutex);
    for (const auto& [id, listener] : listeners_->by_id) listener(announcement);
  }
  return records.size();
}

void Announcements::Run() {
  for (;;) {
    absl::Status status = ReadSome(kIdleWait).status();
    // A reader that fell out of retention, or whose log had trouble, begins where the log does.
    if (!status.ok()) status.Update(OpenReader());
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    if (!status.ok() && health_.ok()) LogWarning("announcements cannot be read", {{"status", status.ToString()}});
    health_ = status;
    if (!status.ok()) {
      clock_.AwaitWithDeadline(&mutex_, absl::Condition(&stopping_), clock_.TimeNow() + kRetryWait);
    }
  }
}

void Announcements::Announce(absl::string_view key, Announcement announcement) {
  *announcement.mutable_time() = ToTimestamp(clock_.TimeNow());
  log_.Append(0, key, announcement.SerializeAsString(), [](const log::Delivery& delivery) {
    if (!delivery.status.ok()) LogWarning("announcement not delivered", {{"status", delivery.status.ToString()}});
  });
}

std::map<std::string, Heard> Announcements::aggregators() const {
  absl::MutexLock lock(&mutex_);
  return aggregators_;
}

std::map<std::string, Heard> Announcements::evaluators() const {
  absl::MutexLock lock(&mutex_);
  return evaluators_;
}

bool Announcements::IsPresent(const Heard& heard, absl::Duration silence) const {
  return !IsLeaving(heard.announcement) && clock_.TimeNow() - heard.received < silence;
}

std::shared_ptr<void> Announcements::Subscribe(std::function<void(const Announcement&)> listener) {
  absl::MutexLock lock(&listeners_->mutex);
  const uint64_t id = listeners_->next++;
  listeners_->by_id[id] = std::move(listener);
  return std::shared_ptr<void>(nullptr, [listeners = listeners_, id](void*) {
    absl::MutexLock remove(&listeners->mutex);
    listeners->by_id.erase(id);
  });
}

absl::Status Announcements::health() const {
  absl::MutexLock lock(&mutex_);
  return health_;
}

}  // namespace assay::membership
