// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/relay.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/proto_time.h"
#include "services/common/base/digest.h"
#include "services/common/base/logging.h"

namespace assay::aggregator {
namespace {

constexpr absl::string_view kLanes[] = {"fast", "slow", ""};
constexpr absl::Duration kLongestWait = absl::Seconds(1);
constexpr absl::Duration kRetryWait = absl::Milliseconds(100);
// No timer is so exact that this matters.
constexpr absl::Duration kTimerRound = absl::Milliseconds(200);

}  // namespace

Relay::Relay(Options options, ShardOwner& owner, const RowReader& rows, log::Log& log, log::WorkQueue& queue,
             blob::BlobStore& blobs, Clock& clock)
    : options_(std::move(options)),
      owner_(owner),
      rows_(rows),
      log_(log),
      queue_(queue),
      blobs_(blobs),
      clock_(clock),
      started_(clock.TimeNow()) {}

Relay::~Relay() { Stop(); }

void Relay::Start() {
  subscription_ = owner_.Subscribe([this] {
    absl::MutexLock lock(&mutex_);
    woken_ = true;
  });
  thread_ = std::thread([this] { Run(); });
}

void Relay::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  subscription_.reset();
}

absl::Status Relay::Claim() {
  const absl::Time deadline = clock_.TimeNow() + kLongestWait;
  ASSAY_ASSIGN_OR_RETURN(const log::Offset end, log_.EndOffset(options_.partition));
  ASSAY_RETURN_IF_ERROR(owner_.WaitForApplied(end - 1, deadline));
  const uint64_t epoch = owner_.epoch();
  // Of a new journal it is the first record.
  if (end == 0) ASSAY_RETURN_IF_ERROR(RaiseStateVersion());
  event::v1::Envelope claim;
  claim.mutable_ownership_claimed()->set_expects_epoch(epoch);
  claim.mutable_ownership_claimed()->set_instance(options_.writer);
  ASSAY_RETURN_IF_ERROR(Journal(std::move(claim)));
  ASSAY_ASSIGN_OR_RETURN(const log::Offset after, log_.EndOffset(options_.partition));
  ASSAY_RETURN_IF_ERROR(owner_.WaitForApplied(after - 1, clock_.TimeNow() + kLongestWait));
  if (owner_.epoch() == epoch) return absl::AbortedError("another instance claimed the shard first");
  return RaiseStateVersion();
}

absl::Status Relay::RaiseStateVersion() {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<storage::v1::ShardMeta> meta,
                         rows_.Find<storage::v1::ShardMeta>(kMetaTable, kMetaKey));
  if (meta && meta->state_version() >= kStateVersion) return absl::OkStatus();
  event::v1::Envelope version;
  version.mutable_state_version()->set_version(kStateVersion);
  return Journal(std::move(version));
}

void Relay::Run() {
  for (absl::Status claimed = absl::UnknownError(""); !claimed.ok();) {
    claimed = Claim();
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    if (!claimed.ok()) {
      clock_.AwaitWithDeadline(&mutex_, absl::Condition(&stopping_), clock_.TimeNow() + kRetryWait);
    }
  }
  absl::Time next = clock_.TimeNow();
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || woken_; };
      clock_.AwaitWithDeadline(&mutex_, absl::Condition(&ready), next);
      if (stopping_) return;
      woken_ = false;
    }
    const absl::Time now = clock_.TimeNow();
    const absl::StatusOr<absl::Time> due = Step(now);
    next = std::min(due.ok() ? *due : now + kLongestWait, now + kLongestWait);
    if (!due.ok() && !absl::IsUnavailable(due.status())) {
      LogWarning("relay", {{"shard", absl::StrCat(options_.partition)}, {"status", due.status().ToString()}});
    }
  }
}

absl::StatusOr<absl::Time> Relay::Step(absl::Time now) {
  absl::Time next = now + kLongestWait;
  for (absl::string_view lane : kLanes) {
    const absl::Status status = DeliverLane(lane);
    // A full lane holds up itself alone.
    if (absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) {
      next = now + kRetryWait;
    } else {
      ASSAY_RETURN_IF_ERROR(status);
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const absl::Time due, FireTimers(now));
  return std::min(next, due);
}

absl::Status Relay::DeliverLane(absl::string_view lane) {
  Progress& progress = progress_.try_emplace(std::string(lane)).first->second;
  uint64_t checkpoint = 0;
  for (;;) {
    constexpr size_t kPage = 128;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kOutboxTable, "", Hex16(progress.next), kPage));
    std::vector<Numbered> rows;
    for (const store::Row& stored : page) {
      Numbered numbered{ParseHex16(stored.key), {}};
      if (!numbered.row.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("outbox row ", stored.key, " cannot be read"));
      }
      if (numbered.row.work().lane() != lane || progress.ahead.count(numbered.sequence) > 0) continue;
      rows.push_back(std::move(numbered));
    }
    const std::vector<absl::Status> delivered = Put(rows);
    absl::Status failure;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (delivered[i].ok()) {
        progress.ahead.insert(rows[i].sequence);
        if (failure.ok() && !rows[i].row.has_work()) checkpoint = rows[i].sequence + 1;
      } else if (failure.ok()) {
        failure = delivered[i];
        progress.next = rows[i].sequence;
      }
    }
    if (!failure.ok()) {
      progress.ahead.erase(progress.ahead.begin(), progress.ahead.lower_bound(progress.next));
      return failure;
    }
    progress.ahead.clear();
    if (!page.empty()) progress.next = ParseHex16(page.back().key) + 1;
    if (page.size() < kPage) break;
  }
  if (checkpoint == 0) return absl::OkStatus();
  event::v1::Envelope envelope;
  envelope.mutable_relay_checkpoint()->set_sequence(checkpoint);
  return Journal(std::move(envelope));
}

std::vector<absl::Status> Relay::Put(const std::vector<Numbered>& rows) {
  // Shared with the callbacks, the last of which may still hold the lock when this function has its answer.
  struct Reports {
    absl::Mutex mutex;
    std::vector<absl::Status> statuses ABSL_GUARDED_BY(mutex);
    size_t missing ABSL_GUARDED_BY(mutex) = 0;
  };
  const auto reports = std::make_shared<Reports>();
  {
    absl::MutexLock lock(&reports->mutex);
    reports->statuses.resize(rows.size());
    reports->missing = rows.size();
  }
  const auto report = [](Reports& all, size_t i, const absl::Status& status) {
    absl::MutexLock lock(&all.mutex);
    all.statuses[i] = status;
    --all.missing;
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].row.has_work()) {
      report(*reports, i, CarryOut(rows[i].row));
      continue;
    }
    const event::v1::Work& work = rows[i].row.work();
    queue_.Put(work.lane(), work.evaluation_id(), SerializeRow(work),
               [reports, report, i](const log::Delivery& delivery) { report(*reports, i, delivery.status); });
  }
  absl::MutexLock lock(&reports->mutex);
  const auto all_known = [&reports] {
    reports->mutex.AssertHeld();
    return reports->missing == 0;
  };
  reports->mutex.Await(absl::Condition(&all_known));
  return reports->statuses;
}

absl::Status Relay::CarryOut(const storage::v1::OutboxRow& row) {
  switch (row.message_case()) {
    case storage::v1::OutboxRow::kCancel: {
      event::v1::Cancellation cancellation;
      cancellation.set_submission_id(row.cancel().submission_id());
      *cancellation.mutable_evaluation_ids() = row.cancel().evaluation_ids();
      options_.cancel(cancellation);
      return absl::OkStatus();
    }
    case storage::v1::OutboxRow::kEraseBlobs:
      return EraseBlobs(row.erase_blobs());
    case storage::v1::OutboxRow::kWork:
    case storage::v1::OutboxRow::MESSAGE_NOT_SET:
      break;
  }
  return absl::FailedPreconditionError("an outbox row says nothing this program knows");
}

absl::Status Relay::EraseBlobs(const storage::v1::OutboxRow::EraseBlobs& erase) {
  // What the candidate's next submission uploads is newer, and stays when this is carried out again.
  const blob::Owner owner{erase.tenant(), erase.candidate_key()};
  ASSAY_ASSIGN_OR_RETURN(const std::vector<blob::BlobInfo> blobs, blobs_.List(owner));
  for (const blob::BlobInfo& info : blobs) {
    const absl::Status status = blobs_.DeleteIfOlder(owner, info.digest, FromProtoTime(erase.before()));
    if (!status.ok() && !absl::IsNotFound(status) && !absl::IsFailedPrecondition(status)) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> Relay::FireTimers(absl::Time now) {
  if (now < next_look_) return next_look_;
  constexpr size_t kPage = 256;
  ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kTimerTable, "", "", kPage));
  const absl::Time grace_end = started_ + options_.start_grace;
  std::set<std::string> still_due;
  absl::Time next = now + kLongestWait;
  for (const store::Row& stored : page) {
    storage::v1::TimerRow row;
    if (!row.ParseFromString(stored.value)) {
      return absl::DataLossError(absl::StrCat("timer row ", stored.key, " cannot be read"));
    }
    absl::Time due = TimerDue(stored.key);
    if (due > now) {
      next = std::min(next, due);
      break;
    }
    const auto kind = row.timer().kind();
    if ((kind == event::v1::TimerFired::HEARTBEAT || kind == event::v1::TimerFired::DEADLINE) && now < grace_end) {
      continue;
    }
    if (fired_.count(stored.key) == 0) {
      event::v1::Envelope envelope;
      envelope.set_tenant(row.tenant());
      envelope.set_candidate_key(row.candidate_key());
      envelope.set_assessment_key(row.assessment_key());
      *envelope.mutable_timer_fired() = row.timer();
      ASSAY_RETURN_IF_ERROR(Journal(std::move(envelope)));
    }
    still_due.insert(stored.key);
  }
  fired_ = std::move(still_due);
  // One that is set meanwhile may be due before the earliest of these.
  next_look_ = std::min(next, now + kTimerRound);
  return next;
}

absl::Status Relay::Journal(event::v1::Envelope envelope) {
  envelope.set_schema(1);
  envelope.set_event_id(Base32(RandomBytes(16)).substr(0, 26));
  *envelope.mutable_event_time() = ToProtoTime(clock_.TimeNow());
  envelope.set_writer(options_.writer);
  envelope.set_writer_epoch(owner_.epoch());
  return log::AppendAndWait(log_, options_.partition, Key(envelope.tenant(), envelope.candidate_key()),
                            SerializeRow(envelope))
      .status;
}

}  // namespace assay::aggregator
