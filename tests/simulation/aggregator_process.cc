// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/aggregator_process.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "services/aggregator/claim_policy.h"
#include "services/aggregator/keys.h"

namespace assay::simulation {
namespace {

constexpr int64_t kGroup = 64;
constexpr absl::Duration kAnnounce = absl::Seconds(1);

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

std::pair<uint64_t, uint64_t> VersionOf(absl::string_view record) {
  storage::v1::ReadinessRecordBytes parsed;
  parsed.ParseFromString(std::string(record));
  return {parsed.epoch(), parsed.version()};
}

AggregatorProcess::AggregatorProcess(World& world, std::string name, const aggregator::ShardContext& context,
                                     Surroundings surroundings)
    : Process(world, std::move(name)),
      context_(context),
      surroundings_(std::move(surroundings)),
      store_(aggregator::ShardTables()),
      rows_(store_) {}

void AggregatorProcess::OnStart() {
  reports_.clear();
  republish_.clear();
  heard_.clear();
  started_ = world_.now();
  aggregator::RelayStep::Options options;
  options.instance = name();
  options.nonce = absl::StrCat(name(), ++lives_);
  options.queue_survives = true;
  options.publishes = true;
  relay_ = std::make_unique<aggregator::RelayStep>(std::move(options));
  Later(absl::ZeroDuration(), [this] { Read(); });
  WakeRelay();
  Announce();
}

void AggregatorProcess::OnKill() {
  relay_.reset();
  // A write that the process died in reached the disk, or did not.
  store_.Reopen();
  store_.LoseUnsynced();
}

void AggregatorProcess::KillWhileWriting() { dies_in_write_ = true; }

void AggregatorProcess::Read() {
  const storage::v1::ShardMeta meta = Meta();
  const auto& journal = surroundings_.journal.records();
  const log::Offset from = meta.applied_offset() + 1;
  const int64_t available = is_reachable() ? static_cast<int64_t>(journal.size()) - from : 0;
  if (available > 0 && failure_.ok()) {
    const int64_t count = std::min(available, 1 + world_.random.Below(kGroup));
    const auto group = absl::MakeConstSpan(journal).subspan(static_cast<size_t>(from), static_cast<size_t>(count));
    const absl::StatusOr<store::Batch> batch = aggregator::ApplyGroup(context_, rows_, group);
    if (!batch.ok()) {
      failure_ = batch.status();
      return;
    }
    if (std::exchange(dies_in_write_, false)) {
      store_.FailNext(absl::InternalError("died"), world_.random.Chance(500));
      store_.Write(*batch, /*sync=*/true).IgnoreError();
      Kill();
      world_.After(world_.random.Between(absl::Milliseconds(1), absl::Seconds(20)), [this] {
        if (!is_up()) Start();
      });
      return;
    }
    failure_ = store_.Write(*batch, /*sync=*/true);
    StepRelay();
  }
  Later(world_.random.Between(absl::Milliseconds(2), absl::Milliseconds(60)), [this] { Read(); });
}

void AggregatorProcess::WakeRelay() {
  Later(absl::ZeroDuration(), [this, wake = ++wake_] {
    if (wake == wake_) StepRelay();
  });
}

void AggregatorProcess::StepRelay() {
  aggregator::RelayStep::Input input;
  input.now = clock_.TimeNow();
  input.meta = Meta();
  input.may_claim = MayClaim(input.meta);
  input.reports = std::exchange(reports_, {});
  input.republish = std::exchange(republish_, {});
  const aggregator::RelayStep::Result result = relay_->Step(input, rows_);
  failure_.Update(result.status);
  for (const aggregator::RelayOutput& output : result.outputs) CarryOut(output);
  const absl::Duration wait = std::clamp(result.next - clock_.TimeNow(), absl::Milliseconds(1), absl::Seconds(1));
  Later(wait, [this, wake = ++wake_] {
    if (wake == wake_) StepRelay();
  });
}

bool AggregatorProcess::MayClaim(const storage::v1::ShardMeta& meta) const {
  aggregator::ClaimQuestion question;
  question.self = name();
  question.aggregators = surroundings_.order;
  question.owner = meta.owner();
  question.running = world_.now() - started_;
  for (const auto& [instance, time] : heard_) question.heard[instance].silence = world_.now() - time;
  return aggregator::MayClaim(question);
}

void AggregatorProcess::Report(uint64_t id, absl::Status status, int64_t offset) {
  reports_.push_back({id, std::move(status), offset});
  WakeRelay();
}

void AggregatorProcess::CarryOut(const aggregator::RelayOutput& output) {
  const uint64_t id = output.id;
  const log::DeliveryCallback report = InThisLife(
      [this, id](const log::Delivery& delivery) { Report(id, delivery.status, delivery.offset); });
  std::visit(
      Overloaded{
          [&](const aggregator::AskEnd&) {
            const bool answers = is_reachable();
            Later(world_.random.Between(absl::Milliseconds(1), absl::Milliseconds(20)), [this, id, answers] {
              const absl::Status status = answers ? absl::OkStatus() : absl::UnavailableError("no broker answers");
              Report(id, status, surroundings_.journal.end());
            });
          },
          [&](const aggregator::AppendEvent& append) {
            surroundings_.journal.Append(name(), is_reachable(), "key", append.envelope.SerializeAsString(), report);
          },
          [&](const aggregator::PutWork& put) {
            surroundings_.queue.Put(name(), is_reachable(), put.work.lane(), put.work.evaluation_id(),
                                    aggregator::SerializeRow(put.work), report);
          },
          [&](const aggregator::CarryOut& carry) {
            const bool arrives = is_reachable();
            if (arrives && carry.row.has_cancel()) {
              event::v1::Cancellation cancellation;
              cancellation.set_submission_id(carry.row.cancel().submission_id());
              *cancellation.mutable_evaluation_ids() = carry.row.cancel().evaluation_ids();
              surroundings_.cancel(cancellation);
            }
            Later(absl::Milliseconds(2), [this, id, arrives] {
              Report(id, arrives ? absl::OkStatus() : absl::UnavailableError("no broker answers"), -1);
            });
          },
          [&](const aggregator::PublishReadiness& publish) {
            const bool arrives = is_reachable();
            // A late one, by an owner that is none any more, may come after those of its successor.
            const absl::Duration delay = world_.random.Between(absl::Milliseconds(1), absl::Seconds(3));
            if (arrives) {
              world_.After(delay, [this, published = publish.published] { surroundings_.publish(published); });
            }
            Later(delay, [this, id, arrives] {
              Report(id, arrives ? absl::OkStatus() : absl::UnavailableError("no broker answers"), -1);
            });
          },
      },
      output.action);
}

void AggregatorProcess::Hear(const std::string& instance) {
  if (is_up()) heard_[instance] = world_.now();
}

void AggregatorProcess::Follow(const event::v1::ReadinessPublished& published) {
  if (!is_up()) return;
  const std::string key =
      absl::StrCat(published.tenant(), "/", published.candidate_key(), "/", published.assessment_key());
  // After what is applied by then: a value newer than this replica's state is no news to it.
  Later(absl::Milliseconds(1), [this, key, published] {
    const auto row = rows_.Find<storage::v1::ReadinessRowBytes>(aggregator::kReadinessTable, key);
    if (!row.ok() || !row->has_value() || VersionOf((*row)->record()) <= VersionOf(published.record())) return;
    republish_.push_back(key);
    WakeRelay();
  });
}

void AggregatorProcess::Announce() {
  if (is_reachable()) surroundings_.announce(name());
  Later(kAnnounce, [this] { Announce(); });
}

storage::v1::ShardMeta AggregatorProcess::Meta() const { return *aggregator::ReadMeta(context_, rows_); }

std::string AggregatorProcess::StateHash() { return *store_.StateHash(aggregator::ShardTables()); }

}  // namespace assay::simulation
