// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "services/aggregator/keys.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/testing/status_matchers.h"

namespace assay::aggregator {
namespace {

using assay::testing::StatusIs;
using event::v1::EvaluationFinished;
using event::v1::TimerFired;
using testing::ShardHarness;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using v1::Evaluation;
using v1::Submission;

// The evaluations that the cancels in the outbox name.
std::vector<std::string> CancelledIds(const ShardHarness& shard) {
  std::vector<std::string> ids;
  for (const store::Row& row : shard.Table(kOutboxTable)) {
    storage::v1::OutboxRow message;
    EXPECT_TRUE(message.ParseFromString(row.value));
    ids.insert(ids.end(), message.cancel().evaluation_ids().begin(), message.cancel().evaluation_ids().end());
  }
  return ids;
}

class ShardTest : public ::testing::Test {
 protected:
  void Cancel(const std::string& id) {
    event::v1::Envelope event = shard_.Event();
    event.mutable_cancel_requested()->set_submission_id(id);
    shard_.Feed(event);
  }
  void Withdraw(const std::string& id) {
    event::v1::Envelope event = shard_.Event();
    event.mutable_withdraw_requested()->set_submission_id(id);
    shard_.Feed(event);
  }
  // Runs an evaluator of a submission to that end.
  void Run(const std::string& id, const std::string& evaluator,
           EvaluationFinished::Outcome outcome = EvaluationFinished::SUCCEEDED, double value = 0.5) {
    const auto work = shard_.WorkOf(id, evaluator);
    ASSERT_TRUE(work.has_value()) << evaluator << " of " << id << " was not dispatched";
    shard_.Start(*work);
    shard_.Finish(*work, outcome, value);
  }

  ShardHarness shard_;
};

TEST_F(ShardTest, AnEvaluatorWaitsForTheOneItNeedsAndGetsItsResult) {
  shard_.Accept("s1", Submission::REPOSITORY);
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::QUEUED);
  EXPECT_THAT(shard_.AllWork(), SizeIs(1));
  Run("s1", "code_analysis");
  const auto work = shard_.WorkOf("s1", "load_test");
  ASSERT_TRUE(work.has_value());
  EXPECT_EQ(work->prior_results().at("code_analysis"), "result of code_analysis");
  EXPECT_EQ(work->plugin_digest(), "plugin of load_test");
  EXPECT_EQ(work->lane(), "slow");
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::RUNNING);
  Run("s1", "load_test");
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::COMPLETED);
  EXPECT_THAT(shard_.AllWork(), IsEmpty());
  EXPECT_FALSE(shard_.FireNextTimer()) << "a finished submission must leave no timer behind";
}

TEST_F(ShardTest, TheSameSubmissionTwiceCountsOnce) {
  shard_.Accept("s1", Submission::SCORECARD);
  shard_.Accept("s1", Submission::SCORECARD);
  EXPECT_EQ(shard_.Meta().counters().submissions(), 1u);
  EXPECT_EQ(shard_.Meta().counters().repeated_submissions(), 1u);
  EXPECT_THAT(shard_.AllWork(), SizeIs(1));
}

TEST_F(ShardTest, TheFirstResultOfAnEvaluationCountsAndLaterOnesDoNot) {
  shard_.Accept("s1", Submission::SCORECARD);
  const auto work = shard_.WorkOf("s1", "rubric");
  shard_.Start(*work);
  shard_.Finish(*work, EvaluationFinished::SUCCEEDED, 0.25);
  shard_.Finish(*work, EvaluationFinished::SUCCEEDED, 0.75);
  EXPECT_THAT(shard_.Counted(), ElementsAre("s1/rubric/criterion=0.25"));
  EXPECT_EQ(shard_.Meta().counters().late_results(), 1u);
  EXPECT_EQ(shard_.Meta().counters().results(), 1u);
}

TEST_F(ShardTest, AResultOfAnEarlierAttemptStillCounts) {
  shard_.Accept("s1", Submission::SCORECARD);
  const auto first = shard_.WorkOf("s1", "rubric");
  shard_.Start(*first);
  ASSERT_TRUE(shard_.FireNextTimer());  // the worker went silent
  ASSERT_TRUE(shard_.FireNextTimer());  // the back-off is over
  const auto second = shard_.WorkOf("s1", "rubric");
  ASSERT_EQ(second->attempt(), 2u);
  shard_.Finish(*first, EvaluationFinished::SUCCEEDED, 0.25);
  EXPECT_THAT(shard_.Counted(), ElementsAre("s1/rubric/criterion=0.25"));
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").state(), Evaluation::SUCCEEDED);
}

TEST_F(ShardTest, AResultWithoutTheCapabilityOfItsAttemptIsNotCounted) {
  shard_.Accept("s1", Submission::SCORECARD);
  event::v1::Work work = *shard_.WorkOf("s1", "rubric");
  shard_.Start(work);
  work.set_capability(std::string(32, 'x'));
  shard_.Finish(work, EvaluationFinished::SUCCEEDED);
  EXPECT_THAT(shard_.Counted(), IsEmpty());
  EXPECT_EQ(shard_.Meta().counters().forged_results(), 1u);
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").state(), Evaluation::RUNNING);
}

TEST_F(ShardTest, TheSameContentAgainTakesOverAPureResultAndDispatchesNothing) {
  shard_.Accept("s1", Submission::SCORECARD, "source", "candidate", "scorecard");
  shard_.FinishPure(*shard_.WorkOf("s1", "rubric"), 0.25);
  shard_.Accept("s2", Submission::SCORECARD, "source", "candidate", "scorecard");
  EXPECT_EQ(shard_.Submission("s2").state(), Submission::COMPLETED);
  EXPECT_EQ(shard_.Submission("s1").superseded_by(), "s2");
  EXPECT_EQ(shard_.Evaluation("s2", "rubric").result_digest(), "result of rubric: 0.25");
  EXPECT_THAT(shard_.Evaluation("s2", "rubric").reason(), HasSubstr(shard_.Evaluation("s1", "rubric").id()));
  EXPECT_THAT(shard_.AllWork(), IsEmpty());
  EXPECT_FALSE(shard_.FireNextTimer()) << "what was taken over must leave no timer behind";
  // From another source it is evidence of its own.
  shard_.Accept("s3", Submission::SCORECARD, "another source", "candidate", "scorecard");
  EXPECT_EQ(shard_.Submission("s3").state(), Submission::QUEUED);
}

TEST_F(ShardTest, WhatIsTakenOverCountsWhenTheEarlierSubmissionNoLongerSpeaks) {
  shard_.Accept("s1", Submission::SCORECARD, "source", "candidate", "scorecard");
  shard_.FinishPure(*shard_.WorkOf("s1", "rubric"), 0.25);
  shard_.Accept("s2", Submission::SCORECARD, "source", "candidate", "another");
  shard_.FinishPure(*shard_.WorkOf("s2", "rubric"), 0.75);
  ASSERT_THAT(shard_.Counted(), ElementsAre("s2/rubric/criterion=0.75"));
  shard_.Accept("s3", Submission::SCORECARD, "source", "candidate", "scorecard");
  EXPECT_THAT(shard_.Counted(), ElementsAre("s3/rubric/criterion=0.25"));
}

TEST_F(ShardTest, OnlyPureResultsOfTheSamePersonAreTakenOver) {
  shard_.Accept("s1", Submission::REPOSITORY, "source", "candidate", "repository");
  shard_.FinishPure(*shard_.WorkOf("s1", "code_analysis"), 0.25);
  Run("s1", "load_test");
  shard_.Accept("s2", Submission::REPOSITORY, "source", "candidate", "repository");
  EXPECT_EQ(shard_.Evaluation("s2", "code_analysis").state(), Evaluation::SUCCEEDED);
  const auto load = shard_.WorkOf("s2", "load_test");
  ASSERT_TRUE(load.has_value()) << "what was measured is measured again";
  EXPECT_EQ(load->prior_results().at("code_analysis"), "result of code_analysis: 0.25");
  shard_.Accept("s3", Submission::REPOSITORY, "source", "somebody else", "repository");
  EXPECT_TRUE(shard_.WorkOf("s3", "code_analysis").has_value());
}

TEST_F(ShardTest, ARerunOfATakenOverResultReallyRuns) {
  shard_.Accept("s1", Submission::SCORECARD, "source", "candidate", "scorecard");
  shard_.FinishPure(*shard_.WorkOf("s1", "rubric"));
  shard_.Accept("s2", Submission::SCORECARD, "source", "candidate", "scorecard");
  event::v1::Envelope rerun = shard_.Event();
  rerun.mutable_rerun_requested()->set_submission_id("s2");
  shard_.Feed(rerun);
  EXPECT_TRUE(shard_.WorkOf("s2", "rubric").has_value());
}

TEST_F(ShardTest, NothingErasedIsTakenOver) {
  shard_.Accept("s1", Submission::SCORECARD, "source", "candidate", "scorecard");
  shard_.FinishPure(*shard_.WorkOf("s1", "rubric"));
  event::v1::Envelope erasure = shard_.Event();
  erasure.mutable_erasure_requested();
  shard_.Feed(erasure);
  shard_.Accept("s2", Submission::SCORECARD, "source", "candidate", "scorecard");
  EXPECT_TRUE(shard_.WorkOf("s2", "rubric").has_value());
}

TEST_F(ShardTest, AnUnfitSubmissionFailsItsEvaluationAndWhatNeedsItIsSkipped) {
  shard_.Accept("s1", Submission::REPOSITORY);
  Run("s1", "code_analysis", EvaluationFinished::SUBMISSION_FAULT);
  EXPECT_EQ(shard_.Evaluation("s1", "code_analysis").state(), Evaluation::FAILED);
  EXPECT_EQ(shard_.Evaluation("s1", "code_analysis").fault_domain(), Evaluation::SUBMISSION);
  EXPECT_EQ(shard_.Evaluation("s1", "load_test").state(), Evaluation::SKIPPED);
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::FAILED);
  EXPECT_THAT(shard_.Counted(), IsEmpty());
}

TEST_F(ShardTest, APluginThatCrashesTwiceIsParkedAndItsReleaseGoesOnWithAllThatWaited) {
  shard_.Accept("s1", Submission::REPOSITORY);
  Run("s1", "code_analysis", EvaluationFinished::PLUGIN_CRASHED);
  EXPECT_EQ(shard_.Evaluation("s1", "code_analysis").state(), Evaluation::DISPATCHED);
  Run("s1", "code_analysis", EvaluationFinished::PLUGIN_CRASHED);
  EXPECT_EQ(shard_.Evaluation("s1", "code_analysis").state(), Evaluation::PARKED);
  EXPECT_EQ(shard_.Evaluation("s1", "code_analysis").fault_domain(), Evaluation::PLUGIN);
  EXPECT_EQ(shard_.Evaluation("s1", "load_test").state(), Evaluation::PARKED);
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::COMPLETED_PARTIAL);
  EXPECT_THAT(shard_.Counted(), IsEmpty());

  event::v1::Envelope release = shard_.Event();
  release.mutable_evaluation_released()->set_submission_id("s1");
  release.mutable_evaluation_released()->set_evaluation_id(shard_.Evaluation("s1", "code_analysis").id());
  release.mutable_evaluation_released()->set_plugin_digest("a new plugin");
  shard_.Feed(release);
  EXPECT_EQ(shard_.WorkOf("s1", "code_analysis")->plugin_digest(), "a new plugin");
  Run("s1", "code_analysis");
  Run("s1", "load_test");
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::COMPLETED);
}

TEST_F(ShardTest, AnInvalidResultParksAtOnce) {
  shard_.Accept("s1", Submission::SCORECARD);
  Run("s1", "rubric", EvaluationFinished::PLUGIN_INVALID_RESULT);
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").state(), Evaluation::PARKED);
}

TEST_F(ShardTest, AValueThatIsNoNumberNeverBecomesAScore) {
  shard_.Accept("s1", Submission::SCORECARD);
  Run("s1", "rubric", EvaluationFinished::SUCCEEDED, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").state(), Evaluation::PARKED);
  EXPECT_THAT(shard_.Counted(), IsEmpty());
}

TEST_F(ShardTest, ThePlatformsFaultConsumesNoAttemptAndEndsAfterAnHour) {
  shard_.Accept("s1", Submission::SCORECARD);
  int tries = 0;
  while (shard_.Evaluation("s1", "rubric").state() != Evaluation::PARKED) {
    ASSERT_LT(++tries, 200);
    if (shard_.WorkOf("s1", "rubric")) {
      Run("s1", "rubric", EvaluationFinished::PLATFORM_FAULT);
    } else {
      ASSERT_TRUE(shard_.FireNextTimer());
    }
  }
  const auto row = shard_.Evaluation("s1", "rubric");
  EXPECT_EQ(row.attempts_consumed(), 0u);
  EXPECT_EQ(row.fault_domain(), Evaluation::PLATFORM);
  EXPECT_GT(row.platform_faults(), 10u);
}

TEST_F(ShardTest, AHeartbeatKeepsAnAttemptAliveAndSilenceEndsIt) {
  shard_.Accept("s1", Submission::SCORECARD);
  const auto work = shard_.WorkOf("s1", "rubric");
  shard_.Start(*work);
  const std::string before = shard_.Evaluation("s1", "rubric").heartbeat_timer();
  shard_.Advance(absl::Seconds(30));
  event::v1::Envelope progress = shard_.Event();
  progress.mutable_attempt_progress()->set_submission_id("s1");
  progress.mutable_attempt_progress()->set_evaluation_id(work->evaluation_id());
  progress.mutable_attempt_progress()->set_attempt(1);
  progress.mutable_attempt_progress()->set_phase("reading");
  progress.mutable_attempt_progress()->set_capability(work->capability());
  shard_.Feed(progress);
  EXPECT_GT(TimerDue(shard_.Evaluation("s1", "rubric").heartbeat_timer()), TimerDue(before));
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").phase(), "reading");

  // A firing found due before the heartbeat came changes nothing.
  event::v1::Envelope early = shard_.Event();
  early.mutable_timer_fired()->set_kind(TimerFired::HEARTBEAT);
  early.mutable_timer_fired()->set_submission_id("s1");
  early.mutable_timer_fired()->set_evaluation_id(work->evaluation_id());
  early.mutable_timer_fired()->set_attempt(1);
  shard_.FeedOwn(early);
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").state(), Evaluation::RUNNING);

  ASSERT_TRUE(shard_.FireNextTimer());
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").state(), Evaluation::PENDING);
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").attempts_consumed(), 0u);
  ASSERT_TRUE(shard_.FireNextTimer());
  EXPECT_EQ(shard_.WorkOf("s1", "rubric")->attempt(), 2u);
}

TEST_F(ShardTest, ALaterSubmissionOfTheSameSourceSpeaksAndAWithdrawalGivesTheWordBack) {
  shard_.Accept("s1", Submission::SCORECARD, "rater-1");
  Run("s1", "rubric", EvaluationFinished::SUCCEEDED, 0.25);
  shard_.Accept("s2", Submission::SCORECARD, "rater-1");
  shard_.Accept("s3", Submission::SCORECARD, "rater-2");
  Run("s2", "rubric", EvaluationFinished::SUCCEEDED, 0.5);
  Run("s3", "rubric", EvaluationFinished::SUCCEEDED, 0.75);
  EXPECT_THAT(shard_.Counted(), ElementsAre("s2/rubric/criterion=0.5", "s3/rubric/criterion=0.75"));
  EXPECT_EQ(shard_.Submission("s1").superseded_by(), "s2");
  Withdraw("s2");
  EXPECT_THAT(shard_.Counted(), ElementsAre("s1/rubric/criterion=0.25", "s3/rubric/criterion=0.75"));
  EXPECT_EQ(shard_.Submission("s1").superseded_by(), "");
  EXPECT_TRUE(shard_.Submission("s2").withdrawn());
}

TEST_F(ShardTest, CancellingEndsWhatRunsTellsTheWorkerAndKeepsWhatHasEnded) {
  shard_.Accept("s1", Submission::REPOSITORY);
  Run("s1", "code_analysis");
  shard_.Start(*shard_.WorkOf("s1", "load_test"));
  Cancel("s1");
  EXPECT_EQ(shard_.Evaluation("s1", "load_test").state(), Evaluation::CANCELLED);
  EXPECT_EQ(shard_.Evaluation("s1", "code_analysis").state(), Evaluation::SUCCEEDED);
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::COMPLETED_PARTIAL);
  EXPECT_THAT(shard_.Counted(), SizeIs(1));
  EXPECT_THAT(CancelledIds(shard_), ElementsAre(shard_.Evaluation("s1", "load_test").id()));
  Cancel("s1");
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::COMPLETED_PARTIAL);
}

TEST_F(ShardTest, ACancelNamesNothingOfTheRerunThatFollowsIt) {
  shard_.Accept("s1", Submission::SCORECARD);
  shard_.Start(*shard_.WorkOf("s1", "rubric"));
  const std::string cancelled = shard_.Evaluation("s1", "rubric").id();
  Cancel("s1");
  event::v1::Envelope rerun = shard_.Event();
  rerun.mutable_rerun_requested()->set_submission_id("s1");
  shard_.Feed(rerun);
  EXPECT_THAT(CancelledIds(shard_), ElementsAre(cancelled));
  EXPECT_NE(shard_.WorkOf("s1", "rubric")->evaluation_id(), cancelled);
  Run("s1", "rubric", EvaluationFinished::SUCCEEDED, 0.25);
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::COMPLETED);
}

TEST_F(ShardTest, ACancelThatIsSentAgainLateEndsNothingOfTheRerun) {
  shard_.Accept("s1", Submission::SCORECARD);
  event::v1::Envelope cancel = shard_.Event();
  cancel.mutable_cancel_requested()->set_submission_id("s1");
  shard_.Feed(cancel);
  event::v1::Envelope rerun = shard_.Event();
  rerun.mutable_rerun_requested()->set_submission_id("s1");
  shard_.Feed(rerun);
  shard_.Feed(cancel);
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::QUEUED);
}

TEST_F(ShardTest, OneRequestMakesOneAssessment) {
  event::v1::Envelope create = shard_.Event();
  create.mutable_assessment_created()->set_framework_digest(testing::kFrameworkDigest);
  shard_.Feed(create);
  create.set_assessment_key("another-key");
  shard_.Feed(create);
  EXPECT_THAT(shard_.Table(kAssessmentTable), SizeIs(1));
}

TEST_F(ShardTest, CancellingTellsAWorkerThatWasGivenUpToo) {
  shard_.Accept("s1", Submission::SCORECARD);
  shard_.Start(*shard_.WorkOf("s1", "rubric"));
  ASSERT_TRUE(shard_.FireNextTimer());  // the worker went silent
  ASSERT_EQ(shard_.Evaluation("s1", "rubric").state(), Evaluation::PENDING);
  Cancel("s1");
  EXPECT_THAT(CancelledIds(shard_), ElementsAre(shard_.Evaluation("s1", "rubric").id()));
}

TEST(ShardOfVersionOne, ACancelIsAppliedByTheRulesOfItsTime) {
  ShardHarness shard(1);
  shard.Accept("s1", Submission::SCORECARD);
  shard.Start(*shard.WorkOf("s1", "rubric"));
  event::v1::Envelope cancel = shard.Event();
  cancel.mutable_cancel_requested()->set_submission_id("s1");
  shard.Feed(cancel);
  EXPECT_THAT(shard.Table(kOutboxTable), SizeIs(1));
  EXPECT_THAT(CancelledIds(shard), IsEmpty());
}

TEST_F(ShardTest, ARerunMakesANewEvaluationAndTheOldResultCountsUntilTheNewOneIsThere) {
  shard_.Accept("s1", Submission::SCORECARD);
  Run("s1", "rubric", EvaluationFinished::SUCCEEDED, 0.25);
  event::v1::Envelope rerun = shard_.Event();
  rerun.mutable_rerun_requested()->set_submission_id("s1");
  (*rerun.mutable_rerun_requested()->mutable_plugins())["rubric"] = "a newer rubric";
  shard_.Feed(rerun);
  shard_.Feed(rerun);  // the client sent it again
  EXPECT_EQ(shard_.Submission("s1").evaluation_ids_size(), 2);
  EXPECT_THAT(shard_.Counted(), ElementsAre("s1/rubric/criterion=0.25"));
  EXPECT_EQ(shard_.WorkOf("s1", "rubric")->plugin_digest(), "a newer rubric");
  Run("s1", "rubric", EvaluationFinished::SUCCEEDED, 0.75);
  EXPECT_THAT(shard_.Counted(), ElementsAre("s1/rubric/criterion=0.75"));
}

TEST_F(ShardTest, ErasingACandidateLeavesNothingPersonalAndNothingThatCounts) {
  shard_.Accept("s1", Submission::REPOSITORY);
  shard_.Start(*shard_.WorkOf("s1", "code_analysis"));
  shard_.Accept("other", Submission::SCORECARD, "source", "candidate-2");
  event::v1::Envelope erase = shard_.Event();
  erase.mutable_erasure_requested();
  shard_.Feed(erase);
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::ERASED);
  EXPECT_THAT(shard_.Counted(), IsEmpty());
  EXPECT_EQ(shard_.Submission("other", "candidate-2").state(), Submission::QUEUED);
  for (const store::Table& table : ShardTables()) {
    for (const store::Row& row : shard_.Table(table)) {
      if (row.key.find("candidate-2") != std::string::npos) continue;
      EXPECT_THAT(row.value, Not(HasSubstr(testing::kPersonalName))) << table << " " << row.key;
    }
  }
  // A new life under the same name starts from nothing.
  shard_.Accept("s2", Submission::SCORECARD);
  Run("s2", "rubric", EvaluationFinished::SUCCEEDED, 0.5);
  EXPECT_THAT(shard_.Counted(), ElementsAre("s2/rubric/criterion=0.5"));
}

TEST_F(ShardTest, AnEvaluatorThatIsNotInstalledIsParkedForEverybodyToSee) {
  event::v1::Envelope event = shard_.Event();
  event::v1::SubmissionAccepted& accepted = *event.mutable_submission_accepted();
  accepted.set_submission_id("s1");
  accepted.set_kind(Submission::SCORECARD);
  accepted.set_framework_digest(testing::kFrameworkDigest);
  shard_.Feed(event);
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").state(), Evaluation::PARKED);
  EXPECT_EQ(shard_.Evaluation("s1", "rubric").fault_domain(), Evaluation::PLATFORM);
  EXPECT_THAT(shard_.Evaluation("s1", "rubric").reason(), HasSubstr("no plugin"));
}

TEST_F(ShardTest, AnUnknownFrameworkStopsTheShardAndChangesNothing) {
  event::v1::Envelope event = shard_.Event();
  event.mutable_submission_accepted()->set_submission_id("s1");
  event.mutable_submission_accepted()->set_framework_digest("sha256:nobody");
  log::Record record;
  record.value = event.SerializeAsString();
  EXPECT_THAT(ApplyGroup(shard_.context(), shard_.rows(), absl::MakeConstSpan(&record, 1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not published")));
}

TEST_F(ShardTest, ANewerStateVersionIsRefused) {
  event::v1::Envelope event = shard_.Event();
  event.mutable_state_version()->set_version(kStateVersion + 1);
  log::Record record;
  record.value = event.SerializeAsString();
  EXPECT_THAT(ApplyGroup(shard_.context(), shard_.rows(), absl::MakeConstSpan(&record, 1)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(ShardTest, OfTwoClaimsTheFirstWinsAndTheOthersTimersAreVoid) {
  event::v1::Envelope claim = shard_.Event();
  claim.mutable_ownership_claimed()->set_expects_epoch(0);
  claim.mutable_ownership_claimed()->set_instance("a");
  shard_.Feed(claim);
  const uint64_t epoch = shard_.Meta().epoch();
  EXPECT_GT(epoch, 0u);
  claim.mutable_ownership_claimed()->set_instance("b");
  shard_.Feed(claim);
  EXPECT_EQ(shard_.Meta().epoch(), epoch);
  event::v1::Envelope timer = shard_.Event();
  timer.mutable_timer_fired()->set_submission_id("s1");
  timer.set_writer_epoch(0);
  shard_.Feed(timer);
  EXPECT_EQ(shard_.Meta().counters().void_events(), 1u);
}

TEST_F(ShardTest, BytesThatAreNoEventAreCountedAndPassedOver) {
  log::Record record;
  record.value = "\xff\xff\xff garbage";
  EXPECT_THAT(ApplyGroup(shard_.context(), shard_.rows(), absl::MakeConstSpan(&record, 1)), assay::testing::IsOk());
}

}  // namespace
}  // namespace assay::aggregator
