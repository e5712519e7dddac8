// SPDX-License-Identifier: Apache-2.0
//
// Whatever befalls an installation, it keeps its promises. One seed is one life of it; a violation prints its seed, and
//   ASSAY_SIMULATION_SEED=N build/release/tests/simulation_test
// lives through it again. ASSAY_SIMULATION_SEEDS says how many seeds to try (150), ASSAY_SIMULATION_FIRST where to
// begin.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "services/common/base/logging.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/installation.h"

namespace assay::simulation {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* const text = std::getenv(name);
  uint64_t value = fallback;
  if (text != nullptr) {
    EXPECT_TRUE(absl::SimpleAtoi(text, &value)) << name << ": " << text;
  }
  return value;
}

class SimulationTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { SetMinimumLogSeverity(LogSeverity::kError); }
};

void Live(uint64_t seed) {
  Installation installation(seed);
  const bool came_to_rest = installation.Run();
  EXPECT_TRUE(came_to_rest) << "seed " << seed << ": something is still under way";
  const std::vector<std::string> violations = Check(installation);
  EXPECT_TRUE(violations.empty()) << "seed " << seed << ":\n  " << absl::StrJoin(violations, "\n  ");
}

TEST_F(SimulationTest, PromisesHoldWhateverHappens) {
  const uint64_t one = FromEnvironment("ASSAY_SIMULATION_SEED", 0);
  if (one != 0) return Live(one);
  const uint64_t first = FromEnvironment("ASSAY_SIMULATION_FIRST", 1);
  const uint64_t count = FromEnvironment("ASSAY_SIMULATION_SEEDS", 150);
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) Live(seed);
}

// A simulation in which nothing happens proves nothing.
TEST_F(SimulationTest, LivesAreFullOfTrouble) {
  uint64_t acknowledged = 0, repeated = 0, void_events = 0, late = 0, forged = 0, takeovers = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Installation installation(seed);
    installation.Run();
    const storage::v1::ShardMeta meta = installation.aggregators()[0]->Meta();
    acknowledged += installation.acknowledged().size();
    repeated += meta.counters().repeated_submissions();
    void_events += meta.counters().void_events();
    late += meta.counters().late_results();
    forged += meta.counters().forged_results();
    for (const log::Record& record : installation.journal().records()) {
      event::v1::Envelope envelope;
      envelope.ParseFromString(record.value);
      takeovers += envelope.has_ownership_claimed() ? 1 : 0;
    }
  }
  EXPECT_GT(acknowledged, 300u);
  EXPECT_GT(repeated, 20u);
  EXPECT_GT(void_events, 5u);
  EXPECT_GT(late, 20u);
  EXPECT_GT(forged, 20u);
  EXPECT_GT(takeovers, 100u);
}

TEST_F(SimulationTest, TheSameSeedIsTheSameLife) {
  Installation one(7), other(7);
  one.Run();
  other.Run();
  ASSERT_EQ(one.journal().end(), other.journal().end());
  for (size_t offset = 0; offset < one.journal().records().size(); ++offset) {
    // Not the bytes: maps lie in them in any order.
    event::v1::Envelope mine, theirs;
    mine.ParseFromString(one.journal().records()[offset].value);
    theirs.ParseFromString(other.journal().records()[offset].value);
    ASSERT_EQ(mine.DebugString(), theirs.DebugString()) << "at offset " << offset;
  }
}

}  // namespace
}  // namespace assay::simulation
