// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/evaluator_process.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/proto_time.h"

namespace assay::simulation {
namespace {

using event::v1::EvaluationFinished;

constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr absl::Duration kHeartbeat = absl::Seconds(5);
constexpr absl::Duration kSession = absl::Seconds(45);

EvaluationFinished::Outcome AnyOutcome(Random& random) {
  if (!random.Chance(250)) return EvaluationFinished::SUCCEEDED;
  constexpr EvaluationFinished::Outcome kOthers[] = {
      EvaluationFinished::SUBMISSION_FAULT,      EvaluationFinished::TRANSIENT,
      EvaluationFinished::PLUGIN_CRASHED,        EvaluationFinished::PLUGIN_HUNG,
      EvaluationFinished::PLUGIN_INVALID_RESULT, EvaluationFinished::PLUGIN_OUT_OF_MEMORY,
      EvaluationFinished::PLATFORM_FAULT};
  return kOthers[random.Below(std::size(kOthers))];
}

}  // namespace

void EvaluatorProcess::OnStart() {
  intake_ = std::make_unique<evaluator::WorkIntake>(std::map<std::string, int>{{"fast", 3}, {"slow", 2}});
  places_.clear();
  tasks_.clear();
  generation_ = -1;
  queue_.Join(name());
  Poll();
  Commit();
}

void EvaluatorProcess::OnKill() {
  world_.After(kSession, [this] {
    if (!is_up()) queue_.Leave(name());
  });
}

// The group takes a silent member's work away; it joins again when it wakes.
void EvaluatorProcess::OnFreeze(absl::Duration length) {
  if (length <= kSession) return;
  world_.After(kSession, [this] { queue_.Leave(name()); });
}

void EvaluatorProcess::Poll() {
  if (is_reachable()) queue_.Join(name());
  if (is_reachable() && generation_ != queue_.generation()) {
    generation_ = queue_.generation();
    for (const char* lane : {"fast", "slow"}) {
      for (int partition = 0; partition < ModelQueue::kPartitions; ++partition) {
        Claimed& claimed = places_[{lane, partition}];
        const bool is_mine = queue_.IsAssigned(partition, name());
        if (is_mine == claimed.next.has_value()) continue;
        if (is_mine) {
          claimed.window.Assign();
          claimed.next = queue_.Committed(lane, partition);
        } else {
          claimed.window.Revoke();
          claimed.next.reset();
        }
      }
    }
  }
  for (auto& [place, claimed] : places_) {
    if (is_reachable() && claimed.next) Take(place, claimed);
  }
  Later(kPoll, [this] { Poll(); });
}

void EvaluatorProcess::Take(const Place& place, Claimed& claimed) {
  const auto& records = queue_.Records(place.first, place.second);
  while (intake_->FreeSlots(place.first) > 0 && *claimed.next < static_cast<log::Offset>(records.size())) {
    const log::Offset offset = (*claimed.next)++;
    if (!claimed.window.Add(offset)) continue;
    claimed.window.Start(offset);
    Offer(place, offset, records[static_cast<size_t>(offset)].value);
  }
}

void EvaluatorProcess::Offer(const Place& place, log::Offset offset, const std::string& value) {
  auto task = std::make_shared<Task>();
  task->place = place;
  task->offset = offset;
  task->work.ParseFromString(value);
  const auto decision = intake_->Offer(place.first, task->work, clock_.TimeNow());
  if (decision == evaluator::WorkIntake::Decision::kStart || decision == evaluator::WorkIntake::Decision::kCancelled) {
    task->is_cancelled = decision == evaluator::WorkIntake::Decision::kCancelled;
    tasks_.push_back(task);
    Begin(task);
    return;
  }
  places_[place].window.Finish(offset);
}

event::v1::Envelope EvaluatorProcess::Envelope(const event::v1::Work& work) {
  event::v1::Envelope envelope;
  envelope.set_schema(1);
  envelope.set_event_id(absl::StrCat(name(), "-", ++events_));
  envelope.set_tenant(work.tenant());
  envelope.set_candidate_key(work.candidate_key());
  envelope.set_assessment_key(work.assessment_key());
  *envelope.mutable_event_time() = aggregator::ToProtoTime(clock_.TimeNow());
  envelope.set_writer(name());
  return envelope;
}

void EvaluatorProcess::Persist(const event::v1::Envelope& envelope, std::function<void()> then) {
  journal_.Append(name(), is_reachable(), "key", envelope.SerializeAsString(),
                  InThisLife([this, envelope, then = std::move(then)](const log::Delivery& delivery) {
                    if (delivery.status.ok()) return then();
                    Later(absl::Milliseconds(200), [this, envelope, then] { Persist(envelope, then); });
                  }));
}

void EvaluatorProcess::Begin(const std::shared_ptr<Task>& task) {
  event::v1::Envelope envelope = Envelope(task->work);
  event::v1::AttemptStarted& started = *envelope.mutable_attempt_started();
  started.set_submission_id(task->work.submission_id());
  started.set_evaluation_id(task->work.evaluation_id());
  started.set_attempt(task->work.attempt());
  started.set_capability(task->work.capability());
  if (task->place.first == "slow") return Persist(envelope, [this, task] { Run(task); });
  journal_.Append(name(), is_reachable(), "key", envelope.SerializeAsString(), [](const log::Delivery&) {});
  Run(task);
}

void EvaluatorProcess::Run(const std::shared_ptr<Task>& task) {
  EvaluationFinished& finished = task->finished;
  finished.set_outcome(AnyOutcome(world_.random));
  event::v1::FoldObservation& observation = *finished.add_observations();
  observation.set_criterion("criterion");
  observation.set_value(world_.random.Unique());
  observation.set_standard_error(0.1);
  const absl::Duration length = task->place.first == "fast"
                                    ? world_.random.Between(absl::Milliseconds(5), absl::Seconds(1))
                                    : world_.random.Between(absl::Seconds(1), absl::Seconds(90));
  if (task->place.first == "slow") Later(kHeartbeat, [this, task] { Beat(task); });
  Later(task->is_cancelled ? absl::ZeroDuration() : length, [this, task] { Finish(task); });
}

void EvaluatorProcess::Beat(const std::shared_ptr<Task>& task) {
  if (task->is_over) return;
  event::v1::Envelope envelope = Envelope(task->work);
  event::v1::AttemptProgress& progress = *envelope.mutable_attempt_progress();
  progress.set_submission_id(task->work.submission_id());
  progress.set_evaluation_id(task->work.evaluation_id());
  progress.set_attempt(task->work.attempt());
  progress.set_capability(task->work.capability());
  progress.set_phase("running");
  journal_.Append(name(), is_reachable(), "key", envelope.SerializeAsString(), [](const log::Delivery&) {});
  Later(kHeartbeat, [this, task] { Beat(task); });
}

void EvaluatorProcess::Finish(const std::shared_ptr<Task>& task) {
  if (task->is_over) return;
  task->is_over = true;
  const event::v1::Work& work = task->work;
  EvaluationFinished& finished = task->finished;
  if (task->is_cancelled) finished.set_outcome(EvaluationFinished::CANCELLED);
  finished.set_submission_id(work.submission_id());
  finished.set_evaluation_id(work.evaluation_id());
  finished.set_attempt(work.attempt());
  finished.set_plugin_digest(work.plugin_digest());
  finished.set_capability(work.capability());
  finished.set_result_digest(absl::StrCat("result of ", work.evaluation_id()));
  event::v1::Envelope envelope = Envelope(work);
  *envelope.mutable_evaluation_finished() = finished;
  Persist(envelope, [this, task] {
    intake_->Ended(task->place.first, task->work);
    places_[task->place].window.Finish(task->offset);
    tasks_.erase(std::find(tasks_.begin(), tasks_.end(), task));
  });
}

void EvaluatorProcess::Hear(const event::v1::Cancellation& cancellation) {
  if (!is_up() || !is_reachable()) return;
  Later(absl::ZeroDuration(), [this, cancellation] {
    intake_->Cancel(cancellation);
    for (const std::shared_ptr<Task>& task : tasks_) {
      if (!evaluator::IsCancelledBy(task->work, cancellation)) continue;
      task->is_cancelled = true;
      Later(absl::Seconds(1), [this, task] { Finish(task); });
    }
  });
}

void EvaluatorProcess::Commit() {
  for (auto& [place, claimed] : places_) {
    const bool may_commit = is_reachable() && claimed.next && queue_.IsAssigned(place.second, name());
    if (may_commit && claimed.window.watermark() > queue_.Committed(place.first, place.second)) {
      queue_.Commit(place.first, place.second, claimed.window.watermark());
    }
  }
  Later(absl::Seconds(1), [this] { Commit(); });
}

}  // namespace assay::simulation
