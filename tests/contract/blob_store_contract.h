// SPDX-License-Identifier: Apache-2.0
// What every BlobStore promises. A harness is default-constructible and has
//   BlobStore& store()      that takes 1 MiB in all
//   SimulatedClock clock    which gives its modify times
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/blob/blob_store.h"

namespace assay::blob {

inline constexpr uint64_t kContractQuota = 1 << 20;

template <typename Harness>
class BlobStoreContract : public ::testing::Test {
 protected:
  BlobStore& store() { return harness_.store(); }

  Digest MustPut(const Owner& owner, const std::string& content) {
    const absl::StatusOr<Digest> digest = Put(store(), owner, content);
    EXPECT_THAT(digest, testing::IsOk());
    return digest.ok() ? *digest : Digest();
  }

  const Owner ann_{"tenant", "ann"};
  const Owner bob_{"tenant", "bob"};
  Harness harness_;
};

TYPED_TEST_SUITE_P(BlobStoreContract);

TYPED_TEST_P(BlobStoreContract, ReturnsWhatWasPutUnderItsDigest) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Writer> writer, this->store().Create(this->ann_, 100));
  ASSAY_ASSERT_OK(writer->Append("hel"));
  ASSAY_ASSERT_OK(writer->Append("lo"));
  ASSAY_ASSERT_OK_AND_ASSIGN(const Digest digest, writer->Commit());
  EXPECT_EQ(digest, Digest::Of("hello"));
  EXPECT_THAT(Get(this->store(), this->ann_, digest, 5), testing::IsOkAndHolds("hello"));
  EXPECT_THAT(Get(this->store(), this->ann_, digest, 4), testing::StatusIs(absl::StatusCode::kResourceExhausted));
  ASSAY_ASSERT_OK_AND_ASSIGN(const BlobInfo info, this->store().Stat(this->ann_, digest));
  EXPECT_EQ(info.size, 5u);
  EXPECT_FALSE(writer->Commit().ok());
}

TYPED_TEST_P(BlobStoreContract, GivesABlobOnlyToItsOwner) {
  const Digest digest = this->MustPut(this->ann_, "hers");
  EXPECT_THAT(this->store().Open(this->bob_, digest), testing::StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(this->store().Open({"other", "ann"}, digest), testing::StatusIs(absl::StatusCode::kNotFound));
}

TYPED_TEST_P(BlobStoreContract, ShowsNothingBeforeTheCommit) {
  {
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Writer> writer, this->store().Create(this->ann_, 100));
    ASSAY_ASSERT_OK(writer->Append("half"));
    EXPECT_THAT(this->store().List(this->ann_), testing::IsOkAndHolds(::testing::IsEmpty()));
  }
  EXPECT_THAT(this->store().Owners({}, 10), testing::IsOkAndHolds(::testing::IsEmpty()));
}

TYPED_TEST_P(BlobStoreContract, RefusesOwnersThatAreNoNames) {
  for (const std::string& bad : {std::string(), std::string(".."), std::string("a/b"), std::string("A"),
                                 std::string(65, 'a'), std::string("a\0b", 3), std::string(".incoming")}) {
    EXPECT_THAT(this->store().Create({"tenant", bad}, 10), testing::StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(this->store().Create({bad, "ann"}, 10), testing::StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(this->store().Open({bad, "ann"}, Digest()), testing::StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(this->store().DeleteAll({"tenant", bad}), testing::StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TYPED_TEST_P(BlobStoreContract, StopsAtTheSizeLimit) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Writer> writer, this->store().Create(this->ann_, 4));
  ASSAY_ASSERT_OK(writer->Append("1234"));
  EXPECT_THAT(writer->Append("5"), testing::StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_THAT(this->store().List(this->ann_), testing::IsOkAndHolds(::testing::IsEmpty()));
}

TYPED_TEST_P(BlobStoreContract, StopsAtTheQuotaAndTakesMoreAfterDeletes) {
  const std::string large(kContractQuota / 2 + 1, 'x');
  const Digest digest = this->MustPut(this->ann_, large);
  EXPECT_THAT(Put(this->store(), this->bob_, large), testing::StatusIs(absl::StatusCode::kResourceExhausted));
  ASSAY_ASSERT_OK(this->store().Delete(this->ann_, digest));
  this->MustPut(this->bob_, large);
  ASSAY_ASSERT_OK(this->store().DeleteAll(this->bob_));
  this->MustPut(this->ann_, large);
}

TYPED_TEST_P(BlobStoreContract, CountsTheSameContentOnce) {
  const std::string content(kContractQuota / 3, 'x');
  for (int i = 0; i < 5; ++i) this->MustPut(this->ann_, content);
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<BlobInfo> blobs, this->store().List(this->ann_));
  EXPECT_EQ(blobs.size(), 1u);
}

TYPED_TEST_P(BlobStoreContract, RemovesOneCandidateAndNoOther) {
  const Digest hers = this->MustPut(this->ann_, "hers");
  const Digest more = this->MustPut(this->ann_, "more");
  const Digest his = this->MustPut(this->bob_, "his");
  ASSAY_ASSERT_OK(this->store().DeleteAll(this->ann_));
  ASSAY_ASSERT_OK(this->store().DeleteAll(this->ann_));
  EXPECT_THAT(this->store().Open(this->ann_, hers), testing::StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(this->store().Stat(this->ann_, more), testing::StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Get(this->store(), this->bob_, his, 10), testing::IsOkAndHolds("his"));
  EXPECT_THAT(this->store().Delete(this->bob_, hers), testing::StatusIs(absl::StatusCode::kNotFound));
}

TYPED_TEST_P(BlobStoreContract, SweepsOnlyOldBlobsThatNothingRefersTo) {
  const Digest orphan = this->MustPut(this->ann_, "orphan");
  const Digest used = this->MustPut(this->ann_, "used");
  const Digest again = this->MustPut(this->bob_, "again");
  this->harness_.clock.AdvanceTime(absl::Hours(25));
  const Digest fresh = this->MustPut(this->bob_, "fresh");
  EXPECT_EQ(this->MustPut(this->bob_, "again"), again);
  const auto sweep = [&](const Owner& owner) {
    return Sweep(this->store(), owner, this->harness_.clock.TimeNow(), absl::Hours(24),
                 [&](const Digest& digest) { return digest == used; });
  };
  ASSAY_ASSERT_OK_AND_ASSIGN(const SweepReport report, sweep(this->ann_));
  EXPECT_EQ(report.blobs, 1u);
  EXPECT_EQ(report.bytes, 6u);
  ASSAY_ASSERT_OK_AND_ASSIGN(const SweepReport nothing, sweep(this->bob_));
  EXPECT_EQ(nothing.blobs, 0u);
  EXPECT_THAT(this->store().Stat(this->ann_, orphan), testing::StatusIs(absl::StatusCode::kNotFound));
  ASSAY_EXPECT_OK(this->store().Stat(this->ann_, used));
  ASSAY_EXPECT_OK(this->store().Stat(this->bob_, fresh));
  ASSAY_EXPECT_OK(this->store().Stat(this->bob_, again));
}

TYPED_TEST_P(BlobStoreContract, ListsOwnersInPages) {
  for (const Owner& owner : {Owner{"t2", "a"}, Owner{"t1", "c"}, Owner{"t1", "a"}, Owner{"t1", "b"}}) {
    this->MustPut(owner, "one");
    this->MustPut(owner, "two");
  }
  std::vector<std::string> seen;
  Owner after;
  for (;;) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<Owner> page, this->store().Owners(after, 3));
    for (const Owner& owner : page) seen.push_back(owner.tenant + "/" + owner.candidate_key);
    if (page.size() < 3) break;
    after = page.back();
  }
  EXPECT_THAT(seen, ::testing::ElementsAre("t1/a", "t1/b", "t1/c", "t2/a"));
}

TYPED_TEST_P(BlobStoreContract, TakesManyWritersAtOnce) {
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([this, i] {
      for (int j = 0; j < 20; ++j) this->MustPut(this->ann_, absl::StrCat(i % 2, "/", j));
    });
  }
  for (std::thread& writer : writers) writer.join();
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<BlobInfo> blobs, this->store().List(this->ann_));
  EXPECT_EQ(blobs.size(), 40u);
  for (const BlobInfo& blob : blobs) ASSAY_EXPECT_OK(Get(this->store(), this->ann_, blob.digest, 100));
}

REGISTER_TYPED_TEST_SUITE_P(BlobStoreContract, ReturnsWhatWasPutUnderItsDigest, GivesABlobOnlyToItsOwner,
                            ShowsNothingBeforeTheCommit, RefusesOwnersThatAreNoNames, StopsAtTheSizeLimit,
                            StopsAtTheQuotaAndTakesMoreAfterDeletes, CountsTheSameContentOnce,
                            RemovesOneCandidateAndNoOther, SweepsOnlyOldBlobsThatNothingRefersTo, ListsOwnersInPages,
                            TakesManyWritersAtOnce);

}  // namespace assay::blob
