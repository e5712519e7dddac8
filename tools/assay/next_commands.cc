// SPDX-License-Identifier: Apache-2.0
// Where a reader can go on from a report.
#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/shell_quote.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

// The behaviours on which a run showed otherwise than the code suggests.
std::set<std::string> Surprising(const v1::EvaluationReport& report) {
  std::set<std::string> behaviours;
  for (const auto& contradiction : report.readiness().contradictions()) {
    if (!absl::StartsWith(contradiction.id(), "claim/")) continue;
    behaviours.insert(contradiction.behaviours().begin(), contradiction.behaviours().end());
  }
  return behaviours;
}

// Where a walk down shows most: a competency with something surprising, rated by a person, else the best covered one.
std::string CompetencyToExplain(const v1::EvaluationReport& report) {
  const std::set<std::string> surprising = Surprising(report);
  std::set<std::string> rated;
  for (const auto& observation : report.observations()) {
    if (absl::StartsWith(observation.criterion(), "rating/")) rated.insert(observation.criterion().substr(7));
  }
  std::string best;
  double best_weight = 0;
  for (const auto& area : report.readiness().areas()) {
    for (const auto& competency : area.competencies()) {
      const auto& behaviours = competency.behaviours();
      const bool surprises =
          std::any_of(behaviours.begin(), behaviours.end(),
                      [&](const v1::BehaviourReadiness& behaviour) { return surprising.count(behaviour.id()) > 0; });
      const double weight = competency.coverage() + (surprises ? 2 : 0) + (rated.count(competency.id()) > 0 ? 1 : 0);
      if (competency.coverage() > 0 && weight > best_weight) {
        best = competency.id();
        best_weight = weight;
      }
    }
  }
  return best;
}

}  // namespace

NextCommands CommandsAfter(const v1::EvaluationReport& report, const NextOptions& options) {
  const std::string candidate = ShellQuote(report.candidate());
  const std::string assessment =
      report.assessment() == "main" ? "" : absl::StrCat(" --assessment ", ShellQuote(report.assessment()));
  NextCommands commands;
  const std::string competency = CompetencyToExplain(report);
  if (!competency.empty()) {
    commands.push_back(
        absl::StrCat(options.program, " readiness explain ", candidate, " ", competency, assessment, options.suffix));
  }
  if (!options.page_written) {
    commands.push_back(absl::StrCat(options.program, " readiness get ", candidate, assessment, " --report report.html",
                                    options.suffix));
  }
  return commands;
}

}  // namespace assay::cli
