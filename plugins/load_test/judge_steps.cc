// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plugins/load_test/judge.h"
#include "plugins/load_test/judge_words.h"

namespace assay::load_test {

using Severity = Remark::Severity;

Judgement JudgeSteps(const LoadReport& report, const Aftermath& aftermath) {
  Judgement out;
  Judgement::Value value{"run.latency_under_load", std::nullopt, ""};
  // A few milliseconds more are the machine's, whatever the ratio.
  constexpr double kFloorMs = 50;
  const CapacityReport* capacity = report.capacity.empty() ? nullptr : &report.capacity.back();
  const PhaseReport* half = report.Phase("0.5C");
  const PhaseReport* most = report.Phase("0.8C");
  const PhaseReport* full = report.Phase("1C");
  const PhaseReport* over = report.Phase("1.2C");
  const uint64_t limited = (half == nullptr ? 0 : half->total.status_count(429, 429)) +
                           (capacity == nullptr ? 0 : capacity->limited_answers);
  if (capacity == nullptr) {
    value.text = "capacity was not measured";
  } else if (!aftermath.alive) {
    value.value = 0;
    value.text = "load ended the server: " + Describe(aftermath);
  } else if (capacity->rate <= 0) {
    value.text = "even the lowest rate was not answered well enough to speak of capacity";
  } else if (limited > 0 && half != nullptr && half->total.status_count(429, 429) * 20 > half->total.answered()) {
    value.text = "a limiter answered 429 before capacity was reached (" + std::to_string(limited) +
                 " times), so latency under load says nothing";
    out.tested.push_back({"limits.rate_shared", Verdict::kInconclusive,
                          "429 was answered " + std::to_string(limited) +
                              " times; one instance cannot show whether counters are shared"});
  } else if (half == nullptr || most == nullptr || !half->total.measured || !most->total.measured) {
    const PhaseReport* bad = half != nullptr && !half->total.measured ? half : most;
    value.text = "not settled: " +
                 (bad == nullptr || bad->reason.empty() ? std::string("the steps were not measured") : bad->reason);
  } else {
    const double base = half->total.p99_ms;
    const double loaded = most->total.p99_ms;
    const double errors = most->total.sent == 0 ? 0
                                                : static_cast<double>(most->total.sent - most->total.ok) /
                                                      static_cast<double>(most->total.sent);
    const bool grows = loaded > 10 * base && loaded > 4 * kFloorMs;
    value.value = errors > 0.05 || grows ? 0 : errors <= 0.01 && (loaded <= 3 * base || loaded <= kFloorMs) ? 1 : 0.5;
    value.text = "capacity " + std::string(capacity->limited_by == "target" ? "" : "at least ") +
                 Number(capacity->rate) + " requests a second; p99 " + Number(base) + " ms at half of it, " +
                 Number(loaded) + " ms at 0.8 of it";
    if (full != nullptr && full->total.measured) value.text += ", " + Number(full->total.p99_ms) + " ms at all of it";
    if (errors > 0) value.text += ", " + Number(errors * 100) + " % errors";
    if (*value.value == 0) {
      out.certain = false;
      out.remarks.push_back(
          {"LT2.growth", value.criterion,
           "The run showed latency or errors running away below capacity: " + value.text + ".",
           "Find what queues (event loop, pool, lock) and bound it; shed load before it waits.",
           "At what queue length would you start refusing requests, and why there?",
           "From the latency objective by Little's law: the longest useful queue is objective times throughput.",
           "load.shedding", Severity::kWarning});
    }
  }
  // What the engine spoilt is not told of the server.
  if (over != nullptr && over->valid() && over->total.sent > 0 && value.value.has_value()) {
    const uint64_t shed = over->total.status_count(503, 503) + over->total.status_count(429, 429);
    const bool sheds = shed > 0 && over->total.timeout == 0;
    out.tested.push_back({"load.shedding",
                          sheds                     ? Verdict::kConfirmed
                          : over->total.timeout > 0 ? Verdict::kRefuted
                                                    : Verdict::kInconclusive,
                          "at 1.2 of capacity " + std::to_string(shed) + " of " + std::to_string(over->total.sent) +
                              " requests were refused quickly and " + std::to_string(over->total.timeout) +
                              " waited over 5 s"});
  }
  out.values.push_back(std::move(value));
  return out;
}

double ValueOfSteps(const Judgement& judgement) {
  return judgement.values.empty() ? -1 : judgement.values[0].value.value_or(-1);
}

Judgement SeenTwice(Judgement judgement) {
  judgement.certain = true;
  for (Judgement::Value& value : judgement.values) value.text += ", and much the same in a second run";
  return judgement;
}

Judgement AmongRuns(Judgement judgement, const std::vector<double>& loaded_ms) {
  if (loaded_ms.size() < 2) return judgement;
  const auto [least, most] = std::minmax_element(loaded_ms.begin(), loaded_ms.end());
  for (Judgement::Value& value : judgement.values) {
    value.text += "; over " + std::to_string(loaded_ms.size()) + " runs p99 at 0.8 of capacity lay between " +
                  Number(*least) + " and " + Number(*most) + " ms";
  }
  return judgement;
}

Judgement SettledBySteps(Judgement judgement) {
  if (judgement.certain) return judgement;
  for (Judgement::Value& value : judgement.values) {
    value.value.reset();
    value.text = "not settled by the one run there was time for: " + value.text;
  }
  for (Tested& tested : judgement.tested) {
    if (tested.verdict != Verdict::kConfirmed && tested.verdict != Verdict::kRefuted) continue;
    tested.verdict = Verdict::kInconclusive;
    tested.reason = "not settled by the one run there was time for: " + tested.reason;
  }
  judgement.remarks.clear();
  return judgement;
}

}  // namespace assay::load_test
