#include "plugins/code_analysis/testing/repository.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "plugins/code_analysis/model/analyser.h"
#include "services/common/base/testing/wording.h"

namespace assay::code_analysis::testing {

Repository::Repository(Files files) : files_(std::move(files)) {
  bool has_package = false;
  for (const auto& [path, text] : files_) has_package = has_package || path == "package.json";
  if (!has_package)
    files_.emplace_back("package.json",
                        R"({"name": "sample", "dependencies": {"express": "^4.18.2"}, "engines": {"node": ">=20"}})");
  for (uint32_t i = 0; i < files_.size(); ++i) {
    sources_.push_back({.path = files_[i].first, .bytes = files_[i].second, .index = i});
  }
  model_ = AnalyseRepository(sources_, {});
}

Repository::~Repository() = default;

std::vector<std::string> CheckRun::Places() const {
  std::vector<std::string> places;
  for (const Finding& finding : report.findings)
    places.push_back(std::string(finding.span.file->path) + ":" + std::to_string(finding.span.line));
  return places;
}

double CheckRun::Value() const {
  if (!Observed()) {
    ADD_FAILURE() << "nothing was observed: " << WhyNot();
    return -1;
  }
  return report.observations[0].value;
}

bool CheckRun::Observed() const {
  return !report.observations.empty() && report.observations[0].state == State::kObserved;
}

std::string CheckRun::WhyNot() const {
  return report.observations.empty() || Observed() ? std::string() : report.observations[0].rationale;
}

namespace {

// Hashes of the repositories of one kind of case, and the styles they are written in.
struct Seen {
  std::set<size_t> repositories;
  std::set<std::string> styles;
};

std::map<std::pair<std::string, Case>, Seen>& SeenCases() {
  static auto* seen = new std::map<std::pair<std::string, Case>, Seen>();
  return *seen;
}

bool HasLineWith(std::string_view text, std::initializer_list<std::string_view> beginnings) {
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) == text.npos ? text.size() : text.find('\n', at) + 1) {
    for (std::string_view beginning : beginnings) {
      if (text.substr(at).starts_with(beginning)) return true;
    }
  }
  return false;
}

// How modules are written and what the files end in; of files that hold no code, their names.
std::string StyleOf(const Files& files) {
  std::set<std::string> styles;
  for (const auto& [path, text] : files) {
    const std::string extension = path.substr(std::min(path.rfind('.'), path.size()));
    static const std::set<std::string> kCode = {".js", ".cjs", ".mjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"};
    if (kCode.count(extension) == 0) {
      if (path != "package.json") styles.insert(path);
      continue;
    }
    const bool modules = HasLineWith(text, {"import ", "import{", "export "});
    const bool common = text.find("require(") != text.npos || text.find("exports") != text.npos;
    styles.insert(extension + (modules ? " import" : "") + (common ? " require" : ""));
  }
  std::string all;
  for (const std::string& style : styles) all += style + ", ";
  return all;
}

Case CaseOf(const CheckRun& run) {
  if (!run.report.findings.empty()) return Case::kFound;
  if (!run.Observed()) return Case::kUnknown;
  return run.report.observations[0].value < 0.5 ? Case::kLow : Case::kGood;
}

}  // namespace

void CountCase(std::string_view id, const Files& files, Case which) {
  std::string all;
  for (const auto& [path, text] : files) all += path + '\n' + text + '\n';
  Seen& seen = SeenCases()[{std::string(id), which}];
  seen.repositories.insert(std::hash<std::string>()(all));
  seen.styles.insert(StyleOf(files));
}

CaseCount CasesOf(std::string_view id, Case which) {
  const auto seen = SeenCases().find({std::string(id), which});
  if (seen == SeenCases().end()) return {};
  return {.repositories = seen->second.repositories.size(), .styles = seen->second.styles.size()};
}

CheckRun RunCheck(std::string_view id, Files files) {
  CheckRun run;
  const Files copy = files;
  run.repository = std::make_shared<Repository>(std::move(files));
  const Check* check = FindCheck(id);
  if (check == nullptr) {
    ADD_FAILURE() << "there is no check " << id;
    return run;
  }
  Reporter reporter(*check, run.report);
  check->run(run.repository->model(), reporter);
  CountCase(id, copy, CaseOf(run));
  // What is said to a reader, whatever the test is about.
  for (const Finding& finding : run.report.findings)
    EXPECT_EQ(assay::testing::AccusingWordIn(finding.message), "") << id << ": " << finding.message;
  for (const Observation& observation : run.report.observations)
    EXPECT_EQ(assay::testing::AccusingWordIn(observation.rationale), "") << id << ": " << observation.rationale;
  for (const ReportedClaim& claim : run.report.claims)
    EXPECT_EQ(assay::testing::AccusingWordIn(claim.statement), "") << id << ": " << claim.statement;
  return run;
}

std::string PackageJson(std::initializer_list<std::pair<const char*, const char*>> dependencies) {
  std::string text = "{\n  \"name\": \"sample\",\n  \"dependencies\": {";
  bool first = true;
  for (const auto& [name, range] : dependencies) {
    text += std::string(first ? "" : ",") + "\n    \"" + name + "\": \"" + range + "\"";
    first = false;
  }
  return text + "\n  }\n}\n";
}

}  // namespace assay::code_analysis::testing
