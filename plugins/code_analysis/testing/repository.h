// Small repositories in memory, for tests of the model and of checks.
//
//   const CheckRun run = RunCheck("E8", {{"server.js", R"js( … )js"}});
//   EXPECT_THAT(run.Places(), ElementsAre("server.js:4"));
//   EXPECT_LT(run.Value(), 0.3);
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_TESTING_REPOSITORY_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_TESTING_REPOSITORY_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis::testing {

using Files = std::vector<std::pair<std::string, std::string>>;

// A package.json with Express 4 (and Node 20) is added unless `files` has one.
class Repository {
 public:
  explicit Repository(Files files);
  ~Repository();
  const Model& model() const { return *model_; }

 private:
  Files files_;
  std::vector<SourceFile> sources_;
  std::unique_ptr<Model> model_;
};

struct CheckRun {
  std::shared_ptr<Repository> repository;  // spans point into it
  Report report;

  // "path:line" of every finding, in order.
  std::vector<std::string> Places() const;
  // The observation's value; fails the test and returns -1 when nothing was observed.
  double Value() const;
  bool Observed() const;
  // Why it was not observed; empty when it was.
  std::string WhyNot() const;
};

CheckRun RunCheck(std::string_view id, Files files);

// What a check made of a repository: it found a place; it saw the criterion met, or not met without naming a place; or
// it saw nothing that it could judge.
enum class Case { kFound, kGood, kLow, kUnknown };

// How many different repositories of this run's tests were such a case for a check, and in how many styles of code:
// what the files end in and whether modules are imported or required.
struct CaseCount {
  size_t repositories = 0;
  size_t styles = 0;
};
CaseCount CasesOf(std::string_view id, Case which);
// For what is no Check of the catalog (A1, the route table); RunCheck counts by itself.
void CountCase(std::string_view id, const Files& files, Case which);

// package.json with these dependencies ("express": "^4.18.0" must be among them if it is wanted).
std::string PackageJson(std::initializer_list<std::pair<const char*, const char*>> dependencies);

}  // namespace assay::code_analysis::testing

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_TESTING_REPOSITORY_H_
