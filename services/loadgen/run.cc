// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/run.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/loadgen/engine.h"
#include "services/loadgen/search.h"

namespace assay::loadgen {
namespace {

class Executor {
 public:
  Executor(const Plan& plan, Engine& engine, int64_t deadline_ns) : plan_(plan), engine_(engine), deadline_ns_(deadline_ns) {
    run_.actions.resize(plan.actions.size());
    for (uint32_t i = 0; i < run_.actions.size(); ++i) run_.actions[i].action = i;
  }

  void RunPhase(uint32_t index) {
    const Phase& phase = plan_.phases[index];
    if (Engine::Now() > deadline_ns_) return Skip(phase, "the plan's wall time was over");
    if (phase.is_search) return RunSearch(phase);
    double rate = phase.rate.value;
    if (phase.rate.of_capacity) {
      const double capacity = run_.capacities.empty() ? 0 : run_.capacities.back().rate;
      if (capacity <= 0) return Skip(phase, "no capacity was measured");
      rate *= capacity;
      if (rate * absl::ToDoubleSeconds(phase.duration) > static_cast<double>(kMaxArrivals)) {
        return Skip(phase, absl::StrCat("it would send more than ", kMaxArrivals, " requests"));
      }
    }
    Engine::Request request{.phase = &phase, .rate = rate, .duration = phase.duration};
    for (uint32_t i = 0; i < plan_.actions.size(); ++i) {
      if (plan_.actions[i].phase == index) request.actions.push_back(i);
    }
    run_.phases.push_back(engine_.Run(request, run_));
  }

  RunResult Take() { return std::move(run_); }

 private:
  void Skip(const Phase& phase, std::string reason) {
    PhaseResult result;
    result.name = phase.name;
    result.state = PhaseResult::State::kSkipped;
    result.reason = std::move(reason);
    run_.phases.push_back(std::move(result));
  }

  PhaseResult Send(const Phase& phase, double rate, absl::Duration duration, int64_t late_limit_ns) {
    RunResult apart;  // a probe's samples are not worth keeping
    apart.actions.resize(plan_.actions.size());
    return engine_.Run({.phase = &phase, .rate = rate, .duration = duration, .late_limit_ns = late_limit_ns}, apart);
  }

  // Waits until the backlog of a probe that failed is gone: a trickle is answered within the limit again.
  void Settle(const Phase& phase, int64_t limit_ns) {
    for (int i = 0; i < 20 && Engine::Now() < deadline_ns_; ++i) {
      const PhaseResult trickle = Send(phase, phase.search.unloaded_rate, absl::Milliseconds(200), 0);
      if (ProbeProblem(trickle, limit_ns / 2).empty()) return;
    }
  }

  RateSearch::Verdict TryRate(const Phase& phase, double rate, Capacity& capacity) {
    // One bad second may be the machine's: a rate fails only twice in a row, unless it is far over.
    RateSearch::Verdict verdict = RateSearch::Verdict::kPassed;
    for (int attempt = 0; attempt < 2; ++attempt) {
      const PhaseResult result = Send(phase, rate, phase.search.probe, capacity.limit_p99_ns);
      const ClassResult total = result.Total();
      Probe probe{.rate = rate, .reason = ProbeProblem(result, capacity.limit_p99_ns), .sent = total.sent,
                  .failed = total.Failed(), .statuses = total.statuses, .p50_ns = total.response.Quantile(0.5),
                  .p99_ns = total.response.Quantile(0.99)};
      verdict = RateSearch::Verdict::kPassed;
      if (!probe.reason.empty()) {
        verdict = RateSearch::Verdict::kFailed;
      } else if (result.state == PhaseResult::State::kInvalid) {
        probe.reason = result.reason;
        verdict = RateSearch::Verdict::kGeneratorFailed;
      }
      probe.passed = verdict == RateSearch::Verdict::kPassed;
      capacity.probes.push_back(std::move(probe));
      if (verdict == RateSearch::Verdict::kPassed) break;
      Settle(phase, capacity.limit_p99_ns);
    }
    return verdict;
  }

  void RunSearch(const Phase& phase) {
    const int64_t until = std::min(deadline_ns_, Engine::Now() + absl::ToInt64Nanoseconds(phase.search.budget));
    Capacity capacity;
    capacity.phase = phase.name;
    PhaseResult unloaded = Send(phase, phase.search.unloaded_rate, absl::Seconds(1), 0);
    const ClassResult total = unloaded.Total();
    capacity.unloaded_p50_ns = total.response.Quantile(0.5);
    capacity.limit_p99_ns = LimitFor(capacity.unloaded_p50_ns);
    RateSearch search(phase.search);
    // Unanswered without load: no rate can pass, and looking for one would only cost time.
    const bool works = total.Count(Outcome::kOk) * 2 > total.sent;
    while (works && Engine::Now() < until) {
      const std::optional<double> rate = search.Next();
      if (!rate.has_value()) break;
      search.Told(*rate, TryRate(phase, *rate, capacity));
    }
    capacity.rate = search.passed();
    capacity.limited_by = works ? search.LimitedBy() : "floor";
    unloaded.name = phase.name;
    run_.phases.push_back(std::move(unloaded));
    run_.capacities.push_back(std::move(capacity));
  }

  const Plan& plan_;
  Engine& engine_;
  const int64_t deadline_ns_;
  RunResult run_;
};

}  // namespace

absl::StatusOr<RunResult> Execute(const Plan& plan, Control& control) {
  const int64_t deadline = Engine::Now() + absl::ToInt64Nanoseconds(plan.limits.wall);
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Engine::Create(plan, control, deadline));
  Executor executor(plan, *engine, deadline);
  for (uint32_t i = 0; i < plan.phases.size(); ++i) {
    control.PhaseBegins(i);
    executor.RunPhase(i);
  }
  return executor.Take();
}

}  // namespace assay::loadgen
