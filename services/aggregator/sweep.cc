// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/sweep.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/accounting.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/shard.h"
#include "services/common/base/status_macros.h"

namespace assay::aggregator {
namespace {

using event::v1::TimerFired;
using storage::v1::Accounting;
using v1::Evaluation;

constexpr size_t kFindingsShown = 20;

bool SameCounts(const Accounting& a, const Accounting& b) {
  return a.accepted() == b.accepted() && a.published() == b.published() && a.failed() == b.failed() &&
         a.in_flight() == b.in_flight();
}

std::string Words(const Accounting& accounting) {
  return absl::StrCat(accounting.accepted(), " accepted, ", accounting.published(), " published, ", accounting.failed(),
                      " failed, ", accounting.in_flight(), " in flight");
}

const std::string& SlotOf(const storage::v1::EvaluationRow& row, TimerFired::Kind kind) {
  switch (kind) {
    case TimerFired::RETRY:
      return row.retry_timer();
    case TimerFired::HEARTBEAT:
      return row.heartbeat_timer();
    case TimerFired::DEADLINE:
      return row.deadline_timer();
    default:
      return row.pickup_timer();
  }
}

uint64_t RowsOf(const storage::v1::TenantRow& tenant, const std::string& lane) {
  const auto found = tenant.lanes().find(lane);
  return found == tenant.lanes().end() ? 0 : found->second.rows();
}

storage::v1::LaneState LaneOf(const storage::v1::ShardMeta& meta, const std::string& lane) {
  const auto found = meta.lanes().find(lane);
  return found == meta.lanes().end() ? storage::v1::LaneState() : found->second;
}

}  // namespace

absl::StatusOr<bool> Sweep::Step(size_t limit) {
  if (phase_ == Phase::kBegin) ASSAY_RETURN_IF_ERROR(Begin());
  if (phase_ == Phase::kDone) return true;
  const absl::string_view table = phase_ == Phase::kSubmissions ? kSubmissionTable
                                  : phase_ == Phase::kTimers    ? kTimerTable
                                  : phase_ == Phase::kOutbox    ? kOutboxTable
                                                                : kTenantTable;
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page, rows_.Scan(table, "", from_, limit));
  for (const store::Row& row : page) ASSAY_RETURN_IF_ERROR(LookAt(row));
  if (page.size() == limit) {
    from_ = page.back().key + '\0';
    return false;
  }
  from_.clear();
  phase_ = static_cast<Phase>(static_cast<int>(phase_) + 1);
  if (phase_ == Phase::kDone) End();
  return phase_ == Phase::kDone;
}

absl::Status Sweep::Begin() {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<storage::v1::ShardMeta> meta,
                         rows_.Find<storage::v1::ShardMeta>(kMetaTable, kMetaKey));
  if (meta) {
    meta_ = *meta;
    report_.applied_offset = meta->applied_offset();
  }
  phase_ = meta_.state_version() >= kTenantsVersion ? Phase::kSubmissions : Phase::kDone;
  return absl::OkStatus();
}

absl::Status Sweep::LookAt(const store::Row& row) {
  switch (phase_) {
    case Phase::kSubmissions:
      return LookAtSubmission(row);
    case Phase::kTimers:
      return LookAtTimer(row);
    case Phase::kOutbox:
      return LookAtOutbox(row);
    case Phase::kTenants:
      return LookAtTenant(row);
    case Phase::kBegin:
    case Phase::kDone:
      break;
  }
  return absl::OkStatus();
}

absl::Status Sweep::LookAtSubmission(const store::Row& stored) {
  storage::v1::SubmissionRow row;
  if (!row.ParseFromString(stored.value)) {
    Find(absl::StrCat("submission ", stored.key, " cannot be read"));
    return absl::OkStatus();
  }
  std::vector<EvaluationRow> evaluations;
  evaluations.reserve(static_cast<size_t>(row.evaluation_ids_size()));
  std::vector<const EvaluationRow*> pointers;
  for (const std::string& id : row.evaluation_ids()) {
    const std::string key = absl::StrCat(stored.key, "/", id);
    ASSAY_ASSIGN_OR_RETURN(std::optional<EvaluationRow> evaluation, rows_.Find<EvaluationRow>(kEvaluationTable, key));
    if (!evaluation) {
      Find(absl::StrCat("evaluation ", key, " is missing"));
      continue;
    }
    pointers.push_back(&evaluations.emplace_back(*std::move(evaluation)));
  }
  for (const EvaluationRow* evaluation : pointers) {
    ASSAY_RETURN_IF_ERROR(LookAtEvaluation(absl::StrCat(stored.key, "/", evaluation->id()), *evaluation, pointers));
  }
  if (row.state() != v1::Submission::ERASED && row.state() != DeriveState(row, pointers)) {
    Find(absl::StrCat("submission ", stored.key, " is ", v1::Submission::State_Name(row.state()),
                      "; its evaluations make it ", v1::Submission::State_Name(DeriveState(row, pointers))));
  }
  Book(Standing(), StandingOf(row.state(), pointers), absl::UnixEpoch(), counted_[row.tenant()], counted_meta_);
  return absl::OkStatus();
}

absl::Status Sweep::LookAtEvaluation(const std::string& key, const EvaluationRow& row,
                                     const std::vector<const EvaluationRow*>& others) {
  if (row.state() != Evaluation::PENDING) return LookAtAttempt(key, row);
  if (!row.retry_timer().empty()) return ExpectRow(kTimerTable, row.retry_timer(), key, "the timer it waits for");
  for (const std::string& need : row.needs()) {
    const EvaluationRow* newest = nullptr;
    for (const EvaluationRow* other : others) {
      if (other->evaluator() != need) continue;
      if (newest == nullptr || other->generation() > newest->generation()) newest = other;
    }
    // What it waits for will move it on, or keeps it waiting for everybody to see.
    if (newest != nullptr && !HasEnded(newest->state())) return absl::OkStatus();
  }
  Find(absl::StrCat("evaluation ", key, " is PENDING and nothing will dispatch it"));
  return absl::OkStatus();
}

absl::Status Sweep::LookAtAttempt(const std::string& key, const EvaluationRow& row) {
  const bool waits = row.state() == Evaluation::DISPATCHED;
  const bool runs = row.state() == Evaluation::RUNNING;
  if (!waits && !runs) {
    if (row.outbox_sequence() != 0 || !row.retry_timer().empty() || !row.heartbeat_timer().empty() ||
        !row.deadline_timer().empty() || !row.pickup_timer().empty()) {
      Find(absl::StrCat("evaluation ", key, " is ", Evaluation::State_Name(row.state()), " and still has an attempt"));
    }
    return absl::OkStatus();
  }
  const std::string tenant = key.substr(0, key.find('/'));
  ASSAY_RETURN_IF_ERROR(
      ExpectRow(kOutboxTable, WorkKey(row.lane(), tenant, row.outbox_sequence()), key, "its work in the outbox"));
  if (waits) return ExpectRow(kTimerTable, row.pickup_timer(), key, "its PICKUP timer");
  ASSAY_RETURN_IF_ERROR(ExpectRow(kTimerTable, row.heartbeat_timer(), key, "its HEARTBEAT timer"));
  return ExpectRow(kTimerTable, row.deadline_timer(), key, "its DEADLINE timer");
}

absl::Status Sweep::ExpectRow(absl::string_view table, const std::string& key, const std::string& evaluation,
                              absl::string_view what) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> row, rows_.Get(table, key));
  if (!row) Find(absl::StrCat("evaluation ", evaluation, " lacks ", what, key.empty() ? "" : ", ", key));
  return absl::OkStatus();
}

absl::Status Sweep::LookAtTimer(const store::Row& stored) {
  storage::v1::TimerRow row;
  std::optional<EvaluationRow> evaluation;
  if (row.ParseFromString(stored.value)) {
    ASSAY_ASSIGN_OR_RETURN(
        evaluation,
        rows_.Find<EvaluationRow>(kEvaluationTable, Key(row.tenant(), row.candidate_key(), row.timer().submission_id(),
                                                        row.timer().evaluation_id())));
  }
  if (!evaluation || SlotOf(*evaluation, row.timer().kind()) != stored.key) {
    Find(absl::StrCat("timer ", stored.key, " belongs to no evaluation"));
  }
  return absl::OkStatus();
}

absl::Status Sweep::LookAtOutbox(const store::Row& stored) {
  storage::v1::OutboxRow row;
  if (!row.ParseFromString(stored.value) || row.message_case() == storage::v1::OutboxRow::MESSAGE_NOT_SET) {
    Find(absl::StrCat("outbox row ", stored.key, " cannot be read"));
    return absl::OkStatus();
  }
  if (!row.has_work()) return absl::OkStatus();
  const event::v1::Work& work = row.work();
  ASSAY_ASSIGN_OR_RETURN(const std::optional<EvaluationRow> evaluation,
                         rows_.Find<EvaluationRow>(kEvaluationTable, Key(work.tenant(), work.candidate_key(),
                                                                         work.submission_id(), work.evaluation_id())));
  if (!evaluation || WorkKey(evaluation->lane(), work.tenant(), evaluation->outbox_sequence()) != stored.key) {
    Find(absl::StrCat("outbox row ", stored.key, " is work of no evaluation"));
  }
  return absl::OkStatus();
}

absl::Status Sweep::LookAtTenant(const store::Row& stored) {
  storage::v1::TenantRow row;
  if (!row.ParseFromString(stored.value)) {
    Find(absl::StrCat("tenant ", stored.key, " cannot be read"));
    return absl::OkStatus();
  }
  const storage::v1::TenantRow counted = counted_[stored.key];
  counted_.erase(stored.key);
  if (!Holds(row.accounting()) || !SameCounts(row.accounting(), counted.accounting())) {
    Find(absl::StrCat("tenant ", stored.key, ": the account says ", Words(row.accounting()), "; its submissions are ",
                      Words(counted.accounting())));
  }
  for (const char* lane : {"fast", "slow"}) {
    if (RowsOf(row, lane) == RowsOf(counted, lane)) continue;
    Find(absl::StrCat("tenant ", stored.key, ": lane ", lane, " says ", RowsOf(row, lane),
                      " rows in the outbox; there are ", RowsOf(counted, lane)));
  }
  return absl::OkStatus();
}

void Sweep::End() {
  for (const auto& [tenant, row] : counted_) {
    if (row.accounting().accepted() > 0) Find(absl::StrCat("tenant ", tenant, " has submissions and no account"));
  }
  report_.accounting = counted_meta_.accounting();
  if (!SameCounts(meta_.accounting(), counted_meta_.accounting())) {
    Find(absl::StrCat("the account of the shard says ", Words(meta_.accounting()), "; its submissions are ",
                      Words(counted_meta_.accounting())));
  }
  for (const char* name : {"fast", "slow"}) {
    const storage::v1::LaneState lane = LaneOf(meta_, name);
    const storage::v1::LaneState counted = LaneOf(counted_meta_, name);
    if (lane.waiting() == counted.waiting() && lane.running() == counted.running() &&
        lane.tenants() == counted.tenants()) {
      continue;
    }
    Find(absl::StrCat("lane ", name, " says ", lane.waiting(), " waiting, ", lane.running(), " running, of ",
                      lane.tenants(), " tenants; there are ", counted.waiting(), ", ", counted.running(), ", of ",
                      counted.tenants()));
  }
}

void Sweep::Find(std::string finding) {
  ++report_.findings;
  if (report_.first_findings.size() < kFindingsShown) report_.first_findings.push_back(std::move(finding));
}

}  // namespace assay::aggregator
