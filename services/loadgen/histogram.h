// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace assay::loadgen {

// Counts durations in nanoseconds with three significant digits: values below 2,048 exactly, larger ones in buckets of
// a 1,024th of their size. Memory grows with the spread of the values, 8 KiB for each power of two met, to 256 KiB at
// most. Not thread-safe.
class Histogram {
 public:
  // Larger values (about 36 minutes) are counted as this one.
  static constexpr int64_t kLargest = (int64_t{1} << 41) - 1;

  Histogram() = default;
  Histogram(Histogram&&) noexcept = default;
  Histogram& operator=(Histogram&&) noexcept = default;

  // Negative values count as 0.
  void Record(int64_t nanoseconds);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  int64_t min() const { return count_ == 0 ? 0 : min_; }
  int64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The smallest recorded value that at least `share` (in [0, 1]) of all values do not exceed, to bucket precision;
  // 0 when nothing was recorded.
  int64_t Quantile(double share) const;

  // The sparse form: pairs of (steps from the previous bucket's index, count), in order; the first step starts at 0.
  std::vector<uint64_t> Sparse() const;
  // The lowest value of a bucket. Index i below 2,048 is the value i; above, with s = i / 1024 - 1, it is
  // (i - 1024 s) 2^s.
  static int64_t LowestOf(uint32_t index);

 private:
  static constexpr int kChunkSize = 1024;
  using Chunk = std::array<uint64_t, kChunkSize>;

  static uint32_t IndexOf(int64_t nanoseconds);
  uint64_t& At(uint32_t index);

  std::array<std::unique_ptr<Chunk>, 32> chunks_;
  uint64_t count_ = 0;
  int64_t min_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace assay::loadgen
