// SPDX-License-Identifier: Apache-2.0
//
// Whatever is in a journal, applying it gives one state: in any grouping, any number of times, from any prefix on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/aggregator/accounting.h"
#include "services/aggregator/audit_tree.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/sweep.h"
#include "services/aggregator/testing/shard_harness.h"
#include "services/common/base/testing/status_matchers.h"

namespace assay::aggregator {
namespace {

using event::v1::EvaluationFinished;
using testing::ShardHarness;
using v1::Submission;

// Feeds a shard with a random life: sensible events most of the time, and duplicates, late, forged and illegal ones.
class RandomLife {
 public:
  explicit RandomLife(uint32_t seed) : random_(seed) {}

  void Run(ShardHarness& shard, int events) {
    event::v1::Envelope claim = shard.Event();
    claim.mutable_ownership_claimed()->set_expects_epoch(0);
    shard.Feed(claim);
    for (int i = 0; i < events; ++i) Step(shard);
  }

  // The same, of several tenants with quotas that come and go, over some months.
  void RunTenants(ShardHarness& shard, int events) {
    event::v1::Envelope claim = shard.Event();
    claim.mutable_ownership_claimed()->set_expects_epoch(0);
    shard.Feed(claim);
    for (int i = 0; i < events; ++i) {
      shard.SetTenant(absl::StrCat("tenant-", Below(3)));
      if (Below(20) == 0) shard.Advance(absl::Hours(24 * Below(20)));
      if (Below(15) == 0) {
        event::v1::Envelope quota = shard.Event("");
        quota.mutable_quota_changed()->set_submissions_in_flight(static_cast<uint64_t>(Below(6)));
        quota.mutable_quota_changed()->set_submissions_per_day(static_cast<uint64_t>(Below(9)));
        Below(4) == 0 ? shard.Feed(quota) : shard.FeedOwn(quota);
        continue;
      }
      Step(shard);
    }
  }

 private:
  int Below(int limit) { return static_cast<int>(random_() % static_cast<uint32_t>(limit)); }
  std::string AnyCandidate() { return absl::StrCat("candidate-", Below(3)); }
  std::string AnyId() { return absl::StrCat("s", Below(next_id_ + 2)); }

  void Step(ShardHarness& shard) {
    const std::vector<event::v1::Work> work = shard.AllWork();
    for (const event::v1::Work& item : work) seen_.push_back(item);
    switch (Below(12)) {
      case 0:
      case 1: {
        const std::string candidate = AnyCandidate();
        // The candidate is part of a submission's id, as with the real ids.
        shard.Accept(absl::StrCat(candidate, "-", AnyId()),
                     Below(2) == 0 ? Submission::REPOSITORY : Submission::SCORECARD,
                     absl::StrCat("source-", Below(3)), candidate, absl::StrCat("content-", Below(3)));
        ++next_id_;
        return;
      }
      case 2:
      case 3:
        if (!work.empty()) shard.Start(work[static_cast<size_t>(Below(static_cast<int>(work.size())))]);
        return;
      case 4:
      case 5:
      case 6:
        if (!work.empty() && Below(3) == 0) {
          shard.FinishPure(work[static_cast<size_t>(Below(static_cast<int>(work.size())))], Below(100) / 99.0);
        } else if (!work.empty()) {
          shard.Finish(work[static_cast<size_t>(Below(static_cast<int>(work.size())))],
                       static_cast<EvaluationFinished::Outcome>(Below(11)), Below(100) / 99.0);
        }
        return;
      case 7: {  // late, repeated or forged
        if (seen_.empty()) return;
        event::v1::Work old = seen_[static_cast<size_t>(Below(static_cast<int>(seen_.size())))];
        if (Below(3) == 0) old.set_capability("forged");
        if (Below(3) == 0) old.set_attempt(static_cast<uint32_t>(Below(9)));
        Below(2) == 0 ? shard.Start(old) : shard.Finish(old, EvaluationFinished::SUCCEEDED);
        return;
      }
      case 8:
        shard.FireNextTimer();
        return;
      default:
        shard.Feed(Request(shard));
    }
  }

  event::v1::Envelope Request(ShardHarness& shard) {
    const std::string candidate = AnyCandidate();
    const std::string id = absl::StrCat(candidate, "-", AnyId());
    event::v1::Envelope event = shard.Event(candidate);
    switch (Below(8)) {
      case 0:
        event.mutable_cancel_requested()->set_submission_id(id);
        break;
      case 1:
        event.mutable_withdraw_requested()->set_submission_id(id);
        break;
      case 2:
      case 3:
        event.mutable_rerun_requested()->set_submission_id(id);
        break;
      case 4:
        if (!seen_.empty()) {
          const event::v1::Work& work = seen_[static_cast<size_t>(Below(static_cast<int>(seen_.size())))];
          event.set_candidate_key(work.candidate_key());
          event.mutable_evaluation_released()->set_submission_id(work.submission_id());
          event.mutable_evaluation_released()->set_evaluation_id(work.evaluation_id());
        }
        break;
      case 5:
        event.set_writer_epoch(shard.Meta().epoch());
        event.mutable_relay_checkpoint()->set_sequence(static_cast<uint64_t>(Below(100)));
        break;
      case 6:
        event.mutable_assessment_created()->set_framework_digest(testing::kFrameworkDigest);
        break;
      default:
        if (Below(4) == 0) event.mutable_erasure_requested();
    }
    return event;
  }

  std::mt19937 random_;
  int next_id_ = 0;
  std::vector<event::v1::Work> seen_;
};

// Applies records in groups of random sizes; the hash after each group end that is in `at`.
std::string Replay(const ShardHarness& shard, size_t count, std::mt19937* random) {
  store::FakeStore store(ShardTables());
  const StoreRows rows(store);
  for (size_t done = 0; done < count;) {
    const size_t group = std::min<size_t>(random == nullptr ? 1 : 1 + (*random)() % 64, count - done);
    const auto batch =
        ApplyGroup(shard.context(), rows, absl::MakeConstSpan(shard.journal()).subspan(done, group));
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (!batch.ok()) return "";
    EXPECT_TRUE(store.Write(*batch, true).ok());
    done += group;
  }
  return *store.StateHash(ShardTables());
}

class ShardReplay : public ::testing::TestWithParam<uint32_t> {};

// Everything adds up, and nothing is lost.
void ExpectSound(const ShardHarness& shard) {
  Sweep sweep(shard.rows());
  for (bool done = false; !done;) {
    const auto step = sweep.Step(7);
    ASSERT_TRUE(step.ok()) << step.status();
    done = *step;
  }
  EXPECT_THAT(sweep.report().first_findings, ::testing::IsEmpty()) << "after " << shard.journal().size() << " records";
}

TEST_P(ShardReplay, AccountsHoldAfterEveryRecord) {
  ShardHarness shard;
  RandomLife life(GetParam());
  life.RunTenants(shard, 0);
  for (int i = 0; i < 60; ++i) {
    life.RunTenants(shard, 5);
    ExpectSound(shard);
    EXPECT_TRUE(Holds(shard.Meta().accounting()));
  }
  EXPECT_GT(shard.Meta().accounting().accepted(), 10u);
}

TEST_P(ShardReplay, TenantsAndQuotasGiveTheSameBytesInAnyGrouping) {
  ShardHarness shard;
  RandomLife(GetParam()).RunTenants(shard, 400);
  std::mt19937 random(GetParam());
  EXPECT_EQ(Replay(shard, shard.journal().size(), &random), shard.StateHash());
  EXPECT_EQ(Replay(shard, shard.journal().size(), nullptr), shard.StateHash());
}

// A journal of an earlier program goes on under these rules, from one record to the next.
TEST_P(ShardReplay, AStateVersionInTheMiddleCountsWhatIsThere) {
  ShardHarness shard(1);
  RandomLife life(GetParam());
  life.Run(shard, 150);
  EXPECT_EQ(shard.Meta().accounting().accepted(), 0u);
  event::v1::Envelope version;
  version.mutable_state_version()->set_version(2);
  shard.Feed(version);
  ExpectSound(shard);
  EXPECT_EQ(shard.Meta().accounting().accepted(), shard.Table(kSubmissionTable).size());
  life.RunTenants(shard, 150);
  ExpectSound(shard);
  std::mt19937 random(GetParam());
  EXPECT_EQ(Replay(shard, shard.journal().size(), &random), shard.StateHash());
  for (size_t count = 140; count <= 170; ++count) {
    ASSERT_EQ(Replay(shard, count, nullptr), Replay(shard, count, &random)) << "after " << count << " records";
  }
}

TEST_P(ShardReplay, AnyGroupingGivesTheSameBytes) {
  ShardHarness shard;
  RandomLife(GetParam()).Run(shard, 400);
  ASSERT_GT(shard.journal().size(), 200u);
  std::mt19937 random(GetParam());
  EXPECT_EQ(Replay(shard, shard.journal().size(), &random), shard.StateHash());
  EXPECT_EQ(Replay(shard, shard.journal().size(), &random), shard.StateHash());
}

TEST_P(ShardReplay, EveryPrefixGivesTheSameBytesTwice) {
  ShardHarness shard;
  RandomLife(GetParam()).Run(shard, 60);
  std::mt19937 random(GetParam());
  for (size_t count = 1; count <= shard.journal().size(); ++count) {
    ASSERT_EQ(Replay(shard, count, nullptr), Replay(shard, count, &random)) << "after " << count << " records";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ShardReplay, ::testing::Range<uint32_t>(1, 13));

// What earlier programs made of these journals. A rule that changes these bytes needs a state version of its own.
TEST(ShardOfVersionOne, GivesTheBytesItAlwaysGave) {
  constexpr const char* kHashes[] = {"6fdadc466314f90ea33b3aed546ed2d7b2cfef3f8b1e8867616ad52553d646a8",
                                     "23dc792d473bfd6170e76f1781ce6ff20367472f839ba5ab09767208ab7fc629",
                                     "db74932558c2bb6ef86aa9bff1a674db7250cb9ebbb6b4c146217781c059fad1",
                                     "cd5adeb27ace4ff31362bbcb176325a9ba315e128278f0798bf9a9e7d9242e3d"};
  std::vector<store::Table> tables = ShardTables();
  // Who owns the shard is no rule; what that table counts the other tests compare.
  for (absl::string_view other : {kMetaTable, kTenantTable}) {
    tables.erase(std::remove(tables.begin(), tables.end(), other), tables.end());
  }
  for (uint32_t seed = 1; seed <= std::size(kHashes); ++seed) {
    ShardHarness shard(0);
    RandomLife(seed).Run(shard, 400);
    EXPECT_EQ(absl::BytesToHexString(*shard.store().StateHash(tables)), kHashes[seed - 1]) << "seed " << seed;
  }
}

// The definition of RFC 6962, section 2.1, as it is written there.
Digest RootByDefinition(const std::vector<std::string>& leaves, size_t begin, size_t end) {
  if (end - begin == 0) return Digest::Of("");
  if (end - begin == 1) return AuditLeaf(leaves[begin]);
  size_t split = 1;
  while (split * 2 < end - begin) split *= 2;
  const Digest left = RootByDefinition(leaves, begin, begin + split);
  const Digest right = RootByDefinition(leaves, begin + split, end);
  return Digest::Of(absl::StrCat("\x01", left.bytes(), right.bytes()));
}

TEST(AuditTree, TheFrontierGivesTheRootOfTheStandardAtEverySize) {
  storage::v1::ShardMeta meta;
  std::vector<std::string> leaves;
  for (int i = 0; i < 70; ++i) {
    ASSERT_EQ(AuditRoot(meta), RootByDefinition(leaves, 0, leaves.size())) << leaves.size();
    leaves.push_back(absl::StrCat("record ", i));
    AppendAuditLeaf(AuditLeaf(leaves.back()), meta);
  }
}

}  // namespace
}  // namespace assay::aggregator
