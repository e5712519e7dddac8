// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/account.h"

#include <algorithm>

namespace assay::loadgen {
namespace {

constexpr size_t kMaxSamples = 256;
constexpr size_t kMaxSeconds = 3600;
constexpr int64_t kSecond = 1'000'000'000;
// A request this young at an action may stand unread in a queue of the kernel, where no server can see it.
constexpr int64_t kYoung = kSecond / 4;

bool Answered(Outcome outcome) { return outcome == Outcome::kOk || outcome == Outcome::kUnexpectedStatus; }

size_t RemainingBucket(int64_t remaining_ns) {
  const double seconds = static_cast<double>(remaining_ns) / 1e9;
  const auto found = std::lower_bound(kRemainingSeconds.begin(), kRemainingSeconds.end(), seconds);
  return static_cast<size_t>(found - kRemainingSeconds.begin());
}

void Count(InFlight& counts, bool served) {
  ++counts.in_flight;
  ++(served ? counts.served : counts.lost);
}

}  // namespace

const char* OutcomeName(Outcome outcome) {
  static constexpr const char* kNames[kOutcomes] = {"ok",      "unexpected_status", "connect_error", "reset",
                                                    "timeout", "malformed",         "unanswered"};
  return kNames[static_cast<size_t>(outcome)];
}

uint64_t ClassResult::Failed() const {
  uint64_t failed = 0;
  for (size_t i = 1; i < kOutcomes; ++i) failed += outcomes[i];
  return failed;
}

void ClassResult::Merge(const ClassResult& other) {
  scheduled += other.scheduled;
  sent += other.sent;
  dropped += other.dropped;
  for (size_t i = 0; i < kOutcomes; ++i) outcomes[i] += other.outcomes[i];
  for (const auto& [status, count] : other.statuses) statuses[status] += count;
  for (const auto& [problem, count] : other.problems) problems[problem] += count;
  early += other.early;
  stale += other.stale;
  body_bytes += other.body_bytes;
  response.Merge(other.response);
  service.Merge(other.service);
  send_delay.Merge(other.send_delay);
}

ClassResult PhaseResult::Total() const {
  ClassResult total;
  for (const auto& [index, result] : classes) total.Merge(result);
  return total;
}

Account::Account(const Plan& plan, const Phase& phase, PhaseResult& result, std::vector<ActionResult*> actions,
                 std::vector<Sample>& samples)
    : plan_(plan), phase_(phase), result_(result), actions_(std::move(actions)), samples_(samples) {}

Second& Account::SecondAt(int64_t at_ns) {
  const size_t index = std::min<size_t>(static_cast<size_t>(std::max<int64_t>(at_ns, 0) / kSecond), kMaxSeconds - 1);
  if (result_.timeline.size() <= index) result_.timeline.resize(index + 1);
  return result_.timeline[index];
}

void Account::Dropped(const Sent& sent) { ++result_.classes[sent.request_class].dropped; }

void Account::TakenUp(const Sent& sent) {
  ClassResult& counts = result_.classes[sent.request_class];
  ++counts.sent;
  counts.send_delay.Record(sent.taken_ns - sent.intended_ns);
  ++SecondAt(sent.intended_ns).sent;
}

void Account::Finished(const Sent& sent, Outcome outcome, const ResponseParser& parser, int64_t now_ns) {
  ClassResult& counts = result_.classes[sent.request_class];
  ++counts.outcomes[static_cast<size_t>(outcome)];
  const int64_t taken = now_ns - sent.intended_ns;
  if (Answered(outcome)) {
    ++counts.statuses[parser.status()];
    counts.body_bytes += parser.body_bytes();
    if (!sent.entirely_sent) ++counts.early;
    KeepSample(sent.request_class, parser);
  }
  if (Answered(outcome) || outcome == Outcome::kTimeout) {
    counts.response.Record(taken);
    counts.service.Record(now_ns - sent.taken_ns);
  }
  if (outcome == Outcome::kMalformed) ++counts.problems[parser.problem()];
  const bool broke = outcome == Outcome::kReset || outcome == Outcome::kUnanswered;
  if (broke && sent.reused && !parser.started()) ++counts.stale;
  const bool ok = outcome == Outcome::kOk;
  if (!ok) ++failed_;
  if (late_limit_ns_ > 0 && (!ok || taken > late_limit_ns_)) ++late_;
  Second& second = SecondAt(sent.intended_ns);
  ++(ok ? second.ok : second.failed);
  second.slowest_ns = std::max(second.slowest_ns, taken);
  CountForActions(sent, outcome, now_ns);
}

void Account::CountForActions(const Sent& sent, Outcome outcome, int64_t now_ns) {
  for (ActionResult* action : actions_) {
    if (!action->asked || now_ns < action->asked_ns) continue;
    const int64_t since = now_ns - action->asked_ns;
    if (sent.taken_ns >= action->asked_ns) {
      ++action->after[static_cast<size_t>(outcome)];
      ++action->after_by_class[sent.request_class][static_cast<size_t>(outcome)];
      if (outcome == Outcome::kConnectError && action->first_refused_ns < 0) action->first_refused_ns = since;
      continue;
    }
    const bool served = Answered(outcome);
    if (served) action->last_served_ns = std::max(action->last_served_ns, since);
    if (sent.taken_ns > action->asked_ns - kYoung) {
      Count(action->just_sent, served);
      continue;
    }
    Count(action->by_class[sent.request_class], served);
    Count(action->by_remaining[RemainingBucket(std::max<int64_t>(0, sent.upload_end_ns - action->asked_ns))], served);
    if (!served && action->first_lost_ns < 0) action->first_lost_ns = since;
  }
}

uint32_t Account::WantedSample() const {
  return plan_.samples_per_status > 0 && samples_.size() < kMaxSamples ? plan_.sample_bytes : 0;
}

void Account::KeepSample(uint32_t request_class, const ResponseParser& parser) {
  if (WantedSample() == 0) return;
  uint32_t& kept = kept_[{request_class, parser.status()}];
  if (kept >= plan_.samples_per_status) return;
  ++kept;
  samples_.push_back({phase_.name, request_class, parser.status(), parser.content_type(), parser.sample()});
}

}  // namespace assay::loadgen
