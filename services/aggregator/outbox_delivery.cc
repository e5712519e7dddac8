// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/outbox_delivery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"

namespace assay::aggregator {
namespace {

constexpr absl::string_view kLanes[] = {"", "fast", "slow"};
constexpr size_t kPage = 128;
// Rows of a lane that may wait for their reports.
constexpr size_t kWindow = 512;
constexpr absl::Duration kRetryWait = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<absl::Time> OutboxDelivery::Step(absl::Time now, int64_t applied, const RowReader& rows,
                                                RelayOutputs& outputs) {
  now_ = now;
  absl::Time next = absl::InfiniteFuture();
  for (absl::string_view name : kLanes) {
    Lane& lane = lanes_.try_emplace(std::string(name)).first->second;
    ASSAY_RETURN_IF_ERROR(Look(name, applied, rows, lane));
    ASSAY_ASSIGN_OR_RETURN(const absl::Time due, SendLane(now, rows, lane, outputs));
    next = std::min(next, due);
  }
  return std::min(next, Checkpoint(now, outputs));
}

absl::Status OutboxDelivery::Look(absl::string_view name, int64_t applied, const RowReader& rows, Lane& lane) {
  while (lane.rows.size() < kWindow && (lane.has_more || lane.applied < applied)) {
    lane.applied = applied;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows.Scan(kOutboxTable, "", lane.from, kPage));
    lane.has_more = page.size() == kPage;
    for (const store::Row& stored : page) {
      Undelivered found;
      if (!found.row.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("outbox row ", stored.key, " cannot be read"));
      }
      lane.from = stored.key + '\0';
      if (found.row.work().lane() != name) continue;
      if (queue_survives_ && found.row.has_work()) {
        ASSAY_ASSIGN_OR_RETURN(const bool is_started, IsStarted(found.row.work(), rows));
        if (is_started) continue;
      }
      lane.rows.emplace(stored.key, std::move(found));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> OutboxDelivery::IsStarted(const event::v1::Work& work, const RowReader& rows) const {
  const std::string key = Key(work.tenant(), work.candidate_key(), work.submission_id(), work.evaluation_id());
  ASSAY_ASSIGN_OR_RETURN(const auto evaluation, rows.Find<storage::v1::EvaluationRow>(kEvaluationTable, key));
  return evaluation && evaluation->state() == v1::Evaluation::RUNNING && evaluation->attempt() == work.attempt();
}

absl::StatusOr<absl::Time> OutboxDelivery::SendLane(absl::Time now, const RowReader& rows, Lane& lane,
                                                    RelayOutputs& outputs) {
  absl::Time next = absl::InfiniteFuture();
  for (auto it = lane.rows.begin(); it != lane.rows.end();) {
    const std::string& key = it->first;
    Undelivered& undelivered = it->second;
    if (undelivered.is_sent || undelivered.not_before > now) {
      if (!undelivered.is_sent) next = std::min(next, undelivered.not_before);
      ++it;
      continue;
    }
    if (undelivered.not_before != absl::InfinitePast()) {
      // It may have ended while it waited.
      ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> still, rows.Get(kOutboxTable, key));
      if (!still) {
        it = lane.rows.erase(it);
        continue;
      }
    }
    undelivered.is_sent = true;
    RelayAction action = CarryOut{undelivered.row};
    if (undelivered.row.has_work()) action = PutWork{undelivered.row.work()};
    outputs.Send(std::move(action), [this, &lane, key](const absl::Status& status, int64_t) {
      const auto sent = lane.rows.find(key);
      if (!status.ok()) {
        sent->second.is_sent = false;
        sent->second.not_before = now_ + kRetryWait;
        return;
      }
      if (!sent->second.row.has_work()) delivered_ = std::max(delivered_, ParseHex16(key) + 1);
      lane.rows.erase(sent);
    });
    ++it;
  }
  return next;
}

absl::Time OutboxDelivery::Checkpoint(absl::Time now, RelayOutputs& outputs) {
  const Lane& messages = lanes_.find("")->second;
  const uint64_t sequence =
      messages.rows.empty() ? delivered_ : std::min(delivered_, ParseHex16(messages.rows.begin()->first));
  if (sequence <= checkpointed_ || is_checkpointing_) return absl::InfiniteFuture();
  if (now < next_checkpoint_) return next_checkpoint_;
  is_checkpointing_ = true;
  event::v1::Envelope envelope;
  envelope.mutable_relay_checkpoint()->set_sequence(sequence);
  outputs.Journal(std::move(envelope), [this, sequence](const absl::Status& status, int64_t) {
    is_checkpointing_ = false;
    if (status.ok()) checkpointed_ = sequence;
    if (!status.ok()) next_checkpoint_ = now_ + kRetryWait;
  });
  return absl::InfiniteFuture();
}

}  // namespace assay::aggregator
