// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "services/loadgen/plan.h"
#include "services/loadgen/result.h"

namespace assay::loadgen {

// Decides which rate to try next: doubling until one fails, then halving the bracket (on a logarithmic scale). Pure:
// it knows no time and sends nothing.
class RateSearch {
 public:
  explicit RateSearch(const Search& search) : search_(search) {}

  // The next rate to probe; none when the bracket is narrow enough.
  std::optional<double> Next() const;
  enum class Verdict { kPassed, kFailed, kGeneratorFailed };
  void Told(double rate, Verdict verdict);

  // The largest rate that passed; 0 if none did.
  double passed() const { return passed_; }
  // Why there is no larger one: "target", "generator", "ceiling", "floor" or, while the bracket is wide, "budget".
  const char* LimitedBy() const;

 private:
  const Search search_;
  double passed_ = 0;
  double failed_ = 0;  // 0: none yet
  bool generator_ = false;
};

// What p99 a probe may show at most: ten times the unloaded median, but never below 100 ms.
int64_t LimitFor(int64_t unloaded_p50_ns);
// Judges one probe; an empty reason means it passed.
std::string ProbeProblem(const PhaseResult& probe, int64_t limit_p99_ns);

}  // namespace assay::loadgen
