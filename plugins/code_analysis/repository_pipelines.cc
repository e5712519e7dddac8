// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/repository_pipelines.h"

#include <algorithm>
#include <utility>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxPipelines = 100;
constexpr size_t kMaxJobs = 500;
constexpr size_t kMaxSteps = 500;
constexpr size_t kMaxScriptBytes = 64u << 10;

// The commands of one text or of a list of texts (GitLab nests lists), with their lines in the file.
void AppendCommands(DataValue script, bool pipefail, std::vector<ShellCommand>* out, int depth = 0) {
  for (size_t i = 0; script.is_list() && i < script.size() && i < kMaxSteps && depth < 4; ++i) {
    AppendCommands(script.at(i), pipefail, out, depth + 1);
  }
  if (!script.is_text() || out->size() > kMaxSteps) return;
  // A block scalar ("run: |") starts on the line below its key.
  const uint32_t first = script.line() + (text::Contains(script.text(), "\n") ? 1 : 0);
  for (ShellCommand& command : SplitShell(script.text().substr(0, kMaxScriptBytes), pipefail)) {
    command.line += first - 1;
    out->push_back(std::move(command));
  }
}

// Whether a list of branch or tag patterns, or one of them, lets a proposed change's branch through.
bool NamesAnyBranch(DataValue patterns) {
  if (patterns.is_text()) return text::IsOneOf(patterns.text(), {"**", "*", "/.*/", "branches", "merge_requests"});
  for (size_t i = 0; patterns.is_list() && i < patterns.size(); ++i) {
    if (NamesAnyBranch(patterns.at(i))) return true;
  }
  return false;
}

std::vector<std::string> Names(DataValue value) {
  std::vector<std::string> names;
  if (value.is_text()) names.emplace_back(value.text());
  for (size_t i = 0; value.is_list() && i < value.size() && i < kMaxJobs; ++i) {
    const DataValue name = value.at(i);
    const std::string_view text = name.is_map() ? (name["job"] ? name["job"].text() : name.key(0)) : name.text();
    if (!text.empty()) names.emplace_back(text);
  }
  return names;
}

// ---- GitHub Actions ----

// Conditions that are false for a pull request. What is not understood is taken as true for it.
bool ExcludesPullRequests(DataValue condition) {
  if (!condition.is_text()) return false;
  std::string_view text = condition.text();
  if (text == "false" || text::Contains(text, "${{ false }}")) return true;
  if (text::Contains(text, "pull_request") && !text::Contains(text, "!= 'pull_request'")) return false;
  if (text::Contains(text, "||") || text::Contains(text, "always()")) return false;
  for (const char* only :
       {"event_name == 'push'", "event_name == 'release'", "event_name == 'schedule'",
        "event_name == 'workflow_dispatch'", "event_name != 'pull_request'", "github.ref == 'refs/heads/",
        "github.ref_name == 'ma", "startsWith(github.ref, 'refs/tags", "failure()"}) {
    if (text::Contains(text, only)) return true;
  }
  return false;
}

// "on:" as text, list or map. Pushes to every branch reach a proposed change too, before it is merged.
bool RunsOnPullRequests(DataValue on) {
  if (on.is_text()) return text::IsOneOf(on.text(), {"pull_request", "push", "merge_group"});
  if (on.is_list()) {
    for (size_t i = 0; i < on.size(); ++i) {
      if (RunsOnPullRequests(on.at(i))) return true;
    }
    return false;
  }
  if (on["pull_request"] || on["merge_group"]) return true;
  const DataValue push = on["push"];
  if (!push) return false;
  if (!push.is_map()) return true;
  if (push["branches"]) return NamesAnyBranch(push["branches"]);
  return !push["tags"] || push["branches-ignore"];
}

std::string WithoutVersion(std::string_view uses) { return std::string(uses.substr(0, uses.find('@'))); }

// An expression ("${{ matrix.experimental }}") is not taken as true.
bool IsPlainTrue(DataValue value) { return value.IsTrue() || (value.is_text() && value.text() == "true"); }

PipelineStep GitHubStep(DataValue value, const std::string& default_directory, const std::string& default_shell) {
  PipelineStep step;
  step.name = std::string(value["name"].text());
  step.uses = WithoutVersion(value["uses"].text());
  step.line = value.line();
  step.may_fail = IsPlainTrue(value["continue-on-error"]);
  step.on_pull_request = !ExcludesPullRequests(value["if"]);
  const DataValue directory = value["working-directory"];
  step.directory = directory ? JoinPath("", directory.text()) : default_directory;
  DataValue script = value["run"];
  // Actions that only run a command given to them.
  for (const char* input : {"run", "runCmd", "command"}) {
    if (!script && !step.uses.empty()) script = value["with"][input];
  }
  const std::string_view shell = value["shell"] ? value["shell"].text() : std::string_view(default_shell);
  AppendCommands(script, shell == "bash", &step.commands);
  return step;
}

Pipeline ReadGitHub(std::string_view path, DataValue root, bool called) {
  Pipeline pipeline{.path = std::string(path), .provider = "GitHub Actions"};
  const bool triggered = called || RunsOnPullRequests(root["on"] ? root["on"] : root["true"]);
  const DataValue jobs = root["jobs"];
  const std::string directory(root["defaults"]["run"]["working-directory"].text());
  for (size_t i = 0; jobs.is_map() && i < jobs.size() && i < kMaxJobs; ++i) {
    const DataValue value = jobs.at(i);
    PipelineJob job{.id = std::string(jobs.key(i)), .needs = Names(value["needs"]), .line = value.line()};
    job.may_fail = IsPlainTrue(value["continue-on-error"]);
    job.on_pull_request = triggered && !ExcludesPullRequests(value["if"]);
    const DataValue defaults = value["defaults"]["run"];
    const std::string where =
        JoinPath("", defaults["working-directory"] ? defaults["working-directory"].text() : directory);
    const std::string shell((defaults["shell"] ? defaults["shell"] : root["defaults"]["run"]["shell"]).text());
    const DataValue steps = value["steps"];
    for (size_t s = 0; steps.is_list() && s < steps.size() && s < kMaxSteps; ++s) {
      job.steps.push_back(GitHubStep(steps.at(s), where, shell));
    }
    if (value["uses"]) {
      job.steps.push_back({.name = job.id, .uses = WithoutVersion(value["uses"].text()), .line = value["uses"].line()});
    }
    pipeline.jobs.push_back(std::move(job));
  }
  return pipeline;
}

// ---- GitLab ----

bool GitLabRuleAllowsChanges(DataValue rules) {
  for (size_t i = 0; i < rules.size(); ++i) {
    const DataValue rule = rules.at(i);
    const std::string_view when = rule["when"].text();
    if (when == "never" || when == "manual") continue;
    const DataValue condition = rule["if"];
    if (!condition.is_text()) return true;
    if (text::Contains(condition.text(), "merge_request")) return true;
    if (text::Contains(condition.text(), "$CI_COMMIT_BRANCH") && !text::Contains(condition.text(), "==")) return true;
  }
  return false;
}

bool GitLabRunsForChanges(DataValue job) {
  const std::string_view when = job["when"].text();
  if (when == "manual" || when == "never" || when == "delayed") return false;
  if (job["rules"].is_list()) return GitLabRuleAllowsChanges(job["rules"]);
  const DataValue only = job["only"].is_map() ? job["only"]["refs"] : job["only"];
  return !only || NamesAnyBranch(only);
}

// Follows "extends" a few steps, for a member the job itself does not have.
DataValue GitLabMember(DataValue root, DataValue job, std::string_view member) {
  for (int depth = 0; depth < 5 && job.is_map(); ++depth) {
    if (job[member]) return job[member];
    const DataValue extends = job["extends"];
    job = root[extends.is_list() ? extends.at(0).text() : extends.text()];
  }
  return {};
}

Pipeline ReadGitLab(std::string_view path, DataValue root) {
  Pipeline pipeline{.path = std::string(path), .provider = "GitLab CI"};
  for (size_t i = 0; i < root.size() && pipeline.jobs.size() < kMaxJobs; ++i) {
    const DataValue value = root.at(i);
    const std::string_view id = root.key(i);
    const DataValue script = GitLabMember(root, value, "script");
    if (!value.is_map() || id.starts_with('.') || id == "default" || !script) continue;
    PipelineJob job{.id = std::string(id), .needs = Names(value["needs"]), .line = value.line()};
    const DataValue may_fail = GitLabMember(root, value, "allow_failure");
    job.may_fail = may_fail.IsTrue() || may_fail.is_map();
    job.on_pull_request = GitLabRunsForChanges(value);
    PipelineStep step{.name = job.id, .line = script.line()};
    AppendCommands(script, true, &step.commands);
    job.steps.push_back(std::move(step));
    pipeline.jobs.push_back(std::move(job));
  }
  return pipeline;
}

// ---- CircleCI ----

struct CircleUse {
  bool used = false;
  std::vector<std::string> needs;
  bool for_changes = false;
};

CircleUse FindCircleUse(DataValue workflows, std::string_view job) {
  CircleUse use;
  for (size_t w = 0; workflows.is_map() && w < workflows.size(); ++w) {
    const DataValue jobs = workflows.at(w)["jobs"];
    for (size_t i = 0; i < jobs.size(); ++i) {
      const DataValue entry = jobs.at(i);
      const std::string_view name = entry.is_map() ? entry.key(0) : entry.text();
      if (name != job) continue;
      const DataValue settings = entry.is_map() ? entry.at(0) : DataValue();
      const DataValue only = settings["filters"]["branches"]["only"];
      use.used = true;
      use.needs = Names(settings["requires"]);
      use.for_changes |= !only || NamesAnyBranch(only);
    }
  }
  return use;
}

Pipeline ReadCircle(std::string_view path, DataValue root) {
  Pipeline pipeline{.path = std::string(path), .provider = "CircleCI"};
  const DataValue jobs = root["jobs"], workflows = root["workflows"];
  for (size_t i = 0; jobs.is_map() && i < jobs.size() && i < kMaxJobs; ++i) {
    const CircleUse use = FindCircleUse(workflows, jobs.key(i));
    PipelineJob job{.id = std::string(jobs.key(i)), .needs = use.needs, .line = jobs.at(i).line()};
    job.on_pull_request = use.used ? use.for_changes : !workflows;
    const DataValue steps = jobs.at(i)["steps"];
    for (size_t s = 0; s < steps.size() && s < kMaxSteps; ++s) {
      const DataValue value = steps.at(s);
      if (!value.is_map() || value.size() == 0) continue;
      const DataValue settings = value.at(0);
      PipelineStep step{.name = std::string(value.key(0)), .uses = std::string(value.key(0)), .line = value.line()};
      if (step.uses == "run") {
        const DataValue script = settings.is_map() ? settings["command"] : settings;
        step.uses.clear();
        step.directory = JoinPath("", settings["working_directory"].text());
        step.on_pull_request = settings["when"].text() != "on_fail";
        AppendCommands(script, true, &step.commands);
      }
      job.steps.push_back(std::move(step));
    }
    pipeline.jobs.push_back(std::move(job));
  }
  return pipeline;
}

// ---- Travis ----

Pipeline ReadTravis(std::string_view path, DataValue root) {
  Pipeline pipeline{.path = std::string(path), .provider = "Travis CI"};
  PipelineJob job{.id = "script", .line = root.line()};
  // Travis builds pull requests whatever branches are named; "if: type = push" turns that off.
  job.on_pull_request = !text::Contains(root["if"].text(), "type = push");
  std::vector<DataValue> scripts;
  for (const char* part : {"before_script", "script"}) {
    if (root[part]) scripts.push_back(root[part]);
  }
  for (const DataValue script : scripts) {
    PipelineStep step{.name = "script", .line = script.line()};
    AppendCommands(script, true, &step.commands);
    job.steps.push_back(std::move(step));
  }
  // Without a script Travis runs the tests of the language.
  if (!root["script"] && root["language"].text() == "node_js") {
    PipelineStep step{.name = "npm test", .line = root["language"].line()};
    step.commands = SplitShell("npm test", true);
    for (ShellCommand& command : step.commands) command.line = step.line;
    job.steps.push_back(std::move(step));
  }
  pipeline.jobs.push_back(std::move(job));
  return pipeline;
}

bool IsGitHubWorkflow(std::string_view path) {
  return path.starts_with(".github/workflows/") && (path.ends_with(".yml") || path.ends_with(".yaml"));
}

Pipeline ReadPipeline(const SourceFile& file, bool called) {
  std::string problem;
  const std::optional<DataTree> tree = DataTree::ReadYaml(file.bytes, &problem);
  if (!tree) return {.path = std::string(file.path), .problem = problem};
  if (!tree->root().is_map()) return {.path = std::string(file.path), .problem = "line 1: expected a map"};
  if (IsGitHubWorkflow(file.path)) return ReadGitHub(file.path, tree->root(), called);
  if (file.path.starts_with(".gitlab-ci")) return ReadGitLab(file.path, tree->root());
  if (file.path.starts_with(".circleci/")) return ReadCircle(file.path, tree->root());
  return ReadTravis(file.path, tree->root());
}

// The local workflows that jobs running for changes call, for example "./.github/workflows/test.yml".
std::vector<std::string> CalledWorkflows(const std::vector<Pipeline>& pipelines) {
  std::vector<std::string> called;
  for (const Pipeline& pipeline : pipelines) {
    for (const PipelineJob& job : pipeline.jobs) {
      for (const PipelineStep& step : job.steps) {
        if (job.on_pull_request && !job.may_fail && step.uses.starts_with("./")) called.push_back(step.uses.substr(2));
      }
    }
  }
  return called;
}

}  // namespace

bool IsPipelinePath(std::string_view path) {
  return IsGitHubWorkflow(path) || path == ".gitlab-ci.yml" || path == ".gitlab-ci.yaml" ||
         path == ".circleci/config.yml" || path == ".travis.yml";
}

std::vector<Pipeline> ReadPipelines(std::span<const SourceFile> files) {
  std::vector<const SourceFile*> sources;
  for (const SourceFile& file : files) {
    if (IsPipelinePath(file.path) && sources.size() < kMaxPipelines) sources.push_back(&file);
  }
  std::vector<Pipeline> pipelines;
  for (const SourceFile* source : sources) pipelines.push_back(ReadPipeline(*source, false));
  // A called workflow may call another: three levels cover what GitHub allows in practice.
  for (int level = 0; level < 3; ++level) {
    const std::vector<std::string> called = CalledWorkflows(pipelines);
    for (size_t i = 0; i < sources.size(); ++i) {
      if (text::IsOneOf(sources[i]->path, called)) pipelines[i] = ReadPipeline(*sources[i], true);
    }
  }
  return pipelines;
}

}  // namespace assay::code_analysis
