// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/readiness_follower.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"

namespace assay::aggregator {
namespace {

constexpr size_t kPage = 256;
// Between two looks at all partitions: a zombie's value is overwritten that late.
constexpr absl::Duration kInterval = absl::Milliseconds(500);

}  // namespace

ReadinessFollower::ReadinessFollower(log::Log& log, Clock& clock,
                                     std::function<void(const event::v1::ReadinessPublished&)> on_record)
    : log_(log),
      clock_(clock),
      on_record_(std::move(on_record)),
      readers_(static_cast<size_t>(log.partitions())) {}

ReadinessFollower::~ReadinessFollower() { Stop(); }

void ReadinessFollower::Start() { thread_ = std::thread([this] { Run(); }); }

void ReadinessFollower::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

bool ReadinessFollower::IsStopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void ReadinessFollower::Run() {
  for (;;) {
    Look();
    absl::MutexLock lock(&mutex_);
    if (clock_.AwaitWithDeadline(&mutex_, absl::Condition(&stopping_), clock_.TimeNow() + kInterval)) return;
  }
}

void ReadinessFollower::Look() {
  for (int32_t partition = 0; partition < log_.partitions() && !IsStopping(); ++partition) {
    std::unique_ptr<log::Reader>& reader = readers_[static_cast<size_t>(partition)];
    if (reader == nullptr) {
      const absl::StatusOr<log::Offset> end = log_.EndOffset(partition);
      if (!end.ok()) continue;
      absl::StatusOr<std::unique_ptr<log::Reader>> opened = log_.OpenReader(partition, *end);
      if (!opened.ok()) continue;
      reader = *std::move(opened);
    }
    for (;;) {
      const absl::StatusOr<std::vector<log::Record>> records = reader->Read(kPage, absl::ZeroDuration());
      if (!records.ok()) {
        LogWarning("readiness cannot be followed",
                   {{"partition", absl::StrCat(partition)}, {"status", records.status().ToString()}});
        reader.reset();
        break;
      }
      for (const log::Record& record : *records) {
        event::v1::ReadinessPublished published;
        if (published.ParseFromString(record.value)) on_record_(published);
      }
      if (records->size() < kPage) break;
    }
  }
}

}  // namespace assay::aggregator
