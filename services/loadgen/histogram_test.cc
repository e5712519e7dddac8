// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace assay::loadgen {
namespace {

using ::testing::ElementsAre;

TEST(Histogram, QuantilesAgreeWithSortedValuesToThreeDigits) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> spread(14, 3);
  Histogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(std::min<int64_t>(static_cast<int64_t>(spread(random)), Histogram::kLargest));
    histogram.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (double share : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::max(1.0, std::ceil(share * values.size())));
    const double exact = static_cast<double>(values[rank - 1]);
    EXPECT_NEAR(histogram.Quantile(share), exact, exact / 1000 + 1) << share;
  }
}

TEST(Histogram, MergedEqualsRecordedTogether) {
  Histogram left, right, both;
  for (int64_t value : {int64_t{5}, int64_t{70'000}, int64_t{3'000'000}}) {
    left.Record(value);
    both.Record(value);
  }
  for (int64_t value : {int64_t{4}, int64_t{70'000}, int64_t{9'000'000'000}}) {
    right.Record(value);
    both.Record(value);
  }
  left.Merge(right);
  EXPECT_EQ(left.Sparse(), both.Sparse());
  EXPECT_EQ(left.min(), 4);
  EXPECT_EQ(left.max(), both.max());
  EXPECT_EQ(left.count(), 6u);
}

TEST(Histogram, SparseFormNamesEachBucketOnce) {
  Histogram histogram;
  histogram.Record(3);
  histogram.Record(3);
  histogram.Record(2048);
  EXPECT_THAT(histogram.Sparse(), ElementsAre(3, 2, 2045, 1));
  EXPECT_EQ(Histogram::LowestOf(2048), 2048);
  EXPECT_EQ(Histogram::LowestOf(3072), 4096);
}

TEST(Histogram, ValuesOutsideItsRangeAreCountedAtItsEnds) {
  Histogram histogram;
  histogram.Record(-5);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  EXPECT_EQ(histogram.Quantile(1), Histogram::kLargest);
}

TEST(Histogram, EmptyAnswersZero) {
  EXPECT_EQ(Histogram().Quantile(0.99), 0);
  EXPECT_TRUE(Histogram().Sparse().empty());
}

}  // namespace
}  // namespace assay::loadgen
