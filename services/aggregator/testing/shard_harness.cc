// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/testing/shard_harness.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/proto_time.h"

namespace assay::aggregator::testing {
namespace {

constexpr char kAssessment[] = "main-key";

}  // namespace

FakeDomain::FakeDomain() {
  const auto bind = [this](const char* evaluator, std::vector<std::string> kinds, const char* need, const char* lane) {
    v1::EvaluatorBinding& binding = *framework_.add_evaluators();
    binding.set_evaluator(evaluator);
    for (std::string& kind : kinds) binding.add_kinds(std::move(kind));
    if (*need != '\0') binding.add_needs(need);
    binding.set_lane(lane);
  };
  bind("code_analysis", {"REPOSITORY"}, "", "fast");
  bind("load_test", {"REPOSITORY"}, "code_analysis", "slow");
  bind("rubric", {"SCORECARD", "PORTFOLIO"}, "", "fast");
}

const v1::Framework* FakeDomain::FindFramework(absl::string_view digest) const {
  return digest == kFrameworkDigest ? &framework_ : nullptr;
}

v1::Readiness FakeDomain::Fold(const v1::Framework&, absl::string_view, const CountedEvidence& evidence) const {
  v1::Readiness readiness;
  for (const CountedEvaluation& counted : evidence.evaluations) {
    for (const event::v1::FoldObservation& observation : counted.result.observations()) {
      readiness.add_unmapped_criteria(absl::StrCat(counted.submission.accepted().submission_id(), "/",
                                                   counted.evaluation.evaluator(), "/", observation.criterion(), "=",
                                                   observation.value()));
    }
  }
  return readiness;
}

std::vector<std::string> FakeDomain::BehavioursOf(absl::string_view, absl::string_view) const { return {"1.1.1"}; }

ShardHarness::ShardHarness(uint32_t state_version)
    : context_{&domain_, "a key of this shard", "log-1", 4},
      store_(ShardTables()),
      rows_(store_),
      now_(absl::UnixEpoch() + absl::Hours(24 * 365 * 50)) {
  if (state_version == 0) return;
  event::v1::Envelope version;
  version.mutable_state_version()->set_version(state_version);
  Feed(std::move(version));
}

event::v1::Envelope ShardHarness::Event(const std::string& candidate) {
  event::v1::Envelope envelope;
  envelope.set_schema(1);
  envelope.set_event_id(absl::StrCat("event-", journal_.size()));
  envelope.set_tenant(tenant_);
  envelope.set_candidate_key(candidate);
  envelope.set_assessment_key(kAssessment);
  now_ += absl::Seconds(1);
  *envelope.mutable_event_time() = ToProtoTime(now_);
  return envelope;
}

void ShardHarness::Feed(event::v1::Envelope envelope) {
  log::Record record;
  record.offset = static_cast<log::Offset>(journal_.size());
  record.value = SerializeRow(envelope);
  journal_.push_back(record);
  const absl::StatusOr<store::Batch> batch = ApplyGroup(context_, rows_, absl::MakeConstSpan(&record, 1));
  ASSERT_TRUE(batch.ok()) << batch.status();
  changed_rows_ = batch->changes().size();
  const absl::Status written = store_.Write(*batch, true);
  ASSERT_TRUE(written.ok()) << written;
}

void ShardHarness::FeedOwn(event::v1::Envelope envelope) {
  envelope.set_writer_epoch(Meta().epoch());
  Feed(std::move(envelope));
}

void ShardHarness::Accept(const std::string& id, v1::Submission::Kind kind, const std::string& source,
                          const std::string& candidate, const std::string& content) {
  event::v1::Envelope envelope = Event(candidate);
  event::v1::PersonalFacts personal;
  personal.set_candidate(kPersonalName);
  personal.set_assessment("main");
  envelope.set_personal(personal.SerializeAsString());
  event::v1::SubmissionAccepted& accepted = *envelope.mutable_submission_accepted();
  accepted.set_submission_id(id);
  accepted.set_kind(kind);
  accepted.set_framework("test@1");
  accepted.set_framework_digest(kFrameworkDigest);
  accepted.set_source_key(source);
  accepted.set_blob_digest(absl::StrCat("blob of ", content.empty() ? id : content));
  for (const char* evaluator : {"code_analysis", "load_test", "rubric"}) {
    (*accepted.mutable_plugins())[evaluator] = absl::StrCat("plugin of ", evaluator);
  }
  Feed(std::move(envelope));
}

std::vector<store::Row> ShardHarness::Table(absl::string_view table) const {
  return *rows_.Scan(table, "", "", 100'000);
}

std::vector<event::v1::Work> ShardHarness::AllWork() const {
  std::vector<event::v1::Work> found;
  for (const store::Row& row : Table(kOutboxTable)) {
    storage::v1::OutboxRow message;
    if (message.ParseFromString(row.value) && message.has_work()) found.push_back(message.work());
  }
  return found;
}

std::optional<event::v1::Work> ShardHarness::WorkOf(const std::string& submission, const std::string& evaluator) const {
  for (const event::v1::Work& work : AllWork()) {
    if (work.submission_id() == submission && work.evaluator() == evaluator) return work;
  }
  return std::nullopt;
}

void ShardHarness::Start(const event::v1::Work& work) {
  event::v1::Envelope envelope = Event(work.candidate_key());
  event::v1::AttemptStarted& started = *envelope.mutable_attempt_started();
  started.set_submission_id(work.submission_id());
  started.set_evaluation_id(work.evaluation_id());
  started.set_attempt(work.attempt());
  started.set_capability(work.capability());
  Feed(std::move(envelope));
}

event::v1::Envelope ShardHarness::FinishedEvent(const event::v1::Work& work,
                                                event::v1::EvaluationFinished::Outcome outcome, double value) {
  event::v1::Envelope envelope = Event(work.candidate_key());
  event::v1::EvaluationFinished& finished = *envelope.mutable_evaluation_finished();
  finished.set_submission_id(work.submission_id());
  finished.set_evaluation_id(work.evaluation_id());
  finished.set_attempt(work.attempt());
  finished.set_outcome(outcome);
  finished.set_plugin_digest(work.plugin_digest());
  finished.set_capability(work.capability());
  finished.set_result_digest(absl::StrCat("result of ", work.evaluator()));
  event::v1::FoldObservation& observation = *finished.add_observations();
  observation.set_criterion("criterion");
  observation.set_value(value);
  observation.set_standard_error(0.1);
  return envelope;
}

void ShardHarness::Finish(const event::v1::Work& work, event::v1::EvaluationFinished::Outcome outcome, double value) {
  Feed(FinishedEvent(work, outcome, value));
}

void ShardHarness::FinishPure(const event::v1::Work& work, double value) {
  event::v1::Envelope envelope = FinishedEvent(work, event::v1::EvaluationFinished::SUCCEEDED, value);
  envelope.mutable_evaluation_finished()->set_pure(true);
  envelope.mutable_evaluation_finished()->set_result_digest(absl::StrCat("result of ", work.evaluator(), ": ", value));
  Feed(std::move(envelope));
}

bool ShardHarness::FireNextTimer() {
  const std::vector<store::Row> timers = Table(kTimerTable);
  if (timers.empty()) return false;
  storage::v1::TimerRow row;
  row.ParseFromString(timers.front().value);
  now_ = std::max(now_, TimerDue(timers.front().key));
  event::v1::Envelope envelope = Event(row.candidate_key());
  *envelope.mutable_timer_fired() = row.timer();
  FeedOwn(std::move(envelope));
  return true;
}

storage::v1::SubmissionRow ShardHarness::Submission(const std::string& id, const std::string& candidate) const {
  const auto row = *rows_.Find<storage::v1::SubmissionRow>(kSubmissionTable, Key(kTenant, candidate, id));
  return row.value_or(storage::v1::SubmissionRow());
}

storage::v1::EvaluationRow ShardHarness::Evaluation(const std::string& submission, const std::string& evaluator) const {
  storage::v1::EvaluationRow newest;
  for (const store::Row& stored : Table(kEvaluationTable)) {
    storage::v1::EvaluationRow row;
    row.ParseFromString(stored.value);
    if (row.submission_id() != submission || row.evaluator() != evaluator) continue;
    if (newest.id().empty() || row.generation() > newest.generation()) newest = row;
  }
  return newest;
}

std::vector<std::string> ShardHarness::Counted(const std::string& candidate) const {
  const auto row =
      *rows_.Find<storage::v1::ReadinessRow>(kReadinessTable, Key(kTenant, candidate, kAssessment));
  if (!row) return {};
  const auto& counted = row->record().readiness().unmapped_criteria();
  return {counted.begin(), counted.end()};
}

storage::v1::TenantRow ShardHarness::Tenant() const {
  return (*rows_.Find<storage::v1::TenantRow>(kTenantTable, tenant_)).value_or(storage::v1::TenantRow());
}

storage::v1::ShardMeta ShardHarness::Meta() const { return *ReadMeta(context_, rows_); }

}  // namespace assay::aggregator::testing
