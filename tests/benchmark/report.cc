// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/report.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace assay::benchmark {
namespace {

std::string Number(double value) { return absl::StrCat(value); }

// The fields a goal adds; empty without one.
std::string Judged(const Goal& goal, double value) {
  if (goal.kind == Goal::Kind::kNone) return "";
  const bool at_most = goal.kind == Goal::Kind::kAtMost;
  const bool reached = at_most ? value <= goal.value : value >= goal.value;
  return absl::StrCat(", \"goal\": \"", at_most ? "<= " : ">= ", Number(goal.value),
                      "\", \"reached\": ", reached ? "true" : "false");
}

void Print(const std::string& line) {
  std::printf("{%s}\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace

double Quantile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(static_cast<double>(values.size()) * part))];
}

double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }

void PrintRatio(absl::string_view measure, absl::string_view unit, const std::vector<double>& ours,
                absl::string_view beside_name, const std::vector<double>& beside, Goal goal) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(ours.size(), beside.size()); ++i) ratios.push_back(ours[i] / beside[i]);
  const double ratio = Median(ratios);
  Print(absl::StrCat("\"measure\": \"", measure, "\", \"unit\": \"", unit, "\", \"ours\": ", Number(Median(ours)),
                     ", \"beside\": ", Number(Median(beside)), ", \"beside_name\": \"", beside_name,
                     "\", \"ratio\": ", Number(ratio), ", \"ratio_low\": ", Number(Quantile(ratios, 0)),
                     ", \"ratio_high\": ", Number(Quantile(ratios, 1)), ", \"rounds\": ", ratios.size(),
                     Judged(goal, ratio)));
}

void PrintJudged(absl::string_view measure, absl::string_view unit, double ours, absl::string_view beside_name,
                 double beside, absl::string_view goal, bool reached) {
  Print(absl::StrCat("\"measure\": \"", measure, "\", \"unit\": \"", unit, "\", \"ours\": ", Number(ours),
                     ", \"beside\": ", Number(beside), ", \"beside_name\": \"", beside_name, "\", \"goal\": \"", goal,
                     "\", \"reached\": ", reached ? "true" : "false"));
}

void PrintFigure(absl::string_view measure, absl::string_view unit, const std::vector<double>& ours, Goal goal) {
  Print(absl::StrCat("\"measure\": \"", measure, "\", \"unit\": \"", unit, "\", \"ours\": ", Number(Median(ours)),
                     ", \"low\": ", Number(Quantile(ours, 0)), ", \"high\": ", Number(Quantile(ours, 1)),
                     ", \"rounds\": ", ours.size(), Judged(goal, Median(ours))));
}

}  // namespace assay::benchmark
