// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/relay_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/proto_time.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/testing/fake_log.h"

namespace assay::aggregator {
namespace {

using event::v1::Envelope;
using event::v1::TimerFired;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::FakeDomain;

// One instance that follows the partition, with its relay; its shell is this test.
class Replica {
 public:
  Replica(log::FakeLog& log, const Domain& domain, const std::string& name, RelayStep::Options options = {})
      : log_(log), context_{&domain, "a key", log.identity(), 1}, step_(Named(std::move(options), name)) {}

  // Applies what the log holds.
  void Follow() {
    const std::vector<log::Record> records = log_.Records(0);
    const size_t applied = static_cast<size_t>(meta().applied_offset() + 1);
    for (size_t next = applied; next < records.size(); ++next) {
      const auto batch = ApplyGroup(context_, rows_, absl::MakeConstSpan(&records[next], 1));
      ASSERT_TRUE(batch.ok()) << batch.status();
      ASSAY_ASSERT_OK(store_.Write(*batch, true));
    }
  }

  // One step, and what it asks for; without following first.
  void StepAlone(absl::Time now) {
    RelayStep::Input input;
    input.now = now;
    input.meta = meta();
    input.may_claim = may_claim;
    input.peers_know = peers_know;
    input.plugins = plugins;
    input.republish = std::exchange(republish, {});
    input.reports = std::exchange(reports_, {});
    RelayStep::Result result = step_.Step(input, rows_);
    ASSAY_EXPECT_OK(result.status);
    next = result.next;
    for (RelayOutput& output : result.outputs) Begin(output);
  }

  // Follows and steps until nothing new comes of it.
  void Settle(absl::Time now) {
    for (int round = 0; round < 12; ++round) {
      Follow();
      StepAlone(now);
    }
  }

  storage::v1::ShardMeta meta() const { return *ReadMeta(context_, rows_); }
  bool owns() const { return !step_.held_claim().empty(); }
  const RowReader& rows() const { return rows_; }

  bool may_claim = true;
  bool peers_know = true;
  OfferedPlugins plugins;
  std::vector<std::string> republish;
  // Status of the puts to come, and whether their reports come at all.
  absl::Status put_status;
  bool reports_puts = true;
  absl::Time next;
  std::vector<event::v1::Work> put;
  absl::Status publish_status;
  std::vector<event::v1::ReadinessPublished> published;
  // "cancel ID" and "put ID", in the order they were begun.
  std::vector<std::string> begun;

 private:
  static RelayStep::Options Named(RelayStep::Options options, const std::string& name) {
    options.instance = name;
    options.nonce = name;
    return options;
  }

  void Begin(RelayOutput& output) {
    if (std::holds_alternative<AskEnd>(output.action)) {
      reports_.push_back({output.id, absl::OkStatus(), *log_.EndOffset(0)});
    } else if (const auto* append = std::get_if<AppendEvent>(&output.action)) {
      log_.Append(0, "", SerializeRow(append->envelope), [this, id = output.id](const log::Delivery& delivery) {
        reports_.push_back({id, delivery.status, delivery.offset});
      });
    } else if (const auto* work = std::get_if<PutWork>(&output.action)) {
      begun.push_back(absl::StrCat("put ", work->work.submission_id()));
      if (put_status.ok()) put.push_back(work->work);
      if (reports_puts) reports_.push_back({output.id, put_status, -1});
    } else if (const auto* message = std::get_if<CarryOut>(&output.action)) {
      begun.push_back(absl::StrCat("cancel ", message->row.cancel().submission_id()));
      reports_.push_back({output.id, absl::OkStatus(), -1});
    } else if (const auto* publish = std::get_if<PublishReadiness>(&output.action)) {
      if (publish_status.ok()) published.push_back(publish->published);
      reports_.push_back({output.id, publish_status, -1});
    }
  }

  log::FakeLog& log_;
  const ShardContext context_;
  store::FakeStore store_{ShardTables()};
  StoreRows rows_{store_};
  RelayStep step_;
  std::vector<RelayReport> reports_;
};

class RelayStepTest : public ::testing::Test {
 protected:
  std::vector<Envelope> Journal() const {
    std::vector<Envelope> envelopes;
    for (const log::Record& record : log_.Records(0)) {
      EXPECT_TRUE(envelopes.emplace_back().ParseFromString(record.value));
    }
    return envelopes;
  }
  std::vector<Envelope> Journaled(Envelope::BodyCase kind) const {
    std::vector<Envelope> found;
    for (const Envelope& envelope : Journal()) {
      if (envelope.body_case() == kind) found.push_back(envelope);
    }
    return found;
  }

  void Append(Envelope envelope) {
    envelope.set_schema(1);
    if (envelope.event_id().empty()) envelope.set_event_id(absl::StrCat("test-", log_.Records(0).size()));
    *envelope.mutable_event_time() = ToProtoTime(now_);
    log::AppendAndWait(log_, 0, "", SerializeRow(envelope));
  }
  // Every submission is of a candidate of its own: there are many, and a candidate's readiness counts all of it.
  Envelope OfCandidate(const std::string& submission) {
    Envelope envelope;
    envelope.set_tenant(tenant_);
    envelope.set_candidate_key(absl::StrCat("candidate-of-", submission));
    envelope.set_assessment_key("main");
    return envelope;
  }
  void Accept(const std::string& id, v1::Submission::Kind kind = v1::Submission::SCORECARD, bool has_plugins = true) {
    Envelope envelope = OfCandidate(id);
    event::v1::SubmissionAccepted& accepted = *envelope.mutable_submission_accepted();
    accepted.set_submission_id(id);
    accepted.set_kind(kind);
    accepted.set_framework("test@1");
    accepted.set_framework_digest(testing::kFrameworkDigest);
    accepted.set_source_key(id);
    accepted.set_blob_digest(id);
    for (const char* evaluator : {"code_analysis", "load_test", "rubric"}) {
      if (has_plugins) (*accepted.mutable_plugins())[evaluator] = "plugin";
    }
    Append(std::move(envelope));
  }
  void Start(const event::v1::Work& work) {
    Envelope envelope = OfCandidate(work.submission_id());
    event::v1::AttemptStarted& started = *envelope.mutable_attempt_started();
    started.set_submission_id(work.submission_id());
    started.set_evaluation_id(work.evaluation_id());
    started.set_attempt(work.attempt());
    started.set_capability(work.capability());
    Append(std::move(envelope));
  }
  void Finish(const event::v1::Work& work, event::v1::EvaluationFinished::Outcome outcome) {
    Envelope envelope = OfCandidate(work.submission_id());
    event::v1::EvaluationFinished& finished = *envelope.mutable_evaluation_finished();
    finished.set_submission_id(work.submission_id());
    finished.set_evaluation_id(work.evaluation_id());
    finished.set_attempt(work.attempt());
    finished.set_plugin_digest(work.plugin_digest());
    finished.set_capability(work.capability());
    finished.set_outcome(outcome);
    Append(std::move(envelope));
  }

  std::string tenant_ = "acme";
  FakeDomain domain_;
  log::FakeLog log_{1};
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(24 * 365 * 50);
};

TEST_F(RelayStepTest, ANewJournalBeginsWithTheVersionAndAClaim) {
  Replica a(log_, domain_, "a");
  a.Settle(now_);
  EXPECT_TRUE(a.owns());
  const std::vector<Envelope> journal = Journal();
  ASSERT_THAT(journal, SizeIs(2));
  EXPECT_EQ(journal[0].state_version().version(), kStateVersion);
  EXPECT_EQ(journal[1].ownership_claimed().instance(), "a");
  EXPECT_EQ(a.meta().owner(), "a");
}

TEST_F(RelayStepTest, OneThatMayNotClaimOnlyFollows) {
  Replica a(log_, domain_, "a");
  a.may_claim = false;
  a.Settle(now_);
  EXPECT_FALSE(a.owns());
  EXPECT_THAT(Journal(), IsEmpty());
}

TEST_F(RelayStepTest, OfTwoRacingClaimsTheFirstHolds) {
  Replica a(log_, domain_, "a");
  Replica b(log_, domain_, "b");
  // Both see an empty journal, and claim before either follows.
  for (int round = 0; round < 3; ++round) {
    a.StepAlone(now_);
    b.StepAlone(now_);
  }
  EXPECT_THAT(Journaled(Envelope::kOwnershipClaimed), SizeIs(2));
  b.may_claim = false;
  a.Settle(now_);
  b.Settle(now_);
  EXPECT_TRUE(a.owns());
  EXPECT_FALSE(b.owns());
  EXPECT_EQ(a.meta().epoch(), b.meta().epoch());
}

TEST_F(RelayStepTest, AClaimOfUnknownOutcomeThatIsThereHolds) {
  Replica a(log_, domain_, "a");
  a.StepAlone(now_);
  log_.UnknownNext(true);
  log_.UnknownNext(true);
  a.Settle(now_);
  EXPECT_TRUE(a.owns());
  EXPECT_THAT(Journaled(Envelope::kOwnershipClaimed), SizeIs(1));
}

TEST_F(RelayStepTest, AClaimThatWasLostIsJournaledAgain) {
  Replica a(log_, domain_, "a");
  a.StepAlone(now_);
  log_.UnknownNext(false);
  log_.UnknownNext(false);
  a.Settle(now_);
  EXPECT_FALSE(a.owns());
  a.Settle(now_ + RelayOutputs::kReportPatience);
  EXPECT_TRUE(a.owns());
}

TEST_F(RelayStepTest, StepsDownWhenItAppliesAnotherClaimAndWhatItJournaledMeanwhileIsVoid) {
  Replica a(log_, domain_, "a");
  a.Settle(now_);
  Accept("s1");
  a.Settle(now_);
  ASSERT_THAT(a.put, SizeIs(1));
  Replica b(log_, domain_, "b");
  b.Settle(now_);
  EXPECT_TRUE(b.owns());

  // It has not read the claim, and fires a timer that is due by now.
  a.may_claim = false;
  const absl::Time later = now_ + absl::Hours(48);
  a.StepAlone(later);
  const std::vector<Envelope> fired = Journaled(Envelope::kTimerFired);
  ASSERT_THAT(fired, SizeIs(1));
  EXPECT_EQ(fired[0].writer_epoch(), a.meta().epoch());
  b.Follow();
  EXPECT_EQ(b.meta().counters().void_events(), 1u);

  a.Settle(later);
  EXPECT_FALSE(a.owns());
  EXPECT_THAT(Journaled(Envelope::kTimerFired), SizeIs(1));
}

TEST_F(RelayStepTest, WorkThatTheQueueDidNotTakeIsPutAgain) {
  Replica a(log_, domain_, "a");
  a.put_status = absl::ResourceExhaustedError("full");
  Accept("s1");
  a.Settle(now_);
  EXPECT_THAT(a.put, IsEmpty());
  a.put_status = absl::OkStatus();
  a.Settle(now_ + absl::Seconds(1));
  EXPECT_THAT(a.put, SizeIs(1));
  a.Settle(now_ + absl::Seconds(2));
  EXPECT_THAT(a.put, SizeIs(1));
}

TEST_F(RelayStepTest, AReportThatStaysAwayIsNotWaitedForForEver) {
  Replica a(log_, domain_, "a");
  a.reports_puts = false;
  Accept("s1");
  a.Settle(now_);
  EXPECT_THAT(a.put, SizeIs(1));
  a.Settle(now_ + RelayOutputs::kReportPatience - absl::Seconds(1));
  EXPECT_THAT(a.put, SizeIs(1));
  a.Settle(now_ + RelayOutputs::kReportPatience);
  a.Settle(now_ + RelayOutputs::kReportPatience + absl::Seconds(1));
  EXPECT_THAT(a.put, SizeIs(2));
}

TEST_F(RelayStepTest, ALaneThatIsFullHoldsUpItselfAlone) {
  Replica a(log_, domain_, "a");
  a.Settle(now_);
  Accept("s1", v1::Submission::REPOSITORY);
  a.Settle(now_);
  ASSERT_THAT(a.put, SizeIs(1));
  Finish(a.put[0], event::v1::EvaluationFinished::SUCCEEDED);
  a.put_status = absl::ResourceExhaustedError("full");
  a.Settle(now_);
  ASSERT_THAT(a.put, SizeIs(1));
  a.put_status = absl::OkStatus();
  Accept("s2");
  // Too early for the slow lane's next try.
  a.Settle(now_ + absl::Milliseconds(1));
  ASSERT_THAT(a.put, SizeIs(2));
  EXPECT_EQ(a.put[1].submission_id(), "s2");
}

TEST_F(RelayStepTest, CancelsGoBeforeTheWorkOfARerun) {
  Replica a(log_, domain_, "a");
  a.Settle(now_);
  Accept("s1");
  a.Settle(now_);
  Envelope cancel = OfCandidate("s1");
  cancel.mutable_cancel_requested()->set_submission_id("s1");
  Append(std::move(cancel));
  Envelope rerun = OfCandidate("s1");
  rerun.mutable_rerun_requested()->set_submission_id("s1");
  Append(std::move(rerun));
  a.Settle(now_);
  EXPECT_THAT(a.begun, ElementsAre("put s1", "cancel s1", "put s1"));
  const std::vector<Envelope> checkpoints = Journaled(Envelope::kRelayCheckpoint);
  ASSERT_THAT(checkpoints, SizeIs(1));
  EXPECT_EQ(checkpoints[0].writer_epoch(), a.meta().epoch());
}

TEST_F(RelayStepTest, StartedWorkIsPutAgainOnlyIntoAQueueThatForgets) {
  Replica a(log_, domain_, "a");
  a.Settle(now_);
  Accept("s1");
  Accept("s2");
  a.Settle(now_);
  ASSERT_THAT(a.put, SizeIs(2));
  Start(a.put[0]);
  for (const bool queue_survives : {false, true}) {
    RelayStep::Options options;
    options.queue_survives = queue_survives;
    Replica next(log_, domain_, queue_survives ? "b" : "c", options);
    next.Settle(now_);
    EXPECT_THAT(next.put, SizeIs(queue_survives ? 1 : 2));
  }
}

TEST_F(RelayStepTest, SilentWorkersHideNoOtherTimersDuringTheGrace) {
  constexpr int kSilent = 300;
  RelayStep::Options options;
  options.credit = [](absl::string_view) { return size_t{kSilent}; };
  Replica a(log_, domain_, "a", options);
  a.Settle(now_);
  for (int i = 0; i < kSilent; ++i) Accept(absl::StrCat("s", i));
  a.Settle(now_);
  for (const event::v1::Work& work : a.put) Start(work);
  a.Settle(now_);
  // Their heartbeats are due by now; the retry comes after all of them.
  now_ += absl::Minutes(5);
  Finish(a.put[0], event::v1::EvaluationFinished::TRANSIENT);
  Replica b(log_, domain_, "b");
  b.Settle(now_);
  ASSERT_TRUE(b.owns());
  now_ += absl::Seconds(2);
  b.Settle(now_);
  const std::vector<Envelope> fired = Journaled(Envelope::kTimerFired);
  ASSERT_THAT(fired, SizeIs(1));
  EXPECT_EQ(fired[0].timer_fired().kind(), TimerFired::RETRY);
  // Afterwards silence counts again.
  now_ += absl::Minutes(1);
  b.Settle(now_);
  b.Settle(now_ + absl::Seconds(1));
  EXPECT_GT(Journaled(Envelope::kTimerFired).size(), static_cast<size_t>(kSilent));
}

TEST_F(RelayStepTest, NoMoreIsPutThanTheLaneHasCreditForAndTenantsTakeTurns) {
  RelayStep::Options options;
  options.credit = [](absl::string_view) { return size_t{2}; };
  Replica a(log_, domain_, "a", options);
  a.Settle(now_);
  for (const char* id : {"s1", "s2", "s3", "s4"}) Accept(id);
  a.Settle(now_);
  ASSERT_THAT(a.begun, ElementsAre("put s1", "put s2"));
  tenant_ = "other";
  Accept("s5");
  tenant_ = "acme";
  a.Settle(now_);
  EXPECT_THAT(a.begun, SizeIs(2));
  Finish(a.put[0], event::v1::EvaluationFinished::SUCCEEDED);
  a.Settle(now_);
  Finish(a.put[1], event::v1::EvaluationFinished::SUCCEEDED);
  a.Settle(now_);
  EXPECT_THAT(a.begun, ElementsAre("put s1", "put s2", "put s5", "put s3"));
}

TEST_F(RelayStepTest, QuotasThatDifferAreJournaledOnceTheClaimHolds) {
  RelayStep::Options options;
  options.quotas["acme"].set_submissions_in_flight(1);
  Replica a(log_, domain_, "a", options);
  a.Settle(now_);
  const std::vector<Envelope> quotas = Journaled(Envelope::kQuotaChanged);
  ASSERT_THAT(quotas, SizeIs(1));
  EXPECT_EQ(quotas[0].tenant(), "acme");
  EXPECT_EQ(quotas[0].writer_epoch(), a.meta().epoch());
  Replica b(log_, domain_, "b", options);
  b.Settle(now_);
  EXPECT_TRUE(b.owns());
  EXPECT_THAT(Journaled(Envelope::kQuotaChanged), SizeIs(1)) << "what is in force is not said again";
}

TEST_F(RelayStepTest, MovesOnToNewerRulesWhenEverybodyKnowsThem) {
  Replica a(log_, domain_, "a");
  a.Settle(now_);
  RelayStep::Options newer;
  newer.state_version = kStateVersion + 1;
  Replica b(log_, domain_, "b", newer);
  b.peers_know = false;
  b.Settle(now_);
  EXPECT_TRUE(b.owns());
  EXPECT_THAT(Journaled(Envelope::kStateVersion), SizeIs(1));
  b.peers_know = true;
  b.StepAlone(now_);
  b.StepAlone(now_);
  const std::vector<Envelope> versions = Journaled(Envelope::kStateVersion);
  ASSERT_THAT(versions, SizeIs(2));
  EXPECT_EQ(versions[1].state_version().version(), kStateVersion + 1);
}

TEST_F(RelayStepTest, TellsTheShardOfTheCatalogOnce) {
  RelayStep::Options options;
  options.catalog = {testing::kFrameworkDigest};
  Replica a(log_, domain_, "a", options);
  a.peers_know = false;
  a.Settle(now_);
  EXPECT_THAT(Journaled(Envelope::kCatalogAdvanced), IsEmpty());
  a.peers_know = true;
  a.Settle(now_);
  Replica b(log_, domain_, "b", options);
  b.Settle(now_);
  EXPECT_TRUE(b.owns());
  EXPECT_THAT(Journaled(Envelope::kCatalogAdvanced), SizeIs(1));
  EXPECT_THAT(b.meta().catalog(), ElementsAre(testing::kFrameworkDigest));
}

TEST_F(RelayStepTest, ReleasesWhatWaitedForAPluginWhenOneIsOffered) {
  Replica a(log_, domain_, "a");
  Accept("s1", v1::Submission::SCORECARD, /*has_plugins=*/false);
  Accept("s2");
  a.Settle(now_);
  ASSERT_THAT(a.put, SizeIs(1));
  a.plugins = {{"code_analysis", "sha256:1"}};
  a.Settle(now_ + absl::Seconds(20));
  EXPECT_THAT(Journaled(Envelope::kEvaluationReleased), IsEmpty());
  a.plugins = {{"code_analysis", "sha256:1"}, {"rubric", "sha256:2"}};
  a.Settle(now_ + absl::Seconds(40));
  EXPECT_THAT(Journaled(Envelope::kEvaluationReleased), SizeIs(1));
  ASSERT_THAT(a.put, SizeIs(2));
  EXPECT_EQ(a.put[1].submission_id(), "s1");
  EXPECT_EQ(a.put[1].plugin_digest(), "sha256:2");
}

TEST_F(RelayStepTest, PublishesReadinessOnceForEachAssessmentThatChanged) {
  RelayStep::Options options;
  options.publishes = true;
  Replica a(log_, domain_, "a", options);
  a.Settle(now_);
  Accept("s1");
  Accept("s2");
  a.publish_status = absl::UnavailableError("no broker");
  a.Settle(now_);
  EXPECT_THAT(a.published, IsEmpty());
  a.publish_status = absl::OkStatus();
  a.Settle(now_ + absl::Seconds(2));
  a.Settle(now_ + absl::Seconds(4));
  ASSERT_THAT(a.published, SizeIs(2));
  EXPECT_EQ(a.published[0].candidate_key(), "candidate-of-s1");
  EXPECT_EQ(a.published[0].writer_epoch(), a.meta().epoch());
  v1::ReadinessRecord record;
  EXPECT_TRUE(record.ParseFromString(a.published[0].record()));
  EXPECT_GT(record.version(), 0u);
  EXPECT_EQ(a.meta().published_changes(), a.meta().next_change_sequence());

  // The next owner goes on where this one was.
  Accept("s3");
  Replica b(log_, domain_, "b", options);
  b.Settle(now_ + absl::Seconds(5));
  ASSERT_THAT(b.published, SizeIs(1));
  EXPECT_EQ(b.published[0].candidate_key(), "candidate-of-s3");
  b.republish = {"acme/candidate-of-s1/main"};
  b.Settle(now_ + absl::Seconds(6));
  ASSERT_THAT(b.published, SizeIs(2));
  EXPECT_EQ(b.published[1].record(), a.published[0].record());
}

TEST_F(RelayStepTest, WhatIsErasedIsPublishedAsSuch) {
  RelayStep::Options options;
  options.publishes = true;
  Replica a(log_, domain_, "a", options);
  Accept("s1");
  a.Settle(now_);
  ASSERT_THAT(a.published, SizeIs(1));
  Envelope erasure = OfCandidate("s1");
  erasure.mutable_erasure_requested();
  Append(std::move(erasure));
  a.Settle(now_ + absl::Seconds(2));
  ASSERT_THAT(a.published, SizeIs(2));
  EXPECT_EQ(a.published[1].candidate_key(), "candidate-of-s1");
  EXPECT_EQ(a.published[1].record(), "");
}

}  // namespace
}  // namespace assay::aggregator
