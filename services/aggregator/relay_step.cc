// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/relay_step.h"

#include <algorithm>
#include <utility>

namespace assay::aggregator {
namespace {

constexpr absl::Duration kLongestWait = absl::Seconds(1);
constexpr absl::Duration kRetryWait = absl::Milliseconds(100);

}  // namespace

RelayStep::RelayStep(Options options)
    : options_(std::move(options)), outputs_(options_.instance, options_.nonce) {}

RelayStep::Result RelayStep::Step(const Input& input, const RowReader& rows) {
  now_ = input.now;
  SeeClaim(input);
  outputs_.Begin(input.now, held_claim_.empty() ? 0 : input.meta.epoch());
  for (const RelayReport& report : input.reports) outputs_.Report(report);
  outputs_.Expire();
  Result result;
  result.next = input.now + kLongestWait;
  if (held_claim_.empty()) {
    AdvanceClaim(input);
    if (claim_ == Claim::kNone && input.may_claim) result.next = std::max(next_claim_, input.now);
  } else {
    const absl::StatusOr<absl::Time> due = DoDuties(input, rows);
    result.status = due.status();
    if (due.ok()) result.next = std::min(result.next, *due);
  }
  result.next = std::min(result.next, outputs_.NextExpiry());
  result.outputs = outputs_.Take();
  return result;
}

void RelayStep::SeeClaim(const Input& input) {
  const bool is_ours = !claim_id_.empty() && input.meta.claim_id() == claim_id_;
  if (is_ours == (claim_ == Claim::kHeld)) return;
  outputs_.Forget();
  if (is_ours) {
    claim_ = Claim::kHeld;
    held_claim_ = claim_id_;
    duties_.emplace(options_, input.now);
    return;
  }
  claim_ = Claim::kNone;
  claim_id_.clear();
  held_claim_.clear();
  duties_.reset();
}

void RelayStep::AdvanceClaim(const Input& input) {
  if (claim_ == Claim::kClaiming) {
    // Lost to another claim, or to a log that does not say what became of it.
    const bool is_lost = claim_offset_ >= 0 && input.meta.applied_offset() >= claim_offset_;
    if (is_lost || input.now >= claim_deadline_) claim_ = Claim::kNone;
  }
  if (claim_ == Claim::kCatchingUp) {
    if (!input.may_claim) claim_ = Claim::kNone;
    if (input.may_claim && input.meta.applied_offset() + 1 >= claim_end_) JournalClaim(input.meta);
  }
  if (claim_ != Claim::kNone || !input.may_claim || input.now < next_claim_) return;
  claim_ = Claim::kAsking;
  outputs_.Send(AskEnd{}, [this](const absl::Status& status, int64_t offset) {
    claim_ = status.ok() ? Claim::kCatchingUp : Claim::kNone;
    claim_end_ = offset;
    if (!status.ok()) next_claim_ = now_ + kRetryWait;
  });
}

void RelayStep::JournalClaim(const storage::v1::ShardMeta& meta) {
  claim_ = Claim::kClaiming;
  claim_offset_ = -1;
  claim_deadline_ = now_ + RelayOutputs::kReportPatience;
  // Of a new journal it is the first record: nobody can follow it by older rules.
  if (claim_end_ == 0) JournalVersion();
  event::v1::Envelope envelope;
  if (claim_id_.empty()) claim_id_ = outputs_.NewEventId();
  envelope.set_event_id(claim_id_);
  envelope.mutable_ownership_claimed()->set_expects_epoch(meta.epoch());
  envelope.mutable_ownership_claimed()->set_instance(options_.instance);
  outputs_.Journal(std::move(envelope), [this](const absl::Status& status, int64_t offset) {
    if (status.ok()) claim_offset_ = offset;
    // Unknown: it may still come up.
    if (status.ok() || absl::IsUnavailable(status)) return;
    claim_ = Claim::kNone;
    next_claim_ = now_ + kRetryWait;
  });
}

void RelayStep::JournalVersion() {
  event::v1::Envelope envelope;
  envelope.mutable_state_version()->set_version(options_.state_version);
  outputs_.Journal(std::move(envelope), [this](const absl::Status& status, int64_t) {
    if (!status.ok() && duties_) duties_->is_version_journaled = false;
  });
}

absl::Status RelayStep::JournalQuotas(const RowReader& rows) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<event::v1::Envelope> facts, MissingQuotas(options_.quotas, rows));
  duties_->are_quotas_journaled = true;
  for (event::v1::Envelope& fact : facts) {
    outputs_.Journal(std::move(fact), [this](const absl::Status& status, int64_t) {
      if (!status.ok() && duties_) duties_->are_quotas_journaled = false;
    });
  }
  return absl::OkStatus();
}

void RelayStep::MoveOn(const storage::v1::ShardMeta& meta) {
  if (meta.state_version() < options_.state_version && !duties_->is_version_journaled) {
    duties_->is_version_journaled = true;
    JournalVersion();
  }
  if (duties_->is_catalog_journaled) return;
  event::v1::Envelope envelope;
  for (const std::string& digest : options_.catalog) {
    const auto& known = meta.catalog();
    if (std::find(known.begin(), known.end(), digest) != known.end()) continue;
    envelope.mutable_catalog_advanced()->add_digests(digest);
  }
  duties_->is_catalog_journaled = true;
  if (!envelope.has_catalog_advanced()) return;
  outputs_.Journal(std::move(envelope), [this](const absl::Status& status, int64_t) {
    if (!status.ok() && duties_) duties_->is_catalog_journaled = false;
  });
}

absl::StatusOr<absl::Time> RelayStep::DoDuties(const Input& input, const RowReader& rows) {
  if (input.peers_know) MoveOn(input.meta);
  if (input.meta.state_version() >= kTenantsVersion && !duties_->are_quotas_journaled) {
    ASSAY_RETURN_IF_ERROR(JournalQuotas(rows));
  }
  for (const std::string& key : input.republish) duties_->publication.Republish(key);
  const int64_t applied = input.meta.applied_offset();
  ASSAY_ASSIGN_OR_RETURN(const absl::Time outbox, duties_->outbox.Step(input.now, input.meta, rows, outputs_));
  ASSAY_ASSIGN_OR_RETURN(const absl::Time timers, duties_->timers.Step(input.now, applied, rows, outputs_));
  ASSAY_ASSIGN_OR_RETURN(absl::Time next, duties_->release.Step(input.now, input.plugins, rows, outputs_));
  if (options_.publishes) {
    ASSAY_ASSIGN_OR_RETURN(const absl::Time due, duties_->publication.Step(input.now, input.meta, rows, outputs_));
    next = std::min(next, due);
  }
  return std::min({next, outbox, timers});
}

}  // namespace assay::aggregator
