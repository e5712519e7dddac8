// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"
#include "tools/assay/output.h"
#include "tools/assay/report_output.h"
#include "tools/assay/submission_input.h"
#include "tools/assay/submit_and_wait.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

struct EvaluateOptions {
  std::vector<std::string> paths;
  std::string candidate;
  std::string framework;
  InputOptions input;
  std::vector<std::string> only;
  std::vector<std::string> skip;
  bool quick = false;
  std::string require;
  ReportOptions report;
};

absl::StatusOr<std::vector<SubmissionInput>> ReadInputs(const EvaluateOptions& options) {
  std::error_code error;
  if (!options.input.base.empty() && !std::filesystem::exists(options.input.base, error)) {
    return absl::InvalidArgumentError(absl::StrCat("--base: ", options.input.base, ": no such file or folder"));
  }
  std::vector<SubmissionInput> inputs;
  for (const std::string& path : options.paths) {
    ASSAY_ASSIGN_OR_RETURN(SubmissionInput input, ReadInput(path, options.input));
    inputs.push_back(std::move(input));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string candidate, CommonCandidate(inputs, options.candidate, "local"));
  for (SubmissionInput& input : inputs) {
    v1::NewSubmission& submission = input.submission;
    submission.set_candidate(candidate);
    if (!options.framework.empty()) submission.set_framework(options.framework);
    submission.set_quick(options.quick);
    for (const std::string& evaluator : options.only) submission.add_only_evaluators(evaluator);
    for (const std::string& evaluator : options.skip) submission.add_skip_evaluators(evaluator);
  }
  return inputs;
}

absl::StatusOr<int> Evaluate(const Globals& globals, const EvaluateOptions& options) {
  ASSAY_RETURN_IF_ERROR(CheckReportFiles(options.report));
  ASSAY_ASSIGN_OR_RETURN(std::vector<SubmissionInput> inputs, ReadInputs(options));
  ProgressLine progress;
  progress.Show("starting");
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ToDataFolder(globals));
  std::string read_token;
  std::vector<AcceptedSubmission> accepted;
  for (SubmissionInput& input : inputs) {
    progress.Show(absl::StrCat("sending ", Printable(input.path)));
    ASSAY_RETURN_IF_ERROR(Upload(*connection, options.input, input));
    ASSAY_ASSIGN_OR_RETURN(AcceptedSubmission one, Submit(*connection, input, NewRequestId()));
    read_token = one.read_token;
    accepted.push_back(std::move(one));
  }
  const std::string candidate = inputs.front().submission.candidate();
  const std::string assessment =
      inputs.front().submission.assessment().empty() ? "main" : inputs.front().submission.assessment();
  ASSAY_RETURN_IF_ERROR(WaitForEnd(*connection, candidate, accepted, progress));
  progress.Clear();
  ASSAY_ASSIGN_OR_RETURN(const v1::EvaluationReport report,
                         FetchReport(*connection, candidate, assessment, read_token, options.report));
  ASSAY_RETURN_IF_ERROR(RefusedInput(accepted));
  ASSAY_RETURN_IF_ERROR(WriteReportFiles(report, options.report));
  if (globals.json) {
    ASSAY_RETURN_IF_ERROR(PrintJson(report));
  } else {
    const NextCommands next = CommandsToGoOnWith(report, globals, options.report);
    std::cout << RenderReport(report, next, DetectStyle(), {.for_candidate = options.report.for_candidate()})
              << std::flush;
  }
  const bool required = !options.require.empty();
  return required && report.readiness().status() != v1::Readiness::READY ? kAnswerIsNo : kDone;
}

}  // namespace

void AddEvaluate(CLI::App& app, Globals& globals, Action& action) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command =
      app.add_subcommand("evaluate", "Evaluate repositories, scorecards and portfolios; no server needed");
  command->footer("Example: assay evaluate ./repository scorecard.yaml portfolio.yaml --report report.html");
  command->add_option("PATH", options->paths, "Folder, archive, or document (.yaml, .json, .csv)")->required();
  command->add_option("--candidate", options->candidate,
                      "Candidate id; default: the one the documents name, else local");
  command->add_option("--framework", options->framework, "Framework, for example senior-express-engineer@1");
  command->add_option("--base", options->input.base,
                      "What the candidate was given: unchanged files say nothing about them");
  command->add_option("--only", options->only, "Evaluators to run, comma-separated")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--skip", options->skip, "Evaluators to leave out, comma-separated")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_flag("--quick", options->quick, "Under a minute; says what it left out");
  command->add_option("--require", options->require, "Exit with 1 unless the status is READY")
      ->check(CLI::IsMember({"READY", "ready"}));
  command->add_option("--data", globals.data, "Data folder; default $ASSAY_DATA, else ~/.local/share/assay");
  AddReportOptions(*command, options->report);
  command->add_flag("--json", globals.json, "Print one JSON document and nothing else");
  command->callback([&globals, &action, options] {
    action = [&globals, options]() -> int {
      absl::StatusOr<int> code = Evaluate(globals, *options);
      return code.ok() ? *code : ReportFailure(code.status(), globals.json);
    };
  });
}

}  // namespace assay::cli
