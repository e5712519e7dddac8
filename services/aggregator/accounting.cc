// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/accounting.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace assay::aggregator {
namespace {

using storage::v1::Accounting;
using v1::Evaluation;
using v1::Submission;

// Of the mean over recent intervals, the share that the newest has.
constexpr int64_t kRecent = 8;
constexpr absl::Duration kLongestInterval = absl::Hours(1);

void Add(Standing::Account account, Accounting& accounting) {
  if (account == Standing::Account::kInFlight) accounting.set_in_flight(accounting.in_flight() + 1);
  if (account == Standing::Account::kPublished) accounting.set_published(accounting.published() + 1);
  if (account == Standing::Account::kFailed) accounting.set_failed(accounting.failed() + 1);
}

void Remove(Standing::Account account, Accounting& accounting) {
  if (account == Standing::Account::kInFlight) accounting.set_in_flight(accounting.in_flight() - 1);
  if (account == Standing::Account::kPublished) accounting.set_published(accounting.published() - 1);
  if (account == Standing::Account::kFailed) accounting.set_failed(accounting.failed() - 1);
}

void Move(const Standing& before, const Standing& after, Accounting& accounting) {
  if (before.account == Standing::Account::kNone) accounting.set_accepted(accounting.accepted() + 1);
  Remove(before.account, accounting);
  Add(after.account, accounting);
}

Standing::Lane LaneOf(const Standing& standing, const std::string& lane) {
  const auto found = standing.lanes.find(lane);
  return found == standing.lanes.end() ? Standing::Lane() : found->second;
}

// How fast the lane goes shows only while something waits in it.
void NoteEnd(absl::Time time, storage::v1::LaneState& lane) {
  const int64_t now = absl::ToUnixMicros(time);
  if (lane.last_end_micros() != 0 && lane.waiting() > 0) {
    const int64_t interval =
        std::clamp<int64_t>(now - lane.last_end_micros(), 1, absl::ToInt64Microseconds(kLongestInterval));
    const int64_t mean = static_cast<int64_t>(lane.recent_interval_micros());
    lane.set_recent_interval_micros(static_cast<uint64_t>(mean == 0 ? interval : mean + (interval - mean) / kRecent));
  }
  lane.set_last_end_micros(now);
}

void MoveLane(const Standing::Lane& before, const Standing::Lane& after, absl::Time time,
              storage::v1::LaneState& lane) {
  if (after.running < before.running) NoteEnd(time, lane);
  lane.set_waiting(lane.waiting() + after.waiting - before.waiting);
  lane.set_running(lane.running() + after.running - before.running);
}

// Days since 1970.
int64_t DayOf(absl::Time time) { return absl::ToUnixSeconds(time) / (24 * 60 * 60); }

}  // namespace

Standing::Account AccountOf(Submission::State state) {
  switch (state) {
    case Submission::COMPLETED:
    case Submission::COMPLETED_PARTIAL:
      return Standing::Account::kPublished;
    case Submission::FAILED:
    case Submission::CANCELLED:
    case Submission::REJECTED_QUOTA:
    case Submission::EXPIRED:
    case Submission::ERASED:
      return Standing::Account::kFailed;
    default:
      return Standing::Account::kInFlight;
  }
}

Standing StandingOf(Submission::State state, const std::vector<const storage::v1::EvaluationRow*>& evaluations) {
  Standing standing;
  standing.account = AccountOf(state);
  for (const storage::v1::EvaluationRow* evaluation : evaluations) {
    const bool waits = evaluation->state() == Evaluation::DISPATCHED;
    const bool runs = evaluation->state() == Evaluation::RUNNING;
    const bool has_row = evaluation->outbox_sequence() != 0;
    if (!waits && !runs && !has_row) continue;
    Standing::Lane& lane = standing.lanes[evaluation->lane()];
    lane.waiting += waits ? 1 : 0;
    lane.running += runs ? 1 : 0;
    lane.rows += has_row ? 1 : 0;
  }
  return standing;
}

bool Book(const Standing& before, const Standing& after, absl::Time time, storage::v1::TenantRow& tenant,
          storage::v1::ShardMeta& meta) {
  bool changed = before.account != after.account;
  if (changed) {
    Move(before, after, *tenant.mutable_accounting());
    Move(before, after, *meta.mutable_accounting());
  }
  std::map<std::string, Standing::Lane> lanes = before.lanes;
  lanes.insert(after.lanes.begin(), after.lanes.end());
  for (const auto& [name, unused] : lanes) {
    const Standing::Lane from = LaneOf(before, name);
    const Standing::Lane to = LaneOf(after, name);
    storage::v1::LaneState& lane = (*meta.mutable_lanes())[name];
    MoveLane(from, to, time, lane);
    if (from.rows == to.rows) continue;
    changed = true;
    storage::v1::TenantLane& queue = (*tenant.mutable_lanes())[name];
    const uint64_t rows = queue.rows() + to.rows - from.rows;
    lane.set_tenants(lane.tenants() + (rows > 0 ? 1 : 0) - (queue.rows() > 0 ? 1 : 0));
    queue.set_rows(rows);
  }
  return changed;
}

bool Holds(const Accounting& accounting) {
  // A number below zero is one beyond all others, and the sum would not show it.
  return accounting.published() <= accounting.accepted() && accounting.failed() <= accounting.accepted() &&
         accounting.accepted() == accounting.published() + accounting.failed() + accounting.in_flight();
}

std::string QuotaRefusal(const storage::v1::TenantRow& tenant, bool is_new, absl::Time time) {
  const event::v1::QuotaChanged& quota = tenant.quota();
  const uint64_t in_flight = tenant.accounting().in_flight();
  if (quota.submissions_in_flight() > 0 && in_flight >= quota.submissions_in_flight()) {
    return absl::StrCat("quota: ", in_flight, " submissions of this tenant are in flight in the shard, ",
                        quota.submissions_in_flight(), " are allowed; submit again when one has ended");
  }
  const bool same_day = DayOf(time) <= tenant.day();
  if (is_new && quota.submissions_per_day() > 0 && same_day &&
      tenant.accepted_on_day() >= quota.submissions_per_day()) {
    return absl::StrCat("quota: ", tenant.accepted_on_day(), " submissions of this tenant were accepted today in the ",
                        "shard, ", quota.submissions_per_day(), " are allowed a day (UTC); submit again tomorrow");
  }
  return "";
}

void CountOnDay(absl::Time time, storage::v1::TenantRow& tenant) {
  // A writer whose clock lags counts for the day that has begun.
  if (DayOf(time) > tenant.day()) {
    tenant.set_day(DayOf(time));
    tenant.set_accepted_on_day(0);
  }
  tenant.set_accepted_on_day(tenant.accepted_on_day() + 1);
}

}  // namespace assay::aggregator
