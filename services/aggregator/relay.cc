// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/relay.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/proto_time.h"
#include "services/common/base/logging.h"

namespace assay::aggregator {
namespace {

constexpr absl::Duration kRetryWait = absl::Seconds(1);
constexpr size_t kMaxRepublish = 10'000;
// What others know and offer changes with their announcements.
constexpr absl::Duration kOthersInterval = absl::Seconds(1);

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace

Relay::Relay(Options options, const ShardContext& context, ShardOwner& owner, const RowReader& rows, Targets targets,
             Clock& clock)
    : options_(std::move(options)),
      context_(context),
      owner_(owner),
      rows_(rows),
      targets_(targets),
      clock_(clock),
      step_(options_.step),
      sweep_({options_.partition, targets_.journal.partitions()}, rows, targets_.blobs) {}

Relay::~Relay() { Stop(); }

void Relay::Start() {
  subscription_ = owner_.Subscribe([inbox = inbox_] {
    absl::MutexLock lock(&inbox->mutex);
    inbox->woken = true;
  });
  thread_ = std::thread([this] { Run(); });
}

void Relay::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&inbox_->mutex);
    inbox_->stopping = true;
  }
  thread_.join();
  subscription_.reset();
}

std::string Relay::held_claim() const {
  absl::MutexLock lock(&inbox_->mutex);
  return inbox_->held_claim;
}

void Relay::Run() {
  absl::Time next = clock_.TimeNow();
  for (;;) {
    RelayStep::Input input;
    {
      absl::MutexLock lock(&inbox_->mutex);
      const auto ready = [inbox = inbox_.get()] {
        inbox->mutex.AssertHeld();
        return inbox->stopping || inbox->woken;
      };
      clock_.AwaitWithDeadline(&inbox_->mutex, absl::Condition(&ready), next);
      if (inbox_->stopping) return;
      inbox_->woken = false;
      input.reports.swap(inbox_->reports);
      input.republish.swap(inbox_->republish);
    }
    absl::StatusOr<RelayStep::Result> result = DoStep(std::move(input));
    const absl::Status status = result.ok() ? result->status : result.status();
    if (!status.ok()) {
      LogWarning("relay", {{"shard", absl::StrCat(options_.partition)}, {"status", status.ToString()}});
    }
    next = result.ok() ? result->next : clock_.TimeNow() + kRetryWait;
    if (!result.ok()) continue;
    for (RelayOutput& output : result->outputs) Begin(std::move(output));
    if (!step_.held_claim().empty()) next = std::min(next, SweepBlobs());
  }
}

absl::StatusOr<RelayStep::Result> Relay::DoStep(RelayStep::Input input) {
  input.now = clock_.TimeNow();
  // Before the rows, so that they are at least as new.
  ASSAY_ASSIGN_OR_RETURN(input.meta, ReadMeta(context_, rows_));
  if (step_.held_claim().empty()) {
    input.may_claim = !options_.may_claim || options_.may_claim(input.meta);
  } else if (input.now >= next_look_at_others_) {
    next_look_at_others_ = input.now + kOthersInterval;
    peers_know_ = !options_.peers_know || options_.peers_know();
    if (options_.plugins) plugins_ = options_.plugins();
  }
  input.peers_know = peers_know_;
  input.plugins = plugins_;
  RelayStep::Result result = step_.Step(input, rows_);
  absl::MutexLock lock(&inbox_->mutex);
  if (inbox_->held_claim != step_.held_claim()) {
    inbox_->held_claim = step_.held_claim();
    LogInfo(inbox_->held_claim.empty() ? "shard given up" : "shard claimed",
            {{"shard", absl::StrCat(options_.partition)}, {"epoch", absl::StrCat(input.meta.epoch())}});
  }
  return result;
}

void Relay::Republish(const std::string& key) {
  absl::MutexLock lock(&inbox_->mutex);
  // What is left out here stays old until its next change.
  if (inbox_->republish.size() < kMaxRepublish) inbox_->republish.push_back(key);
  inbox_->woken = true;
}

void Relay::Report(uint64_t id, absl::Status status, int64_t offset) {
  absl::MutexLock lock(&inbox_->mutex);
  inbox_->reports.push_back({id, std::move(status), offset});
  inbox_->woken = true;
}

void Relay::Begin(RelayOutput output) {
  const auto on_delivery = [inbox = inbox_, id = output.id, on_append = options_.on_append, &clock = clock_,
                            begun = clock_.TimeNow()](const log::Delivery& delivery) {
    if (on_append && delivery.status.ok()) on_append(clock.TimeNow() - begun);
    absl::MutexLock lock(&inbox->mutex);
    inbox->reports.push_back({id, delivery.status, delivery.offset});
    inbox->woken = true;
  };
  std::visit(Overloaded{[&](const AskEnd&) {
                          const absl::StatusOr<log::Offset> end = targets_.journal.EndOffset(options_.partition);
                          Report(output.id, end.status(), end.ok() ? *end : -1);
                        },
                        [&](const AppendEvent& append) {
                          const event::v1::Envelope& envelope = append.envelope;
                          targets_.journal.Append(options_.partition, Key(envelope.tenant(), envelope.candidate_key()),
                                                  SerializeRow(envelope), on_delivery);
                        },
                        [&](const PutWork& put) {
                          targets_.queue.Put(put.work.lane(), put.work.evaluation_id(), SerializeRow(put.work),
                                             on_delivery);
                        },
                        [&](const PublishReadiness& publish) {
                          const event::v1::ReadinessPublished& value = publish.published;
                          log::Log& topic = *targets_.readiness;
                          topic.Append(log::PartitionOf(value.tenant(), value.candidate_key(), topic.partitions()),
                                       Key(value.tenant(), value.candidate_key(), value.assessment_key()),
                                       SerializeRow(value), on_delivery);
                        },
                        [&](const CarryOut& message) { Report(output.id, CarryOutNow(message.row)); }},
             output.action);
}

absl::Status Relay::CarryOutNow(const storage::v1::OutboxRow& row) {
  switch (row.message_case()) {
    case storage::v1::OutboxRow::kCancel: {
      event::v1::Cancellation cancellation;
      cancellation.set_submission_id(row.cancel().submission_id());
      *cancellation.mutable_evaluation_ids() = row.cancel().evaluation_ids();
      options_.cancel(cancellation);
      return absl::OkStatus();
    }
    case storage::v1::OutboxRow::kEraseBlobs:
      return sweep_.Erase(row.erase_blobs(), clock_.TimeNow());
    case storage::v1::OutboxRow::kWork:
    case storage::v1::OutboxRow::MESSAGE_NOT_SET:
      break;
  }
  return absl::FailedPreconditionError("an outbox row says nothing this program knows");
}

absl::Time Relay::SweepBlobs() {
  const absl::Time now = clock_.TimeNow();
  const absl::StatusOr<absl::Time> next = sweep_.Step(now);
  if (next.ok()) return *next;
  LogWarning("blob sweep", {{"shard", absl::StrCat(options_.partition)}, {"status", next.status().ToString()}});
  return now + kRetryWait;
}

}  // namespace assay::aggregator
