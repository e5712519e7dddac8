// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/normal.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace assay::readiness {
namespace {

TEST(NormalCdf, AgreesWithTheErrorFunctionOfTheCLibrary) {
  for (int i = -780; i <= 780; ++i) {
    const double x = i / 100.0;
    EXPECT_NEAR(NormalCdf(x), 0.5 * std::erfc(-x / std::sqrt(2.0)), 1e-12) << x;
  }
}

TEST(NormalCdf, GivesTheNumberOfAPublishedGate) {
  // One gate: estimate 0.8, standard error 0.35, cut 0.3.
  EXPECT_NEAR(NormalCdf((0.8 - 0.3) / 0.35), 0.923436, 5e-7);
}

TEST(NormalCdf, StaysInItsRangeForAnyNumber) {
  EXPECT_EQ(NormalCdf(-1e300), 0);
  EXPECT_EQ(NormalCdf(1e300), 1);
  EXPECT_EQ(NormalCdf(-std::numeric_limits<double>::infinity()), 0);
  EXPECT_EQ(NormalCdf(std::numeric_limits<double>::quiet_NaN()), 0);
}

TEST(Round9, KeepsNineDecimals) {
  EXPECT_EQ(Round9(1.0 / 3), 0.333333333);
  EXPECT_EQ(Round9(-2.0 / 3), -0.666666667);
  EXPECT_EQ(Round9(0.1 + 0.2), 0.3);
  EXPECT_EQ(Round9(4), 4);
}

}  // namespace
}  // namespace assay::readiness
