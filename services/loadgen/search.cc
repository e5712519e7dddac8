// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/search.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace assay::loadgen {

std::optional<double> RateSearch::Next() const {
  if (passed_ == 0 && failed_ == 0) return search_.from;
  if (failed_ == 0) {
    if (passed_ >= search_.to) return std::nullopt;
    return std::min(passed_ * 2, search_.to);
  }
  if (passed_ == 0) {
    // Below the lowest rate that was asked for, four halvings settle whether anything passes.
    const double half = failed_ / 2;
    return half >= search_.from / 16 ? std::optional<double>(half) : std::nullopt;
  }
  if (failed_ <= passed_ * (1 + search_.precision)) return std::nullopt;
  return std::sqrt(passed_ * failed_);
}

void RateSearch::Told(double rate, Verdict verdict) {
  if (verdict == Verdict::kPassed) {
    passed_ = std::max(passed_, rate);
  } else {
    failed_ = failed_ == 0 ? rate : std::min(failed_, rate);
    generator_ = verdict == Verdict::kGeneratorFailed;
  }
}

const char* RateSearch::LimitedBy() const {
  if (Next().has_value()) return "budget";
  if (failed_ == 0) return "ceiling";
  if (passed_ == 0) return "floor";
  return generator_ ? "generator" : "target";
}

int64_t LimitFor(int64_t unloaded_p50_ns) { return std::max<int64_t>(10 * unloaded_p50_ns, 100'000'000); }

std::string ProbeProblem(const PhaseResult& probe, int64_t limit_p99_ns) {
  const ClassResult total = probe.Total();
  const uint64_t failed = total.Failed();
  if (probe.stopped_early) return "more than 1 % were over the limit or failed; stopped early";
  if (total.dropped > 0) return absl::StrCat(total.dropped, " requests found no connection free");
  if (static_cast<double>(failed) >= 0.001 * static_cast<double>(total.sent)) {
    if (failed > 0) return absl::StrCat(failed, " of ", total.sent, " failed");
  }
  const int64_t p99 = total.response.Quantile(0.99);
  if (p99 > limit_p99_ns) return absl::StrCat("p99 ", p99 / 1'000'000, " ms is over ", limit_p99_ns / 1'000'000, " ms");
  return "";
}

}  // namespace assay::loadgen
