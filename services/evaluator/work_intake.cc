// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/work_intake.h"

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
  if (IsCancelled(work.submission_id())) return Decision::kCancelled;
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

void WorkIntake::Cancel(const std::string& submission_id) { Remember(submission_id, cancelled_, cancelled_order_); }

}  // namespace assay::evaluator
