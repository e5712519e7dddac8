// SPDX-License-Identifier: Apache-2.0
// How every benchmark says what it found: one JSON line a measure, which tools/bench/run reads.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace assay::benchmark {

double Median(std::vector<double> values);
// The value that `part` (0..1) of them do not exceed.
double Quantile(std::vector<double> values, double part);

// What a measure has to reach.
struct Goal {
  enum class Kind { kAtMost, kAtLeast, kNone };
  Kind kind = Kind::kNone;
  double value = 0;
};
inline Goal AtMost(double value) { return {Goal::Kind::kAtMost, value}; }
inline Goal AtLeast(double value) { return {Goal::Kind::kAtLeast, value}; }

// Ours and the same rounds of a limit or peer, taken turn about: `ours[i]` and `beside[i]` are one pair. Prints medians
// and the median and range of the paired ratios; the goal is one of the ratio.
void PrintRatio(absl::string_view measure, absl::string_view unit, const std::vector<double>& ours,
                absl::string_view beside_name, const std::vector<double>& beside, Goal goal);

// The same for a goal that is no bound of the ratio: in words, and whether it was reached.
void PrintJudged(absl::string_view measure, absl::string_view unit, double ours, absl::string_view beside_name,
                 double beside, absl::string_view goal, bool reached);

// Rounds of one figure with a goal of its own.
void PrintFigure(absl::string_view measure, absl::string_view unit, const std::vector<double>& ours, Goal goal);

}  // namespace assay::benchmark
