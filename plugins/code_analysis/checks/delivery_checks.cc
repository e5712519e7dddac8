// SPDX-License-Identifier: Apache-2.0
// M1, M3, M4: what stands between a change and its merge. N1: decisions on record.
#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/api_tests.h"
#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/repository_facts.h"
#include "plugins/code_analysis/repository_documents.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxEvidence = 12;

bool HasTests(const Model& model) {
  return std::any_of(model.modules().begin(), model.modules().end(),
                     [](const auto& module) { return module->role == Role::kTest; });
}

bool RunsTests(const std::vector<Manifest>& manifests) {
  for (const Manifest& manifest : manifests) {
    const Script* script = manifest.FindScript("test");
    if (script != nullptr && !text::Contains(script->command, "no test specified")) return true;
  }
  return false;
}

// ---- M1 ----

void ApiLevelTests(const Model& model, Reporter& reporter) {
  const ApiTests tests = FindApiTests(model);
  if (tests.test_files == 0) {
    reporter.NotObservedYet("No tests are in the repository.");
    return;
  }
  for (const Node only : tests.exclusive) {
    reporter.Find(model.SpanOf(only), "The code suggests that this `.only` keeps every other test from running.");
  }
  for (const Node test : tests.unchecked) {
    reporter.Find(model.SpanOf(test), Severity::kNote,
                  "The code suggests that this test sends a request and checks nothing of the answer.");
  }
  if (tests.checked.empty()) {
    reporter.Observe(0.15, error_of::kAbsence,
                     text::Cat({Counted(tests.test_files, "test file"),
                                " found; none was seen to send a request to the application."}),
                     {tests.first_file});
    return;
  }
  // With most paths made at run time, the few exact ones say little.
  const bool paths_known = tests.routes * 2 >= model.routes().size() && tests.routes > 0;
  const double share =
      !paths_known ? 0.5 : static_cast<double>(tests.routes_reached) / static_cast<double>(tests.routes);
  double value = 0.4 + 0.35 * std::min(1.0, share / 0.6);
  if (tests.error_answers >= 2) value += 0.1;
  if (RunsTests(ReadManifests(model))) value += 0.15;
  if (!tests.exclusive.empty()) value -= 0.3;
  std::vector<Span> evidence;
  for (const Node test : tests.checked) {
    if (evidence.size() < kMaxEvidence) evidence.push_back(model.SpanOf(test));
  }
  std::string rationale = text::Cat(
      {"Tests that send requests to the application and check the answer: ", std::to_string(tests.checked.size())});
  if (paths_known) {
    rationale +=
        text::Cat({"; they reach ", std::to_string(tests.routes_reached), " of ", Counted(tests.routes, "route")});
  }
  reporter.Observe(std::clamp(value, 0.0, 1.0), error_of::kCrossFile, rationale + ".", std::move(evidence));
}

// ---- M3 ----

// Whether the gate's tool collects coverage when a step of the pipelines runs it.
bool IsEnforced(const CoverageGate& gate, const std::vector<GateUse>& uses) {
  return std::any_of(uses.begin(), uses.end(), [&](const GateUse& use) {
    if (!use.blocking) return false;
    const bool same_tool = text::Contains(use.program, gate.tool);
    if (use.gate == Gate::kCoverage) return same_tool || gate.tool == "nyc" || gate.tool == "c8";
    return use.gate == Gate::kTest && same_tool && gate.always_collected;
  });
}

void CoverageIsGated(const Model& model, Reporter& reporter) {
  const std::vector<Manifest> manifests = ReadManifests(model);
  const std::vector<CoverageGate> gates = ReadCoverageGates(manifests, model.files());
  if (gates.empty()) {
    if (!HasTests(model) || !RunsTests(manifests)) {
      reporter.NotObservedYet("No tests that a script runs are in the repository.");
      return;
    }
    reporter.Observe(0.15, error_of::kAbsence, "A script runs tests, and no coverage threshold was found.",
                     {PlaceIn(model, manifests[0].path, 0)}, Method::kConfig);
    return;
  }
  const std::vector<GateUse> uses = FindGates(ReadPipelines(model.files()), manifests);
  const CoverageGate& gate =
      *std::max_element(gates.begin(), gates.end(), [](const CoverageGate& a, const CoverageGate& b) {
        return std::max(a.lines, a.lowest) < std::max(b.lines, b.lowest);
      });
  const double threshold = std::max(gate.lines, gate.lowest);
  const bool enforced = IsEnforced(gate, uses);
  double value = threshold >= 80 ? 0.7 : threshold >= 60 ? 0.55 : 0.35;
  value += enforced ? 0.3 : gate.always_collected ? 0.05 : -0.2;
  const Span place = PlaceIn(model, gate.path, gate.line);
  if (!enforced && !uses.empty()) {
    reporter.Find(
        place, text::Cat({"The code suggests that no step of the pipelines applies this threshold of `", gate.tool,
                          "`: it is checked only where coverage is collected, and none that can stop a change does."}));
  }
  reporter.Observe(value, error_of::kConfiguration,
                   text::Cat({"`", gate.tool, "` asks for ", std::to_string(static_cast<int>(threshold)), " % ",
                              enforced ? "and a pipeline step that can stop a change applies it."
                                       : "and no pipeline step that can stop a change was seen to apply it."}),
                   {place}, Method::kConfig);
}

// ---- M4 ----

bool UsesTypeScript(const std::vector<Manifest>& manifests) {
  return std::any_of(manifests.begin(), manifests.end(),
                     [](const Manifest& m) { return m.FindDependency("typescript") != nullptr; });
}

// A gate of which no use blocks, once for each place.
void ReportIdleGates(const Model& model, const std::vector<GateUse>& uses, const std::set<Gate>& blocking,
                     Reporter& reporter) {
  for (const GateUse& use : uses) {
    if (use.blocking || blocking.contains(use.gate) || use.gate == Gate::kBuild || use.gate == Gate::kCoverage)
      continue;
    // Compiling or linting in a pipeline that delivers is no gate that went missing; tests there are.
    if (text::Contains(use.reason, "pull request") && use.gate != Gate::kTest) continue;
    reporter.Find(PlaceIn(model, use.path, use.line), text::Cat({"The code suggests that `", use.program,
                                                                 "` cannot stop a change here: ", use.reason, "."}));
  }
}

void PipelinesBlock(const Model& model, Reporter& reporter) {
  const std::vector<Pipeline> pipelines = ReadPipelines(model.files());
  if (pipelines.empty()) {
    reporter.NotObservedYet("No pipeline of GitHub Actions, GitLab CI, CircleCI or Travis CI is in the repository.");
    return;
  }
  const std::vector<Manifest> manifests = ReadManifests(model);
  const std::vector<GateUse> uses = FindGates(pipelines, manifests);
  const std::vector<CoverageGate> thresholds = ReadCoverageGates(manifests, model.files());
  const bool coverage_can_fail = std::any_of(thresholds.begin(), thresholds.end(),
                                             [&](const CoverageGate& gate) { return IsEnforced(gate, uses); });
  std::set<Gate> blocking;
  std::vector<Span> evidence;
  for (const GateUse& use : uses) {
    if (!use.blocking || (use.gate == Gate::kCoverage && !coverage_can_fail)) continue;
    const bool first = blocking.insert(use.gate).second;
    if (first && evidence.size() < kMaxEvidence) evidence.push_back(PlaceIn(model, use.path, use.line));
  }
  ReportIdleGates(model, uses, blocking, reporter);
  const std::vector<UngatedDelivery> deliveries = FindUngatedDeliveries(pipelines, manifests);
  for (const UngatedDelivery& delivery : deliveries) {
    reporter.Find(PlaceIn(model, delivery.path, delivery.line),
                  text::Cat({"The code suggests that job `", delivery.job, "` delivers without waiting for job `",
                             delivery.gate_job, "`: nothing in `needs` joins them."}));
  }
  const bool typed = UsesTypeScript(manifests);
  double value = 0, whole = 0;
  std::string names;
  for (const auto& [gate, weight] : std::array<std::pair<Gate, double>, 5>{{{Gate::kTest, 0.45},
                                                                            {Gate::kLint, 0.2},
                                                                            {Gate::kTypes, 0.15},
                                                                            {Gate::kCoverage, 0.1},
                                                                            {Gate::kSecurity, 0.1}}}) {
    if (gate == Gate::kTypes && !typed) continue;
    whole += weight;
    if (!blocking.contains(gate)) continue;
    value += weight;
    names += text::Cat({names.empty() ? "" : ", ", GateName(gate)});
  }
  value = value / whole - (deliveries.empty() ? 0 : 0.15);
  if (evidence.empty()) evidence.push_back(PlaceIn(model, pipelines[0].path, 0));
  const bool none = names.empty();
  reporter.Observe(std::clamp(value, 0.0, 1.0), none ? error_of::kAbsence : error_of::kConfiguration,
                   none ? "No step was seen that can stop a proposed change."
                        : text::Cat({"Steps that can stop a proposed change: ", names, "."}),
                   std::move(evidence), Method::kConfig);
}

// ---- N1 ----

// Which part of a record says too little; empty when none.
std::string ThinPart(const DecisionRecord& record) {
  std::vector<std::string> parts;
  if (record.context_words < 20) parts.emplace_back("the context");
  if (record.decision_words < 10) parts.emplace_back("the decision");
  if (record.consequence_words < 20 && record.options < 2) parts.emplace_back("consequences or options");
  return text::Join(parts, " and ");
}

void DecisionsAreRecorded(const Model& model, Reporter& reporter) {
  const std::vector<DecisionRecord> records = ReadDecisionRecords(model.files(), ReadManifests(model));
  std::vector<const DecisionRecord*> telling;
  for (const DecisionRecord& record : records) {
    if (record.HasSubstance()) {
      telling.push_back(&record);
    } else if (!record.is_unfilled && record.context_words + record.decision_words + record.consequence_words > 0) {
      reporter.Find(PlaceIn(model, record.path, 1),
                    text::Cat({"The document suggests a decision without its reasons: little is said under ",
                               ThinPart(record), "."}));
    }
  }
  if (telling.empty()) {
    reporter.NotObservedYet(records.empty() ? "No decision records are in the repository."
                                            : "What lies among the decision records is a template, a tool's first "
                                              "record, or headings with little below them.");
    return;
  }
  double options = 0, references = 0;
  bool measure = false, succession = false;
  std::vector<Span> evidence;
  for (const DecisionRecord* record : telling) {
    options += record->options >= 2;
    references += !record->references.empty();
    measure |= record->has_measure;
    succession |= record->has_succession;
    if (evidence.size() < kMaxEvidence) evidence.push_back(PlaceIn(model, record->path, 0));
  }
  const auto count = static_cast<double>(telling.size());
  double value = telling.size() >= 3 ? 0.55 : telling.size() == 2 ? 0.45 : 0.3;
  value += 0.12 * options / count + 0.15 * references / count + (measure ? 0.06 : 0) + (succession ? 0.05 : 0);
  reporter.Observe(
      value, 0.25,
      text::Cat({Counted(telling.size(), "decision record"), " with context, decision and consequences; ",
                 std::to_string(static_cast<int>(references)), " of them name files or packages that exist here."}),
      std::move(evidence), Method::kDocument);
}

constexpr Check kChecks[] = {
    {
        .id = "M1",
        .criterion = "tests.api_level",
        .title = "Tests send requests to the application and check the answers",
        .severity = Severity::kWarning,
        .help = "A test that goes through the HTTP interface exercises routing, middleware order, validation and error "
                "handling "
                "together, which is where services break. Start the application in the test (supertest, or listen on "
                "port 0 and "
                "fetch), assert status and body, and cover refusals as well as successes.",
        .question = "Which faults of this service would the tests here let through to production?",
        .good_answer =
            "Names layers the tests do not pass (middleware, error answers, real database), tells which of them matter "
            "most for users, and how one would test them without making the suite slow or unsteady.",
        .run = ApiLevelTests,
    },
    {
        .id = "M3",
        .criterion = "tests.coverage_gate",
        .title = "Too little coverage stops a change",
        .severity = Severity::kWarning,
        .help = "A threshold keeps coverage from eroding only if a run that can stop a change collects coverage and "
                "fails below it. "
                "Set it slightly under today's value (`coverageThreshold`, `check-coverage`, `thresholds`), collect "
                "coverage in the "
                "pipeline, and raise it over time.",
        .question =
            "What happens to a pull request that deletes half of the tests, and which line of this setup decides it?",
        .good_answer = "Follows the pipeline step to the command and the setting, says whether coverage is collected "
                       "there, and knows "
                       "what line coverage does not show (missing assertions, untested branches).",
        .run = CoverageIsGated,
    },
    {
        .id = "M4",
        .criterion = "ci.blocking_gates",
        .title = "Pipelines can stop a change",
        .severity = Severity::kWarning,
        .help = "A step protects the main branch only if it runs for pull requests and its failure fails the run: no "
                "`continue-on-error`, no `|| true`, no condition that leaves pull requests out. Let jobs that publish "
                "or deploy wait "
                "for the ones that test (`needs`).",
        .question = "This step fails on a pull request. What stops the merge, and what stops the deployment?",
        .good_answer = "Distinguishes the step's exit status, the job graph and branch protection, and says why a "
                       "warning-only step "
                       "is either made blocking or removed after a while.",
        .run = PipelinesBlock,
    },
    {
        .id = "N1",
        .criterion = "documents.decision_records",
        .title = "Decisions are recorded with their reasons",
        .severity = Severity::kNote,
        .help = "A decision record is worth its page when it says what forced the decision, which options were "
                "weighed, what was "
                "chosen and what that costs. Name the files and packages it is about, give numbers where they decided, "
                "and mark a "
                "record as superseded instead of rewriting it.",
        .question =
            "Which option did this decision turn down, and what would have to change for you to take it after all?",
        .good_answer =
            "Gives the forces of that time, the rejected option with its strengths, the cost that was accepted, and a "
            "signal that would reopen the question.",
        .run = DecisionsAreRecorded,
    },
};

}  // namespace

std::span<const Check> DeliveryChecks() { return kChecks; }

}  // namespace assay::code_analysis
