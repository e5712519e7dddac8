// SPDX-License-Identifier: Apache-2.0
//
// What a repository's pipelines run, and whether it can stop a change: the job graphs of GitHub Actions, GitLab CI,
// CircleCI and Travis as one model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/repository_files.h"

namespace assay::code_analysis {

enum class Gate { kTest, kLint, kTypes, kCoverage, kSecurity, kBuild };
std::string_view GateName(Gate gate);

// One command of a shell script.
struct ShellCommand {
  std::vector<std::string> words;
  uint32_t line = 1;             // within the script
  bool failure_ignored = false;  // "|| true", the left side of a pipe, after "set +e"
};

// Splits a POSIX shell script into its commands. Knows quotes, comments, continued lines, && || ; | and what makes a
// failure pass unnoticed; substitutions stay part of their word. At most 2,000 commands.
std::vector<ShellCommand> SplitShell(std::string_view script, bool pipefail);

struct PipelineStep {
  std::string name;
  std::string uses;  // an action or orb, without its version
  std::vector<ShellCommand> commands;
  std::string directory;  // where it runs, relative to the root
  uint32_t line = 0;
  bool may_fail = false;
  bool on_pull_request = true;
};

struct PipelineJob {
  std::string id;
  std::vector<std::string> needs;
  std::vector<PipelineStep> steps;
  uint32_t line = 0;
  bool may_fail = false;
  // Runs for a proposed change, before it is merged.
  bool on_pull_request = false;
};

struct Pipeline {
  std::string path;
  std::string provider;
  std::vector<PipelineJob> jobs;
  // Why it could not be read; then there are no jobs.
  std::string problem;
};

bool IsPipelinePath(std::string_view path);

// All pipelines among `files`; a GitHub workflow that is called by another runs when its caller does. At most 100 files
// of 500 jobs with 500 steps each are read.
std::vector<Pipeline> ReadPipelines(std::span<const SourceFile> files);

// A gate and the step that applies it.
struct GateUse {
  Gate gate = Gate::kTest;
  std::string path;
  uint32_t line = 0;
  std::string job;
  std::string program;  // the program that was recognised, for example "eslint"
  bool blocking = false;
  // Why it does not block; empty when it does.
  std::string reason;
};

// The gates that pipelines apply, with scripts of the manifests resolved (pre and post hooks, run-s, turbo and the
// like), in the order of the files.
std::vector<GateUse> FindGates(std::span<const Pipeline> pipelines, std::span<const Manifest> manifests);

// A job that publishes or deploys without waiting for a job that tests, though its pipeline has one.
struct UngatedDelivery {
  std::string path;
  uint32_t line = 0;
  std::string job;
  std::string gate_job;
};
std::vector<UngatedDelivery> FindUngatedDeliveries(std::span<const Pipeline> pipelines,
                                                   std::span<const Manifest> manifests);

}  // namespace assay::code_analysis
