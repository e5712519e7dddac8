#include "plugins/code_analysis/testing/repository.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "plugins/code_analysis/model/analyser.h"

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

struct SeenCases {
  std::set<size_t> found, not_found;  // hashes of the repositories
};

std::map<std::string, SeenCases, std::less<>>& Seen() {
  static auto* seen = new std::map<std::string, SeenCases, std::less<>>();
  return *seen;
}

}  // namespace

void CountCase(std::string_view id, const Files& files, bool found) {
  std::string all;
  for (const auto& [path, text] : files) all += path + '\n' + text + '\n';
  SeenCases& seen = Seen()[std::string(id)];
  (found ? seen.found : seen.not_found).insert(std::hash<std::string>()(all));
}

CaseCount CasesOf(std::string_view id) {
  const auto seen = Seen().find(id);
  if (seen == Seen().end()) return {};
  return {.found = seen->second.found.size(), .not_found = seen->second.not_found.size()};
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
  CountCase(id, copy, !run.report.findings.empty() || (run.Observed() && run.report.observations[0].value < 0.5));
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
