// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/admission.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/status.h"

namespace assay::gateway {
namespace {

// More accounts than a token file has.
constexpr size_t kMaxBuckets = 32'768;
// Samples of a journal's end, at most one in kSampleTime.
constexpr size_t kMaxEnds = 64;
constexpr absl::Duration kSampleTime = absl::Seconds(1);
constexpr absl::Duration kRetryAfter = absl::Seconds(1);
constexpr double kBurstSeconds = 2;

}  // namespace

double Admission::RateOf(absl::string_view tenant) const {
  const auto own = limits_.submissions_per_second_of_tenant.find(tenant);
  return own == limits_.submissions_per_second_of_tenant.end() ? limits_.submissions_per_second : own->second;
}

Admission::Bucket& Admission::Fill(const std::string& account, const Rate& rate, absl::Time now) {
  Bucket& bucket = buckets_.try_emplace(account, Bucket{rate.burst, now}).first->second;
  // A clock that was set back gives nothing.
  const double passed = std::max(0.0, absl::ToDoubleSeconds(now - bucket.filled));
  bucket.tokens = std::min(rate.burst, bucket.tokens + passed * rate.per_second);
  bucket.filled = now;
  return bucket;
}

void Admission::ForgetFullBuckets(absl::Time now) {
  if (buckets_.size() < kMaxBuckets) return;
  // One that took no more than its burst is full after so long; what it owes beyond that is let off.
  absl::erase_if(buckets_,
                 [&](const auto& entry) { return now - entry.second.filled >= absl::Seconds(kBurstSeconds); });
  // All of them in use: everybody starts afresh rather than that memory grows.
  if (buckets_.size() >= kMaxBuckets) buckets_.clear();
}

absl::Status Admission::Submit(absl::string_view tenant, absl::string_view principal, size_t count, absl::Time now) {
  ForgetFullBuckets(now);
  const double rate = RateOf(tenant);
  struct Account {
    std::string name;
    absl::string_view whose;
    Rate rate;
  };
  const Account accounts[] = {
      {std::string(tenant), "the tenant", {rate, std::max(1.0, rate * kBurstSeconds)}},
      {absl::StrCat(tenant, "/", principal), "this account", {rate / 2, std::max(1.0, rate / 2 * kBurstSeconds)}}};
  for (const Account& account : accounts) {
    const Bucket& bucket = Fill(account.name, account.rate, now);
    const double needed = std::min(static_cast<double>(count), account.rate.burst);
    if (bucket.tokens >= needed) continue;
    const absl::Duration wait = absl::Seconds((needed - bucket.tokens) / account.rate.per_second);
    return rpc::WithRetryDelay(
        absl::ResourceExhaustedError(absl::StrCat("submissions of ", account.whose, " come faster than ",
                                                  account.rate.per_second, " a second")),
        std::max(wait, absl::Milliseconds(10)));
  }
  for (const Account& account : accounts) buckets_[account.name].tokens -= static_cast<double>(count);
  return absl::OkStatus();
}

absl::Status Admission::CheckJournal(absl::Duration oldest_unreported) const {
  if (oldest_unreported <= limits_.journal_patience) return absl::OkStatus();
  return rpc::WithRetryDelay(
      absl::UnavailableError(absl::StrCat("the journal takes no records at the moment (the oldest waits for ",
                                          absl::FormatDuration(absl::Trunc(oldest_unreported, absl::Milliseconds(1))),
                                          "); nothing was accepted; retry with the same request_id")),
      kRetryAfter);
}

absl::Status Admission::CheckShard(uint32_t shard, const ShardPressure& pressure, absl::Time now) {
  if (pressure.waiting_work > limits_.max_waiting_work) {
    return rpc::WithRetryDelay(
        absl::ResourceExhaustedError(absl::StrCat("shard ", shard, ": ", pressure.waiting_work,
                                                  " evaluations wait; allowed: ", limits_.max_waiting_work)),
        kRetryAfter);
  }
  std::deque<End>& ends = ends_[shard];
  while (!ends.empty() && ends.front().offset <= pressure.applied_offset) ends.pop_front();
  const absl::Duration behind = ends.empty() ? absl::ZeroDuration() : now - ends.front().seen;
  const int64_t end = pressure.applied_offset + static_cast<int64_t>(pressure.lag_records);
  if (pressure.lag_records > 0 && (ends.empty() || now - ends.back().seen >= kSampleTime) && ends.size() < kMaxEnds) {
    ends.push_back({now, end});
  }
  if (behind <= limits_.max_lag) return absl::OkStatus();
  return rpc::WithRetryDelay(
      absl::ResourceExhaustedError(absl::StrCat("shard ", shard, ": it is ",
                                                absl::FormatDuration(absl::Trunc(behind, absl::Seconds(1))),
                                                " behind; allowed: ", absl::FormatDuration(limits_.max_lag))),
      kRetryAfter);
}

absl::Status AdmissionGate::CheckJournal() const {
  const absl::Duration oldest = oldest_unreported_();
  absl::MutexLock lock(&mutex_);
  return admission_.CheckJournal(oldest);
}

absl::Status AdmissionGate::Submit(absl::string_view tenant, absl::string_view principal, size_t count) {
  ASSAY_RETURN_IF_ERROR(CheckJournal());
  absl::MutexLock lock(&mutex_);
  return admission_.Submit(tenant, principal, count, clock_.TimeNow());
}

absl::Status AdmissionGate::CheckShard(uint32_t shard) {
  const ShardPressure pressure = shards_.PressureOf(shard);
  absl::MutexLock lock(&mutex_);
  return admission_.CheckShard(shard, pressure, clock_.TimeNow());
}

}  // namespace assay::gateway
