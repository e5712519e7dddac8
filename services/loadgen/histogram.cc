// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace assay::loadgen {

uint32_t Histogram::IndexOf(int64_t nanoseconds) {
  const auto value = static_cast<uint64_t>(nanoseconds);
  if (value < 2048) return static_cast<uint32_t>(value);
  const int shift = std::bit_width(value) - 11;
  return static_cast<uint32_t>(shift * 1024 + (value >> shift));
}

int64_t Histogram::LowestOf(uint32_t index) {
  if (index < 2048) return index;
  const uint32_t shift = index / 1024 - 1;
  return static_cast<int64_t>(index - 1024 * shift) << shift;
}

uint64_t& Histogram::At(uint32_t index) {
  std::unique_ptr<Chunk>& chunk = chunks_[index / kChunkSize];
  if (chunk == nullptr) chunk = std::make_unique<Chunk>();
  return (*chunk)[index % kChunkSize];
}

void Histogram::Record(int64_t nanoseconds) {
  const int64_t value = std::clamp<int64_t>(nanoseconds, 0, kLargest);
  ++At(IndexOf(value));
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
  ++count_;
}

void Histogram::Merge(const Histogram& other) {
  if (other.count_ == 0) return;
  for (uint32_t c = 0; c < other.chunks_.size(); ++c) {
    if (other.chunks_[c] == nullptr) continue;
    for (uint32_t i = 0; i < kChunkSize; ++i) {
      if (const uint64_t n = (*other.chunks_[c])[i]; n != 0) At(c * kChunkSize + i) += n;
    }
  }
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
  count_ += other.count_;
}

int64_t Histogram::Quantile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
  if (rank >= count_) return max_;
  uint64_t seen = 0;
  for (uint32_t c = 0; c < chunks_.size(); ++c) {
    if (chunks_[c] == nullptr) continue;
    for (uint32_t i = 0; i < kChunkSize; ++i) {
      seen += (*chunks_[c])[i];
      if (seen < rank) continue;
      const uint32_t index = c * kChunkSize + i;
      const int64_t middle = (LowestOf(index) + LowestOf(index + 1) - 1) / 2;
      return std::clamp(middle, min_, max_);
    }
  }
  return max_;
}

std::vector<uint64_t> Histogram::Sparse() const {
  std::vector<uint64_t> pairs;
  uint32_t previous = 0;
  for (uint32_t c = 0; c < chunks_.size(); ++c) {
    if (chunks_[c] == nullptr) continue;
    for (uint32_t i = 0; i < kChunkSize; ++i) {
      const uint64_t n = (*chunks_[c])[i];
      if (n == 0) continue;
      const uint32_t index = c * kChunkSize + i;
      pairs.push_back(index - previous);
      pairs.push_back(n);
      previous = index;
    }
  }
  return pairs;
}

}  // namespace assay::loadgen
