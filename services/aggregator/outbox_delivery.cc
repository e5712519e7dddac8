// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/outbox_delivery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/shard.h"

namespace assay::aggregator {
namespace {

constexpr size_t kPage = 128;
// Messages that may wait for their reports.
constexpr size_t kWindow = 512;
constexpr absl::Duration kRetryWait = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<absl::Time> OutboxDelivery::Step(absl::Time now, const storage::v1::ShardMeta& meta,
                                                const RowReader& rows, RelayOutputs& outputs) {
  now_ = now;
  if (meta.state_version() < kTenantsVersion) return absl::InfiniteFuture();
  ASSAY_RETURN_IF_ERROR(LookForMessages(rows));
  absl::Time next = SendMessages(now, outputs);
  ASSAY_RETURN_IF_ERROR(FollowChanges(meta, rows));
  for (Lane& lane : lanes_) {
    ASSAY_ASSIGN_OR_RETURN(const absl::Time due, SendWork(now, rows, lane, outputs));
    next = std::min(next, due);
  }
  return std::min(next, Checkpoint(now, outputs));
}

absl::Status OutboxDelivery::FollowChanges(const storage::v1::ShardMeta& meta, const RowReader& rows) {
  if (!next_change_ || *next_change_ + kChangeHistory < meta.next_change_sequence()) {
    next_change_ = meta.next_change_sequence();
    for (Lane& lane : lanes_) ASSAY_RETURN_IF_ERROR(lane.plan.Restart(rows));
  }
  for (size_t read = kPage; read == kPage;) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page,
                           rows.Scan(kChangeTable, "", Hex16(*next_change_), kPage));
    for (const store::Row& stored : page) {
      storage::v1::ChangeRow change;
      if (!change.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("change row ", stored.key, " cannot be read"));
      }
      for (Lane& lane : lanes_) lane.plan.Notice(change.tenant());
      next_change_ = ParseHex16(stored.key) + 1;
    }
    read = page.size();
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> OutboxDelivery::SendWork(absl::Time now, const RowReader& rows, Lane& lane,
                                                    RelayOutputs& outputs) {
  if (lane.not_before > now) return lane.not_before;
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<DispatchPlan::Item> items, lane.plan.Next(rows, credit_(lane.name), kPage));
    if (items.empty()) return absl::InfiniteFuture();
    for (DispatchPlan::Item& item : items) {
      if (queue_survives_) {
        // It takes its part of the credit all the same.
        ASSAY_ASSIGN_OR_RETURN(const bool is_started, IsStarted(item.work, rows));
        if (is_started) continue;
      }
      PutWork put{std::move(item.work)};
      outputs.Send(std::move(put), [this, &lane, item](const absl::Status& status, int64_t) {
        if (status.ok()) return;
        lane.plan.PutBack(item);
        lane.not_before = now_ + kRetryWait;
      });
    }
  }
}

absl::StatusOr<bool> OutboxDelivery::IsStarted(const event::v1::Work& work, const RowReader& rows) const {
  const std::string key = Key(work.tenant(), work.candidate_key(), work.submission_id(), work.evaluation_id());
  ASSAY_ASSIGN_OR_RETURN(const auto evaluation, rows.Find<storage::v1::EvaluationRow>(kEvaluationTable, key));
  return evaluation && evaluation->state() == v1::Evaluation::RUNNING && evaluation->attempt() == work.attempt();
}

absl::Status OutboxDelivery::LookForMessages(const RowReader& rows) {
  for (size_t read = kPage; read == kPage && messages_.size() < kWindow;) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page,
                           rows.Scan(kOutboxTable, kMessagePrefix, MessageKey(next_message_), kPage));
    for (const store::Row& stored : page) {
      Undelivered found;
      if (!found.row.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("outbox row ", stored.key, " cannot be read"));
      }
      const uint64_t number = OutboxNumber(stored.key);
      next_message_ = number + 1;
      messages_.emplace(number, std::move(found));
    }
    read = page.size();
  }
  return absl::OkStatus();
}

absl::Time OutboxDelivery::SendMessages(absl::Time now, RelayOutputs& outputs) {
  absl::Time next = absl::InfiniteFuture();
  for (auto& [number, message] : messages_) {
    if (message.is_sent) continue;
    if (message.not_before > now) {
      next = std::min(next, message.not_before);
      continue;
    }
    message.is_sent = true;
    outputs.Send(CarryOut{message.row}, [this, number = number](const absl::Status& status, int64_t) {
      const auto sent = messages_.find(number);
      if (status.ok()) {
        delivered_ = std::max(delivered_, number + 1);
        messages_.erase(sent);
        return;
      }
      sent->second.is_sent = false;
      sent->second.not_before = now_ + kRetryWait;
    });
  }
  return next;
}

absl::Time OutboxDelivery::Checkpoint(absl::Time now, RelayOutputs& outputs) {
  const uint64_t sequence = messages_.empty() ? delivered_ : std::min(delivered_, messages_.begin()->first);
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
