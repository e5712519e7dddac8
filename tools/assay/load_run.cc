// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/load_run.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace assay::cli {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaximumSeconds = 600;
constexpr size_t kMaximumPhases = 64;
constexpr size_t kMaximumBuckets = 100'000;
constexpr uint64_t kLastBucket = 64 * 1024;

double Number(const Json& object, const char* key) {
  if (!object.is_object()) return 0;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return 0;
  const double value = found->get<double>();
  return std::isfinite(value) ? value : 0;
}

std::string Text(const Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const Json& Child(const Json& object, const char* key) {
  static const Json kNothing = Json::object();
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found != object.end() ? *found : kNothing;
}

// Lowest value in milliseconds of bucket `index` of the engine's histograms (services/loadgen/README.md).
double BucketMilliseconds(uint64_t index) {
  if (index < 2048) return static_cast<double>(index) / 1e6;
  const double shift = static_cast<double>(index / 1024 - 1);
  return (static_cast<double>(index) - 1024 * shift) * std::exp2(shift) / 1e6;
}

Latencies ReadLatencies(const Json& histogram) {
  Latencies latencies;
  latencies.count = Number(histogram, "count");
  latencies.p50 = Number(histogram, "p50_ms");
  latencies.p90 = Number(histogram, "p90_ms");
  latencies.p99 = Number(histogram, "p99_ms");
  latencies.max = Number(histogram, "max_ms");
  const Json& sparse = Child(histogram, "buckets");
  if (!sparse.is_array()) return latencies;
  uint64_t index = 0;
  for (size_t i = 0; i + 1 < std::min(sparse.size(), kMaximumBuckets); i += 2) {
    if (!sparse[i].is_number_unsigned() || !sparse[i + 1].is_number_unsigned()) break;
    const uint64_t step = sparse[i].get<uint64_t>();
    if (step > kLastBucket || index + step > kLastBucket) break;
    index += step;
    latencies.buckets.emplace_back(std::max(0.01, BucketMilliseconds(index)), sparse[i + 1].get<double>());
  }
  return latencies;
}

// The load test names its steps by their share of the capacity: "0.5C".
std::string PhaseName(const Json& phase) {
  std::string name = Text(phase, "name").substr(0, 64);
  const bool share = name.size() > 1 && name.back() == 'C' && name.find_first_not_of("0123456789.") == name.size() - 1;
  return share ? absl::StrCat(name.substr(0, name.size() - 1), " of capacity") : name;
}

LoadPhase ReadPhase(const Json& json) {
  LoadPhase phase;
  phase.name = PhaseName(json);
  phase.state = Text(json, "state");
  phase.reason = Text(json, "reason");
  const auto recorded = json.find("recorded");
  phase.recorded = recorded != json.end() && recorded->is_boolean() && recorded->get<bool>();
  phase.rate_asked = Number(json, "rate_asked");
  const Json& total = Child(json, "total");
  phase.sent = Number(total, "sent");
  phase.ok = Number(Child(total, "outcomes"), "ok");
  const Json& response = Child(total, "response");
  phase.has_response = response.is_object() && !response.empty();
  if (phase.has_response) phase.response = ReadLatencies(response);
  return phase;
}

void ReadTimeline(const Json& phase, LoadRun& run) {
  const Json& timeline = Child(phase, "timeline");
  if (!timeline.is_array() || timeline.empty()) return;
  run.marks.emplace_back(run.seconds.size(), PhaseName(phase));
  for (const Json& row : timeline) {
    if (!row.is_array() || row.size() < 4 || run.seconds.size() >= kMaximumSeconds) break;
    const auto at = [&](size_t i) {
      const double value = row[i].is_number() ? row[i].get<double>() : 0;
      return std::isfinite(value) ? std::max(0.0, value) : 0;
    };
    run.seconds.push_back({at(0), at(1), at(2), at(3)});
  }
}

void ReadSignals(const Json& actions, LoadRun& run) {
  if (!actions.is_array()) return;
  for (const Json& action : actions) {
    const Json& groups = Child(action, "by_remaining");
    if (!groups.is_array()) continue;
    for (const Json& group : groups) {
      if (Number(group, "in_flight") == 0 || run.signals.size() >= kMaximumPhases) continue;
      run.signals.push_back({Text(action, "signal").substr(0, 16), Number(group, "up_to_seconds"),
                             Number(group, "in_flight"), Number(group, "served"), Number(group, "lost")});
    }
  }
}

}  // namespace

std::vector<double> Latencies::Columns(size_t bars) const {
  std::vector<double> columns(bars, 0);
  if (buckets.empty() || bars == 0) return columns;
  const double first = std::log10(low()), last = std::max(std::log10(high()), first + 0.1);
  for (const auto& [milliseconds, counted] : buckets) {
    const double place = (std::log10(milliseconds) - first) / (last - first) * static_cast<double>(bars - 1);
    columns[static_cast<size_t>(std::clamp(place, 0.0, static_cast<double>(bars - 1)))] += counted;
  }
  return columns;
}

std::string InTimeUnits(double milliseconds) {
  if (milliseconds >= 1000) return absl::StrFormat("%.1f s", milliseconds / 1000);
  if (milliseconds >= 100) return absl::StrFormat("%.0f ms", milliseconds);
  return milliseconds >= 1 ? absl::StrFormat("%.1f ms", milliseconds) : absl::StrFormat("%.2f ms", milliseconds);
}

LoadRun ParseLoadRun(const std::string& json) {
  LoadRun run;
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return run;
  const Json& phases = Child(parsed, "phases");
  if (phases.is_array()) {
    for (const Json& phase : phases) {
      if (!phase.is_object() || run.phases.size() >= kMaximumPhases) break;
      run.phases.push_back(ReadPhase(phase));
      ReadTimeline(phase, run);
    }
  }
  const Json& capacity = Child(parsed, "capacity");
  if (capacity.is_array() && !capacity.empty()) run.capacity = Number(capacity[0], "rate");
  ReadSignals(Child(parsed, "actions"), run);
  return run;
}

}  // namespace assay::cli
