// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/timer_firing.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"

namespace assay::aggregator {
namespace {

using event::v1::TimerFired;

constexpr size_t kPage = 256;
// Of one step: those behind wait for the next.
constexpr size_t kPagesAStep = 4;
// Fired and not applied; more wait.
constexpr size_t kMaxFired = 4096;
// No timer is so exact that this matters.
constexpr absl::Duration kLookInterval = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<absl::Time> TimerFiring::Step(absl::Time now, int64_t applied, const RowReader& rows,
                                             RelayOutputs& outputs) {
  if (from_.empty() && now < next_look_) return next_look_;
  bool is_over = false;
  for (size_t page_number = 0; page_number < kPagesAStep && !is_over; ++page_number) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows.Scan(kTimerTable, "", from_, kPage));
    is_over = page.size() < kPage;
    for (const store::Row& stored : page) {
      storage::v1::TimerRow row;
      if (!row.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("timer row ", stored.key, " cannot be read"));
      }
      from_ = stored.key + '\0';
      if (TimerDue(stored.key) > now) {
        next_due_ = TimerDue(stored.key);
        is_over = true;
        break;
      }
      const auto fired = fired_.find(stored.key);
      if (fired != fired_.end()) fired->second.look = look_;
      const auto kind = row.timer().kind();
      const bool is_about_silence = kind == TimerFired::HEARTBEAT || kind == TimerFired::DEADLINE;
      if ((is_about_silence && now < grace_end_) || IsFired(stored.key, applied)) continue;
      if (fired_.size() < kMaxFired) Fire(stored.key, row, outputs);
    }
  }
  if (!is_over) return now;
  // Their rows are gone, so they were applied.
  for (auto it = fired_.begin(); it != fired_.end();) it = it->second.look == look_ ? std::next(it) : fired_.erase(it);
  ++look_;
  from_.clear();
  // One that is set meanwhile may be due before the earliest of these.
  next_look_ = std::min(std::exchange(next_due_, absl::InfiniteFuture()), now + kLookInterval);
  return next_look_;
}

bool TimerFiring::IsFired(const std::string& key, int64_t applied) const {
  const auto fired = fired_.find(key);
  // One that was applied and is still there has to fire again.
  return fired != fired_.end() && (fired->second.offset < 0 || fired->second.offset > applied);
}

void TimerFiring::Fire(const std::string& key, const storage::v1::TimerRow& row, RelayOutputs& outputs) {
  fired_[key] = {-1, look_};
  event::v1::Envelope envelope;
  envelope.set_tenant(row.tenant());
  envelope.set_candidate_key(row.candidate_key());
  envelope.set_assessment_key(row.assessment_key());
  *envelope.mutable_timer_fired() = row.timer();
  outputs.Journal(std::move(envelope), [this, key](const absl::Status& status, int64_t offset) {
    const auto fired = fired_.find(key);
    if (fired == fired_.end()) return;
    if (status.ok()) fired->second.offset = offset;
    if (!status.ok()) fired_.erase(fired);
  });
}

}  // namespace assay::aggregator
