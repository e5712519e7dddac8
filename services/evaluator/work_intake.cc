// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/work_intake.h"

#include <algorithm>

namespace assay::evaluator {
namespace {

constexpr size_t kRemembered = 10'000;

absl::Time ToTime(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

template <typename T>
void Remember(const T& value, std::set<T>& known, std::deque<T>& order) {
  if (!known.insert(value).second) return;
  order.push_back(value);
  if (order.size() <= kRemembered) return;
  known.erase(order.front());
  order.pop_front();
}

}  // namespace

int WorkIntake::FreeSlots(const std::string& lane) const {
  const auto found = free_.find(lane);
  return found == free_.end() ? 0 : found->second;
}

WorkIntake::Decision WorkIntake::Offer(const std::string& lane, const event::v1::Work& work, absl::Time now) {
  const Attempt attempt = {work.evaluation_id(), work.attempt()};
  if (running_.count(attempt) > 0 || ended_.count(attempt) > 0) return Decision::kDuplicate;
  if (work.has_deadline() && ToTime(work.deadline()) <= now) return Decision::kExpired;
  if (work.has_capability_expiry() && ToTime(work.capability_expiry()) <= now) return Decision::kExpired;
  if (cancelled_.count(work.evaluation_id()) > 0) return Decision::kCancelled;
  running_.insert(attempt);
  --free_[lane];
  return Decision::kStart;
}

void WorkIntake::Ended(const std::string& lane, const event::v1::Work& work) {
  const Attempt attempt = {work.evaluation_id(), work.attempt()};
  if (running_.erase(attempt) == 0) return;
  ++free_[lane];
  Remember(attempt, ended_, ended_order_);
}

void WorkIntake::Cancel(const event::v1::Cancellation& cancellation) {
  for (const std::string& id : cancellation.evaluation_ids()) Remember(id, cancelled_, cancelled_order_);
}

bool IsCancelledBy(const event::v1::Work& work, const event::v1::Cancellation& cancellation) {
  const auto& ids = cancellation.evaluation_ids();
  if (ids.empty()) return work.submission_id() == cancellation.submission_id();
  return std::find(ids.begin(), ids.end(), work.evaluation_id()) != ids.end();
}

}  // namespace assay::evaluator
