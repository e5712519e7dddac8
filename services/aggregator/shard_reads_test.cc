// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/shard_reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/blob/testing/fake_blob_store.h"
#include "services/common/store/testing/fake_store.h"

namespace assay::aggregator {
namespace {

using assay::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::ShardHarness;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using v1::Submission;

class ShardReadsTest : public ::testing::Test {
 protected:
  // A document without evaluators, so that many are quickly there.
  void Accept(const std::string& id, Submission::Kind kind = Submission::OUTCOME,
              const std::string& candidate = "candidate") {
    shard_.Accept(id, kind, id, candidate);
  }
  shard::v1::ListSubmissionsRequest Request(uint32_t limit, const std::string& candidate = "candidate") {
    shard::v1::ListSubmissionsRequest request;
    request.mutable_scope()->set_tenant("acme");
    request.mutable_scope()->set_candidate_key(candidate);
    request.set_limit(limit);
    return request;
  }

  ShardHarness shard_;
  testing::FakeDomain domain_;
  blob::FakeBlobStore blobs_;
  ShardReads reads_{0, shard_.rows(), blobs_, domain_};
};

TEST_F(ShardReadsTest, APageOfTheLargestSizeSaysThatThereIsMore) {
  for (int i = 0; i < 501; ++i) Accept(absl::StrCat("s", i));
  shard::v1::ListSubmissionsRequest request = Request(501);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto first, reads_.ListSubmissions(request));
  EXPECT_THAT(first.entries(), SizeIs(500));
  ASSERT_TRUE(first.more());
  *request.mutable_after() = first.next();
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto second, reads_.ListSubmissions(request));
  ASSERT_THAT(second.entries(), SizeIs(1));
  EXPECT_EQ(second.entries(0).submission().id(), "s0");
  EXPECT_FALSE(second.more());
}

TEST_F(ShardReadsTest, APageThatEndsWithTheListSaysSo) {
  for (int i = 0; i < 10; ++i) Accept(absl::StrCat("s", i));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto page, reads_.ListSubmissions(Request(10)));
  EXPECT_THAT(page.entries(), SizeIs(10));
  EXPECT_FALSE(page.more());
}

TEST_F(ShardReadsTest, AFilteredListThatFindsLittleGoesOnWhereItStopped) {
  store::FakeStore store(ShardTables());
  const StoreRows rows(store);
  RowChanges changes(rows);
  for (int i = 0; i <= 5000; ++i) {
    storage::v1::SubmissionRow row;
    const std::string id = absl::StrCat("s", i);
    row.set_tenant("acme");
    row.set_candidate_key("candidate");
    row.mutable_accepted()->set_submission_id(id);
    row.mutable_accepted()->set_kind(i == 0 ? Submission::DECISION : Submission::OUTCOME);
    changes.Put(kSubmissionTable, Key("acme", "candidate", id), row);
    changes.Put(kIndexTable, HistoryPrefix("acme", "candidate") + AgeSuffix(absl::FromUnixSeconds(i), i), id);
  }
  ASSAY_ASSERT_OK(store.Write(changes.ToBatch(), true));
  const ShardReads reads(0, rows, blobs_, domain_);
  shard::v1::ListSubmissionsRequest request = Request(10);
  request.set_kind(Submission::DECISION);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto nothing, reads.ListSubmissions(request));
  EXPECT_THAT(nothing.entries(), IsEmpty());
  ASSERT_TRUE(nothing.more()) << "an answer that stopped looking is not the end of the list";
  *request.mutable_after() = nothing.next();
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto rest, reads.ListSubmissions(request));
  ASSERT_THAT(rest.entries(), SizeIs(1));
  EXPECT_EQ(rest.entries(0).submission().id(), "s0");
  EXPECT_FALSE(rest.more());
}

TEST_F(ShardReadsTest, AReportTellsOfEverySubmission) {
  for (int i = 0; i < 501; ++i) Accept(absl::StrCat("s", i));
  shard::v1::GetReportRequest request;
  request.mutable_scope()->set_tenant("acme");
  request.mutable_scope()->set_candidate_key("candidate");
  request.mutable_scope()->set_assessment_key("main-key");
  ASSAY_ASSERT_OK_AND_ASSIGN(const v1::EvaluationReport report, reads_.GetReport(request));
  EXPECT_THAT(report.submissions(), SizeIs(501));
}

TEST_F(ShardReadsTest, LabelsComeBackInReadsAndUpdates) {
  event::v1::Envelope event = shard_.Event();
  event::v1::PersonalFacts personal;
  (*personal.mutable_labels())["team"] = "blue";
  event.set_personal(personal.SerializeAsString());
  event.mutable_submission_accepted()->set_submission_id("s1");
  event.mutable_submission_accepted()->set_kind(Submission::OUTCOME);
  event.mutable_submission_accepted()->set_framework_digest(testing::kFrameworkDigest);
  shard_.Feed(event);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto page, reads_.ListSubmissions(Request(10)));
  EXPECT_THAT(page.entries(0).submission().labels(), UnorderedElementsAre(Pair("team", "blue")));
  shard::v1::ReadChangesRequest changes;
  changes.mutable_scope()->set_tenant("acme");
  changes.set_limit(10);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto feed, reads_.ReadChanges(changes));
  EXPECT_THAT(feed.changes(0).submission().labels(), UnorderedElementsAre(Pair("team", "blue")));
}

TEST_F(ShardReadsTest, WhyASubmissionWasWithdrawnIsReadFromWhatIsPersonalAlone) {
  Accept("s1");
  event::v1::Envelope withdraw = shard_.Event();
  withdraw.mutable_withdraw_requested()->set_submission_id("s1");
  event::v1::PersonalFacts personal;
  personal.set_reason("Ada asked for it");
  withdraw.set_personal(personal.SerializeAsString());
  shard_.Feed(withdraw);
  EXPECT_EQ(shard_.Submission("s1").reason(), "");
  for (const store::Row& row : shard_.Table("change")) EXPECT_THAT(row.value, Not(HasSubstr("Ada asked")));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto page, reads_.ListSubmissions(Request(10)));
  EXPECT_EQ(page.entries(0).submission().reason(), "Ada asked for it");
}

TEST_F(ShardReadsTest, AnErasureIsToldToThoseWhoWatchReadiness) {
  Accept("s1");
  event::v1::Envelope erase = shard_.Event();
  erase.mutable_erasure_requested();
  shard_.Feed(erase);
  shard::v1::ReadChangesRequest changes;
  changes.mutable_scope()->set_tenant("acme");
  changes.mutable_scope()->set_candidate_key("candidate");
  changes.mutable_scope()->set_assessment_key("main-key");
  changes.set_readiness(true);
  changes.set_limit(10);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto feed, reads_.ReadChanges(changes));
  ASSERT_THAT(feed.changes(), SizeIs(1));
  EXPECT_EQ(feed.changes(0).change(), "erased");
}

TEST_F(ShardReadsTest, ARequestIsFoundWithItsContentAndWhatItMade) {
  shard_.Accept("s1", Submission::SCORECARD);
  shard_.Finish(*shard_.WorkOf("s1", "rubric"), event::v1::EvaluationFinished::SUCCEEDED);
  event::v1::Envelope rerun = shard_.Event();
  rerun.set_event_id("rerun-1");
  rerun.set_request_digest("digest");
  rerun.mutable_rerun_requested()->set_submission_id("s1");
  shard_.Feed(rerun);
  shard::v1::FindRequestRequest find;
  find.mutable_scope()->set_tenant("acme");
  find.mutable_scope()->set_candidate_key("candidate");
  find.set_key("rerun-1");
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto found, reads_.FindRequest(find));
  EXPECT_EQ(found.request_digest(), "digest");
  EXPECT_EQ(found.submission_id(), "s1");
  ASSERT_THAT(found.evaluation_ids(), SizeIs(1));
  EXPECT_EQ(found.evaluation_ids(0), shard_.Evaluation("s1", "rubric").id());
}

}  // namespace
}  // namespace assay::aggregator
