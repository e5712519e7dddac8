// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/schedule.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace assay::loadgen {
namespace {

// Smooth weighted round robin: each turn every class earns its weight and the richest pays the total.
class Turns {
 public:
  explicit Turns(const Phase& phase) : mix_(phase.mix), credit_(phase.mix.size(), 0) {
    for (const auto& part : mix_) total_ += part.second;
  }

  uint32_t Next() {
    size_t richest = 0;
    for (size_t i = 0; i < mix_.size(); ++i) {
      credit_[i] += mix_[i].second;
      if (credit_[i] > credit_[richest]) richest = i;
    }
    credit_[richest] -= total_;
    return mix_[richest].first;
  }

 private:
  const std::vector<std::pair<uint32_t, uint32_t>>& mix_;
  std::vector<int64_t> credit_;
  int64_t total_ = 0;
};

// Uniform on (0, 1]. The standard distributions may differ between libraries, the generator's bits do not.
double Unit(std::mt19937_64& random) { return (static_cast<double>(random() >> 11) + 1) * 0x1p-53; }

}  // namespace

std::vector<Arrival> BuildSchedule(const Phase& phase, double rate, absl::Duration duration) {
  std::vector<Arrival> arrivals;
  if (phase.mix.empty() || rate <= 0) return arrivals;
  Turns turns(phase);
  std::mt19937_64 random(phase.seed);
  const double length = static_cast<double>(absl::ToInt64Nanoseconds(duration));
  const double gap = 1e9 / rate;
  arrivals.reserve(static_cast<size_t>(std::min(length / gap + 1, static_cast<double>(kMaxArrivals))));
  const bool poisson = phase.arrivals == Phase::Arrivals::kPoisson;
  double at = poisson ? -gap * std::log(Unit(random)) : 0;
  while (at < length && arrivals.size() < kMaxArrivals) {
    arrivals.push_back({static_cast<int64_t>(at), turns.Next()});
    at = poisson ? at - gap * std::log(Unit(random)) : static_cast<double>(arrivals.size()) * gap;
  }
  return arrivals;
}

}  // namespace assay::loadgen
