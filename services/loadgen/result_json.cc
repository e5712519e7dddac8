// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "services/loadgen/run.h"

namespace assay::loadgen {
namespace {

using Json = nlohmann::ordered_json;

enum class Detail { kAll, kPhases, kNone };

double Milliseconds(int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }
Json OptionalSeconds(int64_t nanoseconds) {
  return nanoseconds < 0 ? Json(nullptr) : Json(static_cast<double>(nanoseconds) / 1e9);
}

Json HistogramJson(const Histogram& histogram, bool buckets) {
  Json out = {{"count", histogram.count()},
              {"mean_ms", histogram.mean() / 1e6},
              {"min_ms", Milliseconds(histogram.min())},
              {"p50_ms", Milliseconds(histogram.Quantile(0.5))},
              {"p90_ms", Milliseconds(histogram.Quantile(0.9))},
              {"p99_ms", Milliseconds(histogram.Quantile(0.99))},
              {"p999_ms", Milliseconds(histogram.Quantile(0.999))},
              {"max_ms", Milliseconds(histogram.max())}};
  if (buckets) out["buckets"] = histogram.Sparse();
  return out;
}

Json OutcomesJson(const std::array<uint64_t, kOutcomes>& outcomes) {
  Json out = Json::object();
  for (size_t i = 0; i < kOutcomes; ++i) out[OutcomeName(static_cast<Outcome>(i))] = outcomes[i];
  return out;
}

Json StatusesJson(const std::map<int, uint64_t>& statuses) {
  Json out = Json::object();
  for (const auto& [status, count] : statuses) out[std::to_string(status)] = count;
  return out;
}

// `measured`: whether the percentiles may be shown.
Json CountsJson(const ClassResult& counts, bool measured, bool buckets) {
  Json out = {{"scheduled", counts.scheduled},
              {"sent", counts.sent},
              {"dropped", counts.dropped},
              {"outcomes", OutcomesJson(counts.outcomes)},
              {"statuses", StatusesJson(counts.statuses)},
              {"problems", counts.problems},
              {"early", counts.early},
              {"stale", counts.stale},
              {"body_bytes", counts.body_bytes}};
  if (measured) {
    out["response"] = HistogramJson(counts.response, buckets);
    out["service"] = HistogramJson(counts.service, buckets);
  }
  // Shown in any case: it is what makes a phase invalid.
  out["send_delay"] = HistogramJson(counts.send_delay, buckets && measured);
  return out;
}

const char* StateName(PhaseResult::State state) {
  switch (state) {
    case PhaseResult::State::kValid:
      return "valid";
    case PhaseResult::State::kInvalid:
      return "invalid";
    case PhaseResult::State::kCut:
      return "cut";
    case PhaseResult::State::kSkipped:
      return "skipped";
  }
  return "";
}

Json PhaseJson(const Plan& plan, const PhaseResult& phase, Detail detail) {
  Json out = {{"name", phase.name}, {"state", StateName(phase.state)}, {"reason", phase.reason}};
  if (phase.state == PhaseResult::State::kSkipped) return out;
  const bool measured = phase.record && phase.state == PhaseResult::State::kValid;
  out["recorded"] = phase.record;
  out["seconds"] = phase.seconds;
  out["rate_asked"] = phase.rate_asked;
  out["rate_sent"] = phase.rate_sent;
  out["engine_cpu_seconds"] = phase.cpu_seconds;
  out["connections_opened"] = phase.connections_opened;
  out["connections_peak"] = phase.connections_peak;
  out["total"] = CountsJson(phase.Total(), measured, detail != Detail::kNone);
  Json classes = Json::array();
  for (const auto& [index, counts] : phase.classes) {
    Json entry = CountsJson(counts, measured, detail == Detail::kAll);
    entry["name"] = plan.classes[index].name;
    classes.push_back(std::move(entry));
  }
  out["classes"] = std::move(classes);
  Json timeline = Json::array();
  for (const Second& s : phase.timeline) timeline.push_back({s.sent, s.ok, s.failed, Milliseconds(s.slowest_ns)});
  out["timeline"] = std::move(timeline);
  return out;
}

Json CapacityJson(const Capacity& capacity) {
  Json probes = Json::array();
  for (const Probe& probe : capacity.probes) {
    probes.push_back({{"rate", probe.rate},
                      {"passed", probe.passed},
                      {"reason", probe.reason},
                      {"sent", probe.sent},
                      {"failed", probe.failed},
                      {"statuses", StatusesJson(probe.statuses)},
                      {"p50_ms", Milliseconds(probe.p50_ns)},
                      {"p99_ms", Milliseconds(probe.p99_ns)}});
  }
  return {{"phase", capacity.phase},
          {"rate", capacity.rate},
          {"limited_by", capacity.limited_by},
          {"unloaded_p50_ms", Milliseconds(capacity.unloaded_p50_ns)},
          {"limit_p99_ms", Milliseconds(capacity.limit_p99_ns)},
          {"probes", std::move(probes)}};
}

Json InFlightJson(const InFlight& counts) {
  return {{"in_flight", counts.in_flight}, {"served", counts.served}, {"lost", counts.lost}};
}

Json ActionJson(const Plan& plan, const ActionResult& result) {
  const Action& action = plan.actions[result.action];
  Json by_class = Json::array();
  InFlight all;
  for (const auto& [index, counts] : result.by_class) {
    Json entry = InFlightJson(counts);
    entry["name"] = plan.classes[index].name;
    by_class.push_back(std::move(entry));
    all.in_flight += counts.in_flight;
    all.served += counts.served;
    all.lost += counts.lost;
  }
  Json after_by_class = Json::array();
  for (const auto& [index, outcomes] : result.after_by_class) {
    Json entry = OutcomesJson(outcomes);
    entry["name"] = plan.classes[index].name;
    after_by_class.push_back(std::move(entry));
  }
  Json by_remaining = Json::array();
  for (size_t i = 0; i < result.by_remaining.size(); ++i) {
    Json entry = InFlightJson(result.by_remaining[i]);
    entry["up_to_seconds"] = i < kRemainingSeconds.size() ? Json(kRemainingSeconds[i]) : Json(nullptr);
    by_remaining.push_back(std::move(entry));
  }
  return {{"phase", plan.phases[action.phase].name},
          {"signal", action.signal_name},
          {"to", action.to_listener ? "listener" : "process"},
          {"asked_at_seconds", result.asked ? OptionalSeconds(result.asked_ns) : Json(nullptr)},
          {"done_at_seconds", OptionalSeconds(result.done_ns)},
          {"error", result.error},
          {"in_flight", InFlightJson(all)},
          {"just_sent", InFlightJson(result.just_sent)},
          {"by_class", std::move(by_class)},
          {"by_remaining", std::move(by_remaining)},
          {"last_served_after_seconds", OptionalSeconds(result.last_served_ns)},
          {"first_lost_after_seconds", OptionalSeconds(result.first_lost_ns)},
          {"first_refused_after_seconds", OptionalSeconds(result.first_refused_ns)},
          {"after", OutcomesJson(result.after)},
          {"after_by_class", std::move(after_by_class)}};
}

std::string Render(const Plan& plan, const RunResult& run, Detail detail) {
  Json out = {{"format", "assay.load-result/1"},
              {"target", {{"address", plan.address}, {"port", plan.port}}},
              {"buckets_left_out", detail == Detail::kAll ? "none" : detail == Detail::kPhases ? "classes" : "all"}};
  out["phases"] = Json::array();
  for (const PhaseResult& phase : run.phases) out["phases"].push_back(PhaseJson(plan, phase, detail));
  out["capacity"] = Json::array();
  for (const Capacity& capacity : run.capacities) out["capacity"].push_back(CapacityJson(capacity));
  out["actions"] = Json::array();
  for (const ActionResult& action : run.actions) out["actions"].push_back(ActionJson(plan, action));
  out["samples"] = Json::array();
  for (const Sample& sample : run.samples) {
    out["samples"].push_back({{"phase", sample.phase},
                              {"class", plan.classes[sample.request_class].name},
                              {"status", sample.status},
                              {"content_type", sample.content_type},
                              {"body", sample.body}});
  }
  // Bodies are the target's bytes: whatever is not UTF-8 is replaced.
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string ResultJson(const Plan& plan, const RunResult& run) {
  std::string text;
  for (Detail detail : {Detail::kAll, Detail::kPhases, Detail::kNone}) {
    text = Render(plan, run, detail);
    if (text.size() <= plan.limits.result_bytes) break;
  }
  return text;
}

}  // namespace assay::loadgen
