// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "assay/v1/submission_service.pb.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"
#include "tools/assay/output.h"
#include "tools/assay/submission_input.h"
#include "tools/assay/submit_and_wait.h"

namespace assay::cli {
namespace {

struct SubmitOptions {
  std::vector<std::string> paths;
  std::string candidate;
  std::string request_id;
  std::string assessment;
  std::string framework;
  std::string source;
  InputOptions input;
  bool quick = false;
  bool wait = false;
};

// Says how each ended. With JSON the list that was printed tells it, and the exit code alone follows.
ExitCode TellEnds(const std::vector<AcceptedSubmission>& accepted, bool json) {
  for (const auto& one : accepted) {
    if (!json) std::cout << one.id << "  " << EndInWords(one.submission) << "\n";
  }
  std::cout << std::flush;
  absl::Status status = RefusedInput(accepted);
  if (status.ok()) status = LeftUnevaluated(accepted);
  if (status.ok()) return kDone;
  return json ? ExitCodeOf(status) : ReportFailure(status, json);
}

absl::StatusOr<int> SubmitAll(const Globals& globals, const SubmitOptions& options) {
  if (!options.request_id.empty() && options.paths.size() > 1) {
    return absl::InvalidArgumentError(
        "--request-id: names one submission, but several paths are given; submit them one by one");
  }
  std::vector<SubmissionInput> inputs;
  for (const std::string& path : options.paths) {
    ASSAY_ASSIGN_OR_RETURN(SubmissionInput input, ReadInput(path, options.input));
    inputs.push_back(std::move(input));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string candidate, CommonCandidate(inputs, options.candidate, ""));
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ToServer(globals));
  std::vector<AcceptedSubmission> accepted;
  for (SubmissionInput& input : inputs) {
    input.submission.set_candidate(candidate);
    if (!options.assessment.empty()) input.submission.set_assessment(options.assessment);
    if (!options.framework.empty()) input.submission.set_framework(options.framework);
    input.submission.set_source(options.source);
    input.submission.set_quick(options.quick);
    ASSAY_RETURN_IF_ERROR(Upload(*connection, options.input, input));
    ASSAY_ASSIGN_OR_RETURN(
        AcceptedSubmission one,
        Submit(*connection, input, options.request_id.empty() ? NewRequestId() : options.request_id));
    if (!globals.json) std::cout << one.id << "  " << input.path << "\n" << std::flush;
    accepted.push_back(std::move(one));
  }
  if (options.wait) {
    ProgressLine progress;
    ASSAY_RETURN_IF_ERROR(WaitForEnd(*connection, candidate, accepted, progress));
  }
  if (globals.json) {
    v1::ListSubmissionsResponse list;
    for (const auto& one : accepted) *list.add_submissions() = one.submission;
    ASSAY_RETURN_IF_ERROR(PrintJson(list));
  }
  return options.wait ? TellEnds(accepted, globals.json) : kDone;
}

}  // namespace

void AddSubmit(CLI::App& app, Globals& globals, Action& action) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* command = app.add_subcommand("submit", "Hand in repositories and documents to a server");
  command->footer("Example: assay submit ./repository --candidate c-1 --wait");
  command->add_option("PATH", options->paths, "Folder, archive (.tar, .tar.gz, .tar.zst, .zip), or document")
      ->required();
  command->add_option("--candidate", options->candidate, "Candidate id; default: the one the document names");
  command->add_option("--request-id", options->request_id, "Makes a repeat of this call the same submission");
  command->add_option("--assessment", options->assessment, "Assessment; default main");
  command->add_option("--framework", options->framework, "Framework; default that of the assessment");
  command->add_option(
      "--source", options->source,
      "Your name for where a repository or portfolio comes from; a later one of the same source replaces "
      "it, one of another source counts beside it");
  command->add_option("--kind", options->input.kind, "Overrides what was detected")
      ->check(CLI::IsMember({"repository", "scorecard", "portfolio", "outcome", "decision", "task"}));
  command->add_option("--base", options->input.base, "What the candidate was given");
  command->add_flag("--quick", options->quick, "The quick profile of evaluators that have one");
  command->add_flag("--wait", options->wait, "Return when everything was evaluated, and say how each ended");
  AddConnectionOptions(*command, globals);
  command->callback([&globals, &action, options] {
    action = [&globals, options]() -> int {
      absl::StatusOr<int> code = SubmitAll(globals, *options);
      return code.ok() ? *code : ReportFailure(code.status(), globals.json);
    };
  });
}

}  // namespace assay::cli
