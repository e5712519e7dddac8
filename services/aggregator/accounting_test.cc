// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/accounting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/queue_position.h"
#include "services/aggregator/quotas.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/testing/status_matchers.h"

namespace assay::aggregator {
namespace {

using assay::testing::StatusIs;
using event::v1::EvaluationFinished;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kTenant;
using testing::ShardHarness;
using ::testing::SizeIs;
using v1::Submission;

std::string Words(const storage::v1::Accounting& accounting) {
  return absl::StrCat(accounting.accepted(), "=", accounting.published(), "+", accounting.failed(), "+",
                      accounting.in_flight());
}

class AccountingTest : public ::testing::Test {
 protected:
  // Both accounts, which are the same while there is one tenant: accepted=published+failed+in_flight.
  std::string Account() {
    EXPECT_EQ(Words(shard_.Tenant().accounting()), Words(shard_.Meta().accounting()));
    return Words(shard_.Tenant().accounting());
  }
  void SetQuota(uint64_t in_flight, uint64_t per_day) {
    event::v1::Envelope event = shard_.Event("");
    event.mutable_quota_changed()->set_submissions_in_flight(in_flight);
    event.mutable_quota_changed()->set_submissions_per_day(per_day);
    shard_.FeedOwn(event);
  }
  void Cancel(const std::string& id) {
    event::v1::Envelope event = shard_.Event();
    event.mutable_cancel_requested()->set_submission_id(id);
    shard_.Feed(event);
  }
  void Rerun(const std::string& id) {
    event::v1::Envelope event = shard_.Event();
    event.mutable_rerun_requested()->set_submission_id(id);
    shard_.Feed(event);
  }
  void Complete(const std::string& id) { shard_.Finish(*shard_.WorkOf(id, "rubric"), EvaluationFinished::SUCCEEDED); }

  ShardHarness shard_;
};

TEST_F(AccountingTest, ASubmissionIsInFlightUntilItIsPublishedOrVisiblyFailed) {
  shard_.Accept("s1", Submission::SCORECARD, "a");
  EXPECT_EQ(Account(), "1=0+0+1");
  shard_.Start(*shard_.WorkOf("s1", "rubric"));
  EXPECT_EQ(Account(), "1=0+0+1");
  Complete("s1");
  EXPECT_EQ(Account(), "1=1+0+0");
  shard_.Accept("s2", Submission::SCORECARD, "b");
  shard_.Finish(*shard_.WorkOf("s2", "rubric"), EvaluationFinished::SUBMISSION_FAULT);
  EXPECT_EQ(Account(), "2=1+1+0");
  shard_.Accept("s3", Submission::SCORECARD, "c");
  Cancel("s3");
  EXPECT_EQ(Account(), "3=1+2+0");
  shard_.Accept("s3", Submission::SCORECARD, "c");
  EXPECT_EQ(Account(), "3=1+2+0") << "the same submission again is not another one";
}

TEST_F(AccountingTest, ARerunIsInFlightAgainAndAnErasureEndsAsAFailure) {
  shard_.Accept("s1", Submission::SCORECARD);
  Complete("s1");
  Rerun("s1");
  EXPECT_EQ(Account(), "1=0+0+1");
  event::v1::Envelope erase = shard_.Event();
  erase.mutable_erasure_requested();
  shard_.Feed(erase);
  EXPECT_EQ(Account(), "1=0+1+0");
}

TEST_F(AccountingTest, APartlyParkedSubmissionIsPublished) {
  shard_.Accept("s1", Submission::REPOSITORY);
  shard_.Finish(*shard_.WorkOf("s1", "code_analysis"), EvaluationFinished::SUCCEEDED);
  shard_.Finish(*shard_.WorkOf("s1", "load_test"), EvaluationFinished::PLUGIN_INVALID_RESULT);
  EXPECT_EQ(Account(), "1=1+0+0");
}

TEST_F(AccountingTest, OverTheQuotaASubmissionIsVisibleAndNeverEvaluated) {
  SetQuota(1, 0);
  shard_.Accept("s1", Submission::SCORECARD, "a");
  shard_.Accept("s2", Submission::SCORECARD, "a");
  const storage::v1::SubmissionRow refused = shard_.Submission("s2");
  EXPECT_EQ(refused.state(), Submission::REJECTED_QUOTA);
  EXPECT_THAT(refused.reason(), HasSubstr("1 submissions of this tenant are in flight in the shard, 1 are allowed"));
  EXPECT_THAT(refused.evaluation_ids(), IsEmpty());
  EXPECT_TRUE(shard_.Submission("s1").superseded_by().empty()) << "what was refused speaks for nobody";
  EXPECT_EQ(Account(), "2=0+1+1");
  EXPECT_EQ(shard_.Tenant().refused(), 1u);
  Rerun("s2");
  EXPECT_EQ(shard_.Submission("s2").state(), Submission::REJECTED_QUOTA);
  EXPECT_THAT(shard_.AllWork(), SizeIs(1));
}

TEST_F(AccountingTest, ACancelBeforeTheStartGivesThePlaceBack) {
  SetQuota(1, 0);
  shard_.Accept("s1", Submission::SCORECARD, "a");
  Cancel("s1");
  shard_.Accept("s2", Submission::SCORECARD, "a");
  EXPECT_EQ(shard_.Submission("s2").state(), Submission::QUEUED);
  EXPECT_EQ(Account(), "2=0+1+1");
}

TEST_F(AccountingTest, ARerunCannotGoRoundTheQuota) {
  SetQuota(1, 0);
  shard_.Accept("s1", Submission::SCORECARD, "a");
  Cancel("s1");
  shard_.Accept("s2", Submission::SCORECARD, "a");
  Rerun("s1");
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::CANCELLED);
  EXPECT_EQ(shard_.Tenant().refused(), 1u);
  Complete("s2");
  Rerun("s1");
  EXPECT_EQ(shard_.Submission("s1").state(), Submission::QUEUED);
}

TEST_F(AccountingTest, ADaysQuotaBeginsAnewWithTheDayAndRefusalsDoNotCount) {
  SetQuota(0, 2);
  for (const char* id : {"s1", "s2", "s3"}) {
    shard_.Accept(id, Submission::SCORECARD, id);
    if (shard_.Submission(id).state() == Submission::QUEUED) Complete(id);
  }
  EXPECT_EQ(shard_.Submission("s3").state(), Submission::REJECTED_QUOTA);
  EXPECT_EQ(shard_.Tenant().accepted_on_day(), 2u);
  shard_.Advance(absl::Hours(24));
  shard_.Accept("s4", Submission::SCORECARD, "d");
  EXPECT_EQ(shard_.Submission("s4").state(), Submission::QUEUED);
  EXPECT_EQ(Account(), "4=2+1+1");
}

TEST_F(AccountingTest, AQuotaOfAnOwnerThatIsNoMoreIsVoid) {
  event::v1::Envelope claim = shard_.Event();
  claim.mutable_ownership_claimed()->set_expects_epoch(0);
  shard_.Feed(claim);
  event::v1::Envelope quota = shard_.Event("");
  quota.mutable_quota_changed()->set_submissions_in_flight(1);
  shard_.Feed(quota);
  EXPECT_EQ(shard_.Tenant().quota().submissions_in_flight(), 0u);
  EXPECT_EQ(shard_.Meta().counters().void_events(), 1u);
}

TEST_F(AccountingTest, TheOwnerJournalsOnlyTheQuotasThatDiffer) {
  google::protobuf::RepeatedPtrField<config::v1::Quota> configured;
  config::v1::Quota& entry = *configured.Add();
  entry.set_tenant(kTenant);
  entry.set_submissions_in_flight(3);
  const Quotas wanted = *QuotasOf(configured);
  std::vector<event::v1::Envelope> missing = *MissingQuotas(wanted, shard_.rows());
  ASSERT_THAT(missing, SizeIs(1));
  EXPECT_EQ(missing[0].tenant(), kTenant);
  shard_.FeedOwn(missing[0]);
  EXPECT_EQ(shard_.Tenant().quota().submissions_in_flight(), 3u);
  EXPECT_THAT(*MissingQuotas(wanted, shard_.rows()), IsEmpty());
  missing = *MissingQuotas({}, shard_.rows());
  ASSERT_THAT(missing, SizeIs(1)) << "a tenant no longer named loses its limits";
  shard_.FeedOwn(missing[0]);
  EXPECT_EQ(shard_.Tenant().quota().submissions_in_flight(), 0u);
  EXPECT_THAT(*MissingQuotas({}, shard_.rows()), IsEmpty());
  *configured.Add() = entry;
  EXPECT_THAT(QuotasOf(configured).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("quotas[1].tenant: \"acme\" is named twice")));
  configured[1].set_tenant("a/b");
  EXPECT_THAT(QuotasOf(configured).status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("quotas[1]")));
}

TEST_F(AccountingTest, ARequestIsForgottenAfterThirtyDaysAndItsSubmissionNotMadeAgain) {
  for (int i = 0; i < 16; ++i) shard_.Accept(absl::StrCat("old", i), Submission::SCORECARD, absl::StrCat(i));
  Rerun("old0");
  const size_t before = shard_.Table(kRequestTable).size();
  shard_.Advance(kRequestLife);
  for (int i = 0; i < 16; ++i) shard_.Accept(absl::StrCat("new", i), Submission::SCORECARD, absl::StrCat(i, "new"));
  EXPECT_EQ(shard_.Table(kRequestTable).size(), before) << "16 came, 16 went; the rerun's stays";
  const std::string state = Words(shard_.Meta().accounting());
  shard_.Accept("old3", Submission::SCORECARD, "3");
  EXPECT_EQ(Words(shard_.Meta().accounting()), state);
  EXPECT_EQ(shard_.Meta().counters().repeated_submissions(), 1u);
}

TEST(AccountingCost, IsOneRowWhereASubmissionIsAcceptedAndOneWhereItEnds) {
  ShardHarness before(1), after(2);
  std::vector<size_t> rows;
  for (ShardHarness* shard : {&before, &after}) {
    shard->Accept("s1", Submission::SCORECARD);
    rows.push_back(shard->changed_rows());
    const event::v1::Work work = *shard->WorkOf("s1", "rubric");
    shard->Start(work);
    rows.push_back(shard->changed_rows());
    shard->Finish(work, EvaluationFinished::SUCCEEDED);
    rows.push_back(shard->changed_rows());
  }
  EXPECT_EQ(rows[3], rows[0] + 1);
  EXPECT_EQ(rows[4], rows[1]);
  EXPECT_EQ(rows[5], rows[2] + 1);
}

class QueuePositionTest : public AccountingTest {
 protected:
  v1::Submission View(const std::string& id) {
    v1::Submission view;
    const absl::Status added = AddQueuePosition(shard_.rows(), shard_.Submission(id), view);
    EXPECT_TRUE(added.ok()) << added;
    return view;
  }
};

TEST_F(QueuePositionTest, CountsWhatIsBeforeItInTheLaneAndNotWhatRuns) {
  for (const char* id : {"s1", "s2", "s3"}) shard_.Accept(id, Submission::SCORECARD, id);
  EXPECT_EQ(View("s1").queue_position(), 1u);
  EXPECT_EQ(View("s3").queue_position(), 3u);
  EXPECT_FALSE(View("s3").has_expected_wait()) << "nothing ended yet";
  shard_.Start(*shard_.WorkOf("s1", "rubric"));
  EXPECT_EQ(View("s3").queue_position(), 2u);
  EXPECT_EQ(View("s1").queue_position(), 0u) << "what runs does not wait";
}

TEST_F(QueuePositionTest, AnotherTenantsQueueDelaysByItsTurnsAlone) {
  shard_.SetTenant("greedy");
  for (int i = 0; i < 20; ++i) shard_.Accept(absl::StrCat("g", i), Submission::SCORECARD, absl::StrCat(i));
  shard_.SetTenant(kTenant);
  shard_.Accept("s1", Submission::SCORECARD, "a");
  shard_.Accept("s2", Submission::SCORECARD, "b");
  EXPECT_EQ(View("s1").queue_position(), 2u);
  EXPECT_EQ(View("s2").queue_position(), 4u);
}

TEST_F(QueuePositionTest, TheWaitIsWhatTheLaneTookLatelyForAsMany) {
  for (int i = 0; i < 12; ++i) shard_.Accept(absl::StrCat("s", i), Submission::SCORECARD, absl::StrCat(i));
  for (int i = 0; i < 8; ++i) {
    const auto work = shard_.WorkOf(absl::StrCat("s", i), "rubric");
    shard_.Start(*work);
    shard_.Finish(*work, EvaluationFinished::SUCCEEDED);
  }
  // Each took two events of a second.
  EXPECT_EQ(View("s11").queue_position(), 4u);
  EXPECT_EQ(View("s11").expected_wait().seconds(), 8);
}

TEST_F(QueuePositionTest, TheRowsOfThousandsThatWaitAreNotRead) {
  for (int i = 0; i < 1500; ++i) shard_.Accept(absl::StrCat("s", i), Submission::SCORECARD, absl::StrCat(i));
  EXPECT_EQ(View("s1499").queue_position(), 1500u);
}

}  // namespace
}  // namespace assay::aggregator
