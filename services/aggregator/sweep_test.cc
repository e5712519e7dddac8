// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/aggregator/keys.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/testing/status_matchers.h"

namespace assay::aggregator {
namespace {

using event::v1::EvaluationFinished;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kTenant;
using testing::ShardHarness;
using v1::Submission;

// A repository whose code is analysed and whose load test runs, and a scorecard that waits.
class SweepTest : public ::testing::Test {
 protected:
  SweepTest() {
    shard_.Accept("s1", Submission::REPOSITORY);
    shard_.Finish(*shard_.WorkOf("s1", "code_analysis"), EvaluationFinished::SUCCEEDED);
    shard_.Start(*shard_.WorkOf("s1", "load_test"));
    shard_.Accept("s2", Submission::SCORECARD, "rater");
  }
  SweepReport Run() {
    Sweep sweep(shard_.rows());
    for (bool done = false; !done;) {
      const auto step = sweep.Step(1);
      EXPECT_TRUE(step.ok()) << step.status();
      done = !step.ok() || *step;
    }
    return sweep.report();
  }
  void Remove(absl::string_view table, const std::string& key) {
    ASSERT_TRUE(shard_.rows().Get(table, key)->has_value()) << table << " has no " << key;
    store::Batch batch;
    batch.Delete(table, key);
    ASSERT_TRUE(shard_.store().Write(batch, true).ok());
  }
  void Put(absl::string_view table, const std::string& key, const google::protobuf::MessageLite& row) {
    store::Batch batch;
    batch.Put(table, key, SerializeRow(row));
    ASSERT_TRUE(shard_.store().Write(batch, true).ok());
  }
  std::string EvaluationKey(const std::string& submission, const std::string& evaluator) {
    return Key(kTenant, "candidate", submission, shard_.Evaluation(submission, evaluator).id());
  }

  ShardHarness shard_;
};

TEST_F(SweepTest, FindsNothingInAShardThatIsWhole) {
  const SweepReport report = Run();
  EXPECT_THAT(report.first_findings, IsEmpty());
  EXPECT_EQ(report.accounting.accepted(), 2u);
  EXPECT_EQ(report.accounting.in_flight(), 2u);
  EXPECT_EQ(report.applied_offset, shard_.Meta().applied_offset());
}

TEST_F(SweepTest, FindsWorkThatNoWorkerWillGet) {
  Remove(kOutboxTable, WorkKey("fast", kTenant, shard_.Evaluation("s2", "rubric").outbox_sequence()));
  EXPECT_THAT(Run().first_findings, ElementsAre(HasSubstr("lacks its work in the outbox")));
}

TEST_F(SweepTest, FindsAttemptsWithoutTheTimersThatEndThem) {
  Remove(kTimerTable, shard_.Evaluation("s2", "rubric").pickup_timer());
  Remove(kTimerTable, shard_.Evaluation("s1", "load_test").heartbeat_timer());
  Remove(kTimerTable, shard_.Evaluation("s1", "load_test").deadline_timer());
  EXPECT_THAT(Run().first_findings,
              ElementsAre(HasSubstr("lacks its HEARTBEAT timer"), HasSubstr("lacks its DEADLINE timer"),
                          HasSubstr("lacks its PICKUP timer")));
}

TEST_F(SweepTest, FindsWhatIsPendingThoughNothingHoldsItBack) {
  storage::v1::EvaluationRow row = shard_.Evaluation("s2", "rubric");
  const std::string timer = row.pickup_timer();
  row.set_state(v1::Evaluation::PENDING);
  Put(kEvaluationTable, EvaluationKey("s2", "rubric"), row);
  const SweepReport report = Run();
  EXPECT_THAT(report.first_findings, ::testing::Contains(HasSubstr("is PENDING and nothing will dispatch it")));
}

TEST_F(SweepTest, FindsARetryWhoseTimerIsGone) {
  shard_.Finish(*shard_.WorkOf("s2", "rubric"), EvaluationFinished::TRANSIENT);
  ASSERT_THAT(Run().first_findings, IsEmpty());
  Remove(kTimerTable, shard_.Evaluation("s2", "rubric").retry_timer());
  EXPECT_THAT(Run().first_findings, ElementsAre(HasSubstr("lacks the timer it waits for")));
}

TEST_F(SweepTest, FindsTimersAndWorkOfNoEvaluation) {
  storage::v1::TimerRow timer;
  timer.set_tenant(kTenant);
  timer.set_candidate_key("candidate");
  timer.mutable_timer()->set_submission_id("s2");
  timer.mutable_timer()->set_evaluation_id("gone");
  Put(kTimerTable, "0000000000000001/gone/1", timer);
  storage::v1::OutboxRow work;
  work.mutable_work()->set_tenant(kTenant);
  work.mutable_work()->set_candidate_key("candidate");
  work.mutable_work()->set_submission_id("s2");
  work.mutable_work()->set_evaluation_id("gone");
  Put(kOutboxTable, WorkKey("fast", kTenant, 99), work);
  EXPECT_THAT(Run().first_findings,
              ElementsAre(HasSubstr("belongs to no evaluation"), HasSubstr("is work of no evaluation")));
}

TEST_F(SweepTest, FindsASubmissionWithoutItsEvaluation) {
  Remove(kEvaluationTable, EvaluationKey("s2", "rubric"));
  const SweepReport report = Run();
  EXPECT_THAT(report.first_findings.front(), HasSubstr("is missing"));
  EXPECT_GT(report.findings, 1u) << "its timer and its work are nobody's, and the account is wrong";
}

TEST_F(SweepTest, FindsAnAccountThatIsNotWhatTheSubmissionsAddUpTo) {
  storage::v1::TenantRow row = shard_.Tenant();
  row.mutable_accounting()->set_published(1);
  Put(kTenantTable, kTenant, row);
  EXPECT_THAT(Run().first_findings, ElementsAre(HasSubstr("tenant acme: the account says 2 accepted, 1 published")));
}

TEST_F(SweepTest, FindsASubmissionThatIsGone) {
  Remove(kSubmissionTable, Key(kTenant, "candidate", "s2"));
  EXPECT_THAT(Run().first_findings, ::testing::Contains(HasSubstr("the account of the shard says 2 accepted")));
}

TEST(SweepOfVersionOne, HasNothingToCompare) {
  ShardHarness shard(1);
  shard.Accept("s1", Submission::SCORECARD);
  Sweep sweep(shard.rows());
  EXPECT_TRUE(*sweep.Step(100));
  EXPECT_EQ(sweep.report().findings, 0u);
}

}  // namespace
}  // namespace assay::aggregator
