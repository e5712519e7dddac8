// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/html_charts.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/assay/html_text.h"

namespace assay::cli {
namespace {

constexpr double kWidth = 760;
constexpr double kHeight = 140;
constexpr double kLeft = 44;
constexpr double kRight = 56;
constexpr double kTop = 8;
constexpr double kLabelWidth = 6;  // of one letter, about
constexpr size_t kHistogramBars = 64;

std::string Rectangle(const char* kind, double x, double y, double width, double height) {
  return absl::StrFormat("<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>", kind, x, y, width,
                         height);
}

std::string Label(double x, double y, const char* anchor, const std::string& text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x, y, anchor, HtmlEscape(text));
}

std::string TimelineChart(const LoadRun& run) {
  if (run.seconds.size() < 2) return "";
  double most = 1, slowest = 1;
  for (const LoadSecond& second : run.seconds) {
    most = std::max({most, second.sent, second.ok + second.failed});
    slowest = std::max(slowest, second.slowest_ms);
  }
  const double inner = kWidth - kLeft - kRight, step = inner / static_cast<double>(run.seconds.size());
  const double bottom = kTop + kHeight;
  std::string svg = absl::StrFormat(
      "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Timeline\"><svg class=\"timeline\" viewBox=\"0 "
      "0 %.0f %.0f\" "
      "role=\"img\" aria-label=\"Requests a second over %d seconds, at most %.0f; slowest answer %s\">",
      kWidth, bottom + 34, static_cast<int>(run.seconds.size()), most, InTimeUnits(slowest));
  for (int quarter = 0; quarter <= 2; ++quarter) {
    const double y = kTop + kHeight * quarter / 2;
    absl::StrAppendFormat(&svg, "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", kLeft,
                          kWidth - kRight, y, y);
    absl::StrAppend(
        &svg, Label(kLeft - 6, y + 4, "end", absl::StrFormat("%.0f/s", most * (2 - quarter) / 2)),
        Label(kWidth - kRight + 6, y + 4, "start", quarter == 2 ? "0" : InTimeUnits(slowest * (2 - quarter) / 2)));
  }
  std::string line;
  for (size_t i = 0; i < run.seconds.size(); ++i) {
    const LoadSecond& second = run.seconds[i];
    const double x = kLeft + static_cast<double>(i) * step, width = std::max(0.5, step - std::min(1.0, step / 4));
    const double ok = second.ok / most * kHeight, failed = second.failed / most * kHeight;
    if (ok > 0) absl::StrAppend(&svg, Rectangle("ok", x, bottom - ok, width, ok));
    if (failed > 0) absl::StrAppend(&svg, Rectangle("failed", x, bottom - ok - failed, width, failed));
    absl::StrAppendFormat(&line, "%s%.1f,%.1f", line.empty() ? "" : " ", x + step / 2,
                          bottom - second.slowest_ms / slowest * kHeight);
  }
  absl::StrAppend(&svg, "<polyline class=\"slowest\" points=\"", line, "\"/>");
  double free_from = 0;
  for (const auto& [first, name] : run.marks) {
    const double x = kLeft + static_cast<double>(first) * step;
    absl::StrAppendFormat(&svg, "<line class=\"phase\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x, x, kTop,
                          bottom + 6);
    if (x < free_from) continue;
    absl::StrAppend(&svg, Label(x + 2, bottom + 20, "start", name));
    free_from = x + kLabelWidth * static_cast<double>(name.size()) + 8;
  }
  return svg +
         "</svg></div><p class=\"legend\"><span class=\"key ok\"></span> answered as expected, each second "
         "<span class=\"key failed\"></span> not <span class=\"key slowest\"></span> slowest answer of the second</p>";
}

std::string HistogramChart(const LoadPhase& phase) {
  const Latencies& response = phase.response;
  if (response.buckets.empty()) return "";
  const std::vector<double> columns = response.Columns(kHistogramBars);
  const double most = *std::max_element(columns.begin(), columns.end());
  const double first = std::log10(response.low()), last = std::max(std::log10(response.high()), first + 0.1);
  const auto x = [&](double milliseconds) {
    return std::clamp((std::log10(std::max(milliseconds, 1e-3)) - first) / (last - first), 0.0, 1.0) *
               (kHistogramBars - 1) * 5 +
           2.5;
  };
  std::string svg = absl::StrFormat(
      "<svg class=\"histogram\" viewBox=\"0 0 320 74\" role=\"img\" aria-label=\"Latency of %s: median %s, 90 %% "
      "within %s, 99 %% "
      "within %s, at most %s\">",
      HtmlEscape(phase.name), InTimeUnits(response.p50), InTimeUnits(response.p90), InTimeUnits(response.p99),
      InTimeUnits(response.max));
  for (size_t i = 0; i < kHistogramBars; ++i) {
    if (columns[i] <= 0) continue;
    const double height = std::max(1.0, std::sqrt(columns[i] / most) * 44);
    absl::StrAppend(&svg, Rectangle("ok", static_cast<double>(i) * 5, 52 - height, 4.5, height));
  }
  for (const double percentile : {response.p50, response.p99}) {
    absl::StrAppendFormat(&svg, "<line class=\"percentile\" x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" y2=\"54\"/>",
                          x(percentile), x(percentile));
  }
  absl::StrAppend(&svg, "<line class=\"base\" x1=\"0\" x2=\"320\" y1=\"52.5\" y2=\"52.5\"/>",
                  Label(0, 68, "start", InTimeUnits(response.low())),
                  Label(320, 68, "end", InTimeUnits(response.high())));
  return svg + "</svg>";
}

std::string PhaseCards(const LoadRun& run) {
  std::string out;
  for (const LoadPhase& phase : run.phases) {
    if (!phase.recorded) continue;
    absl::StrAppendFormat(
        &out, "<figure><figcaption><b>%s</b> <span class=\"quiet\">%.0f a second, %.0f sent%s</span></figcaption>",
        HtmlEscape(phase.name), phase.rate_asked, phase.sent,
        phase.sent > phase.ok
            ? absl::StrFormat(", <span class=\"bad\">%.0f not as expected</span>", phase.sent - phase.ok)
            : "");
    if (!phase.has_response) {
      absl::StrAppend(&out, "<p class=\"quiet\">",
                      phase.reason.empty() ? "no latency recorded" : HtmlEscape(phase.reason), "</p></figure>");
      continue;
    }
    absl::StrAppendFormat(
        &out,
        "%s<dl class=\"percentiles\"><div><dt>p50</dt><dd>%s</dd></div><div><dt>p90</dt><dd>%s</dd></div>"
        "<div><dt>p99</dt><dd>%s</dd></div><div><dt>max</dt><dd>%s</dd></div></dl></figure>",
        HistogramChart(phase), InTimeUnits(phase.response.p50), InTimeUnits(phase.response.p90),
        InTimeUnits(phase.response.p99), InTimeUnits(phase.response.max));
  }
  if (out.empty()) return "";
  return absl::StrCat(
      "<div class=\"phases\">", out,
      "</div><p class=\"legend\">Latency from the intended start of each request, logarithmic; dashed: median and 99th "
      "percentile.</p>");
}

std::string SignalTable(const LoadRun& run) {
  std::string rows;
  for (const SignalGroup& group : run.signals) {
    const std::string name =
        group.up_to_seconds > 0 ? absl::StrFormat("up to %.1f s more", group.up_to_seconds) : "longer";
    absl::StrAppendFormat(&rows,
                          "<tr><td>SIG%s</td><td>%s</td><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td><td "
                          "class=\"n%s\">%.0f</td></tr>",
                          HtmlEscape(group.signal), name, group.in_flight, group.served, group.lost > 0 ? " bad" : "",
                          group.lost);
  }
  if (rows.empty()) return "";
  return absl::StrCat(
      "<table class=\"narrow\"><caption>Requests in flight when the signal came</caption><thead><tr><th "
      "scope=\"col\">signal</th>"
      "<th scope=\"col\">would have needed</th><th scope=\"col\">in flight</th><th scope=\"col\">served</th>"
      "<th scope=\"col\">lost</th></tr></thead><tbody>",
      rows, "</tbody></table>");
}

double OnScale(double value) { return 10 + std::clamp(value, 0.0, 4.0) / 4 * 300; }

}  // namespace

std::string IntervalAxis() {
  std::string svg = "<svg class=\"interval axis\" viewBox=\"0 0 320 14\" aria-hidden=\"true\">";
  for (int tick = 0; tick <= 4; ++tick) absl::StrAppend(&svg, Label(OnScale(tick), 11, "middle", absl::StrCat(tick)));
  return svg + "</svg>";
}

std::string IntervalChart(double score, const v1::Interval& interval, bool seen) {
  std::string svg =
      absl::StrFormat("<svg class=\"interval\" viewBox=\"0 0 320 18\" role=\"img\" aria-label=\"%s\">",
                      seen ? absl::StrFormat("%.1f of 4, between %.1f and %.1f", score, interval.low(), interval.high())
                           : "nothing seen yet");
  for (int tick = 0; tick <= 4; ++tick) {
    absl::StrAppendFormat(&svg, "<line class=\"tick\" x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" y2=\"16\"/>", OnScale(tick),
                          OnScale(tick));
  }
  absl::StrAppendFormat(&svg, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"9\" y2=\"9\"/>",
                        seen ? "range" : "range unseen", OnScale(interval.low()), OnScale(interval.high()));
  if (seen) absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"9\" r=\"5.5\"/>", OnScale(score));
  return svg + "</svg>";
}

std::string SignalBar(const LoadRun& run) {
  double in_flight = 0, served = 0, lost = 0;
  for (const SignalGroup& group : run.signals) {
    in_flight += group.in_flight;
    served += group.served;
    lost += group.lost;
  }
  if (in_flight <= 0) return "";
  const double width = std::clamp(served / in_flight, 0.0, 1.0) * 320;
  return absl::StrCat(
      absl::StrFormat(
          "<svg class=\"signal\" viewBox=\"0 0 320 30\" role=\"img\" aria-label=\"Of %.0f requests in flight %.0f were "
          "served and %.0f lost\">",
          in_flight, served, lost),
      Rectangle("ok", 0, 0, width, 12), Rectangle("failed", width, 0, std::clamp(lost / in_flight, 0.0, 1.0) * 320, 12),
      Label(0, 26, "start", absl::StrFormat("%.0f served", served)),
      Label(320, 26, "end", absl::StrFormat("%.0f lost", lost)), "</svg>");
}

std::string LoadRunCharts(const LoadRun& run) {
  return absl::StrCat(TimelineChart(run), PhaseCards(run), SignalTable(run));
}

}  // namespace assay::cli
