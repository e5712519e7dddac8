// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/blob_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "assay/v1/report.pb.h"
#include "services/aggregator/proto_time.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/clock.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/blob/result_document.h"
#include "services/common/blob/testing/fake_blob_store.h"
#include "services/common/log/log.h"

namespace assay::aggregator {
namespace {

using assay::testing::StatusIs;
using ::testing::SizeIs;
using v1::Submission;

class BlobSweepTest : public ::testing::Test {
 protected:
  // A submission of that document by the candidate.
  void Submit(const std::string& id, const Digest& document) {
    event::v1::Envelope envelope = shard_.Event(owner_.candidate_key);
    event::v1::SubmissionAccepted& accepted = *envelope.mutable_submission_accepted();
    accepted.set_submission_id(id);
    accepted.set_kind(Submission::SCORECARD);
    accepted.set_framework_digest(testing::kFrameworkDigest);
    accepted.set_blob_digest(document.ToString());
    (*accepted.mutable_plugins())["rubric"] = "plugin of rubric";
    shard_.Feed(envelope);
  }
  Digest Put(const std::string& content) { return *blob::Put(blobs_, owner_, content); }
  bool IsThere(const Digest& digest) { return blobs_.Stat(owner_, digest).ok(); }
  // All steps that are due now.
  void Sweep(BlobSweep& sweep) {
    for (;;) {
      const absl::StatusOr<absl::Time> next = sweep.Step(clock_.TimeNow());
      ASSERT_TRUE(next.ok()) << next.status();
      if (*next > clock_.TimeNow()) return;
    }
  }

  const blob::Owner owner_{"acme", "candidate"};
  SimulatedClock clock_;
  testing::ShardHarness shard_;
  blob::FakeBlobStore blobs_{clock_};
  BlobSweep sweep_{{0, 1}, shard_.rows(), blobs_};
};

TEST_F(BlobSweepTest, TakesWhatNothingNamesAfterADay) {
  const Digest orphan = Put("uploaded and never submitted");
  const Digest document = Put("document");
  Submit("s1", document);
  Sweep(sweep_);
  EXPECT_TRUE(IsThere(orphan)) << "its submission may still come";
  clock_.AdvanceTime(absl::Hours(25));
  const Digest fresh = Put("fresh");
  Sweep(sweep_);
  EXPECT_FALSE(IsThere(orphan));
  EXPECT_TRUE(IsThere(document));
  EXPECT_TRUE(IsThere(fresh));
}

TEST_F(BlobSweepTest, KeepsAResultAndThePiecesBesideIt) {
  Submit("s1", Put("document"));
  const Digest piece = Put("too large for the result document");
  event::v1::ResultDocument result;
  v1::EvaluationReport report;
  report.add_evidence()->set_digest(piece.ToString());
  result.set_report(report.SerializeAsString());
  ASSAY_ASSERT_OK_AND_ASSIGN(const Digest counted, blob::PutResult(blobs_, owner_, result, {}));
  const auto work = shard_.WorkOf("s1", "rubric");
  shard_.Start(*work);
  event::v1::Envelope finished = shard_.FinishedEvent(*work, event::v1::EvaluationFinished::SUCCEEDED);
  finished.mutable_evaluation_finished()->set_result_digest(counted.ToString());
  shard_.Feed(finished);
  const Digest late = Put("a result that did not count");
  clock_.AdvanceTime(absl::Hours(25));
  Sweep(sweep_);
  EXPECT_TRUE(IsThere(counted));
  EXPECT_TRUE(IsThere(piece));
  EXPECT_FALSE(IsThere(late));
}

TEST_F(BlobSweepTest, ASweepLeavesOtherShardsCandidatesAlone) {
  const Digest orphan = Put("orphan");
  clock_.AdvanceTime(absl::Hours(25));
  const int32_t mine = log::PartitionOf(owner_.tenant, owner_.candidate_key, 4);
  BlobSweep another({(mine + 1) % 4, 4}, shard_.rows(), blobs_);
  Sweep(another);
  EXPECT_TRUE(IsThere(orphan));
  BlobSweep own({mine, 4}, shard_.rows(), blobs_);
  Sweep(own);
  EXPECT_FALSE(IsThere(orphan));
}

TEST_F(BlobSweepTest, GoesThroughManyCandidatesInStepsOnceAnHour) {
  for (int i = 0; i < 100; ++i) {
    ASSAY_ASSERT_OK(blob::Put(blobs_, {"acme", absl::StrCat("c", i)}, "orphan").status());
  }
  clock_.AdvanceTime(absl::Hours(25));
  ASSAY_ASSERT_OK_AND_ASSIGN(const absl::Time next, sweep_.Step(clock_.TimeNow()));
  EXPECT_EQ(next, clock_.TimeNow()) << "one step does not look at all of them";
  Sweep(sweep_);
  EXPECT_THAT(*blobs_.Owners({}, 1000), SizeIs(0));
  EXPECT_EQ(*sweep_.Step(clock_.TimeNow()), clock_.TimeNow() + BlobSweep::kRound);
}

TEST_F(BlobSweepTest, AnErasureTakesALateResultToo) {
  const Digest before = Put("uploaded before");
  const Digest submitted_after = Put("uploaded before, submitted after");
  clock_.AdvanceTime(absl::Minutes(1));
  storage::v1::OutboxRow::EraseBlobs erase;
  erase.set_tenant(owner_.tenant);
  erase.set_candidate_key(owner_.candidate_key);
  *erase.mutable_before() = ToProtoTime(clock_.TimeNow());
  Submit("new life", submitted_after);
  ASSAY_ASSERT_OK(sweep_.Erase(erase, clock_.TimeNow()));
  EXPECT_FALSE(IsThere(before));
  EXPECT_TRUE(IsThere(submitted_after)) << "it was handed in again";
  const Digest late = Put("result of an attempt that ran");
  clock_.AdvanceTime(absl::Minutes(90));
  Sweep(sweep_);
  EXPECT_TRUE(IsThere(late));
  clock_.AdvanceTime(absl::Minutes(30));
  Sweep(sweep_);
  EXPECT_FALSE(IsThere(late)) << "no day later, but as soon as no attempt can run any more";
  EXPECT_TRUE(IsThere(submitted_after));
}

TEST_F(BlobSweepTest, ABlobStoreThatFailsHoldsUpOneCandidateAlone) {
  const Digest orphan = Put("orphan");
  ASSAY_ASSERT_OK(blob::Put(blobs_, {"acme", "another"}, "orphan").status());
  clock_.AdvanceTime(absl::Hours(25));
  blobs_.FailNext(absl::UnavailableError("the disk is away"));
  EXPECT_THAT(sweep_.Step(clock_.TimeNow()), StatusIs(absl::StatusCode::kUnavailable));
  Sweep(sweep_);
  EXPECT_FALSE(IsThere(orphan));
}

}  // namespace
}  // namespace assay::aggregator
