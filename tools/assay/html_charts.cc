// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/html_charts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/assay/html_report.h"

namespace assay::cli {
namespace {

using Json = nlohmann::json;

constexpr double kChartWidth = 720;
constexpr double kChartHeight = 120;
constexpr size_t kMaximumSeconds = 600;
constexpr size_t kMaximumPhases = 64;
constexpr int kHistogramBars = 48;

double Number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const Json& Child(const Json& object, const char* key) {
  static const Json kNothing = Json::object();
  const auto found = object.find(key);
  return found != object.end() ? *found : kNothing;
}

struct Second {
  double sent, ok, failed, slowest_ms;
};

struct Timeline {
  std::vector<Second> seconds;
  // First second of each phase, and its name.
  std::vector<std::pair<size_t, std::string>> phases;
};

Timeline ReadTimeline(const Json& run) {
  Timeline timeline;
  size_t phases = 0;
  for (const Json& phase : Child(run, "phases")) {
    if (!phase.is_object() || ++phases > kMaximumPhases) break;
    timeline.phases.emplace_back(timeline.seconds.size(), Text(phase, "name"));
    for (const Json& row : Child(phase, "timeline")) {
      if (!row.is_array() || row.size() < 4 || timeline.seconds.size() >= kMaximumSeconds) break;
      const auto at = [&](size_t i) { return row[i].is_number() ? row[i].get<double>() : 0; };
      timeline.seconds.push_back({at(0), at(1), at(2), at(3)});
    }
  }
  return timeline;
}

std::string TimelineChart(const Timeline& timeline) {
  if (timeline.seconds.empty()) return "";
  double most = 1, slowest = 1;
  for (const Second& second : timeline.seconds) {
    most = std::max({most, second.sent, second.ok + second.failed});
    slowest = std::max(slowest, second.slowest_ms);
  }
  const double step = kChartWidth / static_cast<double>(timeline.seconds.size());
  std::string svg = absl::StrFormat(
      "<svg class=\"timeline\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"Requests a second over the run\">",
      kChartWidth, kChartHeight + 24);
  std::string line;
  for (size_t i = 0; i < timeline.seconds.size(); ++i) {
    const Second& second = timeline.seconds[i];
    const double x = static_cast<double>(i) * step, width = std::max(0.5, step - 0.5);
    const double ok = second.ok / most * kChartHeight, failed = second.failed / most * kChartHeight;
    absl::StrAppendFormat(&svg, "<rect class=\"ok\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>", x,
                          kChartHeight - ok, width, ok);
    if (failed > 0) {
      absl::StrAppendFormat(&svg, "<rect class=\"failed\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>", x,
                            kChartHeight - ok - failed, width, failed);
    }
    absl::StrAppendFormat(&line, "%s%.2f,%.2f", line.empty() ? "" : " ", x + step / 2,
                          kChartHeight - second.slowest_ms / slowest * kChartHeight);
  }
  absl::StrAppend(&svg, "<polyline class=\"slowest\" points=\"", line, "\"/>");
  for (const auto& [first, name] : timeline.phases) {
    const double x = static_cast<double>(first) * step;
    absl::StrAppendFormat(&svg, "<line class=\"phase\" x1=\"%.2f\" x2=\"%.2f\" y1=\"0\" y2=\"%.0f\"/>", x, x,
                          kChartHeight + 4);
    absl::StrAppendFormat(&svg, "<text x=\"%.2f\" y=\"%.0f\">%s</text>", x + 2, kChartHeight + 16,
                          HtmlEscape(name.substr(0, 24)));
  }
  absl::StrAppend(&svg, "</svg>");
  absl::StrAppendFormat(&svg,
                        "<p class=\"legend\">columns: requests a second, up to %.0f (dark: answered, red: not answered as "
                        "expected) &middot; line: slowest answer of each second, up to %.0f ms</p>",
                        most, slowest);
  return svg;
}

// Lowest value in milliseconds of bucket `index` of the engine's histograms (services/loadgen/README.md).
double BucketMilliseconds(uint64_t index) {
  if (index < 2048) return static_cast<double>(index) / 1e6;
  const double shift = static_cast<double>(index / 1024 - 1);
  return (static_cast<double>(index) - 1024 * shift) * std::exp2(shift) / 1e6;
}

// Counts in bars that are evenly wide on a logarithmic axis of milliseconds.
std::string HistogramChart(const Json& histogram) {
  const Json& sparse = Child(histogram, "buckets");
  if (!sparse.is_array() || sparse.size() < 2) return "";
  std::vector<std::pair<double, double>> values;
  uint64_t index = 0;
  for (size_t i = 0; i + 1 < sparse.size(); i += 2) {
    if (!sparse[i].is_number_unsigned() || !sparse[i + 1].is_number_unsigned()) return "";
    index += sparse[i].get<uint64_t>();
    values.emplace_back(std::max(0.01, BucketMilliseconds(index)), sparse[i + 1].get<double>());
  }
  const double low = std::log10(values.front().first), high = std::max(std::log10(values.back().first), low + 0.1);
  std::array<double, kHistogramBars> bars{};
  for (const auto& [milliseconds, count] : values) {
    const int bar = static_cast<int>((std::log10(milliseconds) - low) / (high - low) * (kHistogramBars - 1));
    bars[static_cast<size_t>(std::clamp(bar, 0, kHistogramBars - 1))] += count;
  }
  const double most = *std::max_element(bars.begin(), bars.end());
  std::string svg = "<svg class=\"histogram\" viewBox=\"0 0 240 44\" role=\"img\" aria-label=\"Histogram of latency\">";
  for (int i = 0; i < kHistogramBars; ++i) {
    const double height = most > 0 ? std::sqrt(bars[static_cast<size_t>(i)] / most) * 32 : 0;
    absl::StrAppendFormat(&svg, "<rect class=\"ok\" x=\"%d\" y=\"%.1f\" width=\"4.5\" height=\"%.1f\"/>", i * 5,
                          32 - height, height);
  }
  absl::StrAppendFormat(&svg, "<text x=\"0\" y=\"42\">%.2g ms</text><text x=\"240\" y=\"42\" class=\"end\">%.3g ms</text></svg>",
                        std::pow(10, low), std::pow(10, high));
  return svg;
}

std::string PhaseTable(const Json& run) {
  std::string rows;
  size_t phases = 0;
  for (const Json& phase : Child(run, "phases")) {
    if (!phase.is_object() || ++phases > kMaximumPhases) break;
    const Json& total = Child(phase, "total");
    const Json& response = Child(total, "response");
    const Json& outcomes = Child(total, "outcomes");
    if (total.empty()) continue;
    absl::StrAppendFormat(&rows, "<tr><td>%s</td><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td>",
                          HtmlEscape(Text(phase, "name")), Number(phase, "rate_asked"), Number(total, "sent"),
                          Number(total, "sent") - Number(outcomes, "ok"));
    if (response.empty()) {
      absl::StrAppend(&rows, "<td colspan=\"4\" class=\"quiet\">",
                      HtmlEscape(Text(phase, "reason").empty() ? "not recorded" : Text(phase, "reason")), "</td></tr>");
      continue;
    }
    absl::StrAppendFormat(&rows, "<td class=\"n\">%.2f</td><td class=\"n\">%.2f</td><td class=\"n\">%.2f</td><td>%s</td></tr>",
                          Number(response, "p50_ms"), Number(response, "p90_ms"), Number(response, "p99_ms"),
                          HistogramChart(response));
  }
  if (rows.empty()) return "";
  return absl::StrCat("<table><thead><tr><th>phase</th><th>asked/s</th><th>sent</th><th>not as expected</th><th>p50 ms</th>"
                      "<th>p90 ms</th><th>p99 ms</th><th>latency from the intended start</th></tr></thead><tbody>",
                      rows, "</tbody></table>");
}

std::string ActionTable(const Json& run) {
  std::string rows;
  for (const Json& action : Child(run, "actions")) {
    if (!action.is_object()) break;
    for (const Json& group : Child(action, "by_remaining")) {
      if (!group.is_object() || Number(group, "in_flight") == 0) continue;
      const auto limit = group.find("up_to_seconds");
      const std::string name = limit != group.end() && limit->is_number()
                                   ? absl::StrFormat("up to %.1f s to go", limit->get<double>())
                                   : "longer";
      absl::StrAppendFormat(&rows,
                            "<tr><td>SIG%s</td><td>%s</td><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td><td "
                            "class=\"n\">%.0f</td></tr>",
                            HtmlEscape(Text(action, "signal")), name, Number(group, "in_flight"),
                            Number(group, "served"), Number(group, "lost"));
    }
  }
  if (rows.empty()) return "";
  return absl::StrCat("<table><thead><tr><th>signal</th><th>requests with</th><th>in flight</th><th>served</th><th>lost</th>"
                      "</tr></thead><tbody>",
                      rows, "</tbody></table>");
}

}  // namespace

std::string IntervalChart(double score, const v1::Interval& interval, bool seen) {
  const auto x = [](double value) { return 10 + std::clamp(value, 0.0, 4.0) / 4 * 300; };
  std::string svg = "<svg class=\"interval\" viewBox=\"0 0 320 18\" role=\"img\">";
  for (int tick = 0; tick <= 4; ++tick) {
    absl::StrAppendFormat(&svg, "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"3\" y2=\"15\"/>", x(tick), x(tick));
  }
  absl::StrAppendFormat(&svg, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"9\" y2=\"9\"/>", seen ? "range" : "range unseen",
                        x(interval.low()), x(interval.high()));
  if (seen) absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"9\" r=\"5\"/>", x(score));
  return svg + "</svg>";
}

std::string LoadRunCharts(const std::string& run_json) {
  const Json run = Json::parse(run_json, nullptr, /*allow_exceptions=*/false);
  if (!run.is_object()) return "";
  return absl::StrCat(TimelineChart(ReadTimeline(run)), PhaseTable(run), ActionTable(run));
}

}  // namespace assay::cli
