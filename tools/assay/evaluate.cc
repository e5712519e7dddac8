// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "assay/v1/report_service.grpc.pb.h"
#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"
#include "tools/assay/html_report.h"
#include "tools/assay/output.h"
#include "tools/assay/sarif.h"
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
  std::string report_file;
  std::string audience;
  std::string sarif_file;
};

absl::StatusOr<std::vector<SubmissionInput>> ReadInputs(const EvaluateOptions& options) {
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

absl::StatusOr<v1::EvaluationReport> FetchReport(const Connection& connection, const std::string& candidate,
                                                 const std::string& assessment, const std::string& read_token,
                                                 const EvaluateOptions& options) {
  auto stub = v1::ReportService::NewStub(connection.channel());
  grpc::ClientContext context;
  connection.Prepare(context, absl::Minutes(1));
  v1::GetEvaluationReportRequest request;
  request.set_candidate(candidate);
  request.set_assessment(assessment);
  request.set_read_token(read_token);
  request.set_full(!options.report_file.empty());
  request.set_audience(options.audience == "candidate" ? v1::GetEvaluationReportRequest::CANDIDATE
                                                       : v1::GetEvaluationReportRequest::REVIEWER);
  v1::EvaluationReport report;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->GetEvaluationReport(&context, request, &report)));
  return report;
}

// A submission of this call that could not be evaluated at all, through a fault of its own, is bad input.
absl::Status RefusedInput(const v1::EvaluationReport& report, const std::set<std::string>& submitted) {
  for (const auto& submission : report.submissions()) {
    if (submitted.count(submission.id()) == 0 || submission.state() != v1::Submission::FAILED) continue;
    std::string why = submission.reason();
    for (const auto& evaluation : report.evaluations()) {
      if (evaluation.submission() == submission.id() && evaluation.fault_domain() == v1::Evaluation::SUBMISSION &&
          why.empty()) {
        why = evaluation.reason();
      }
    }
    return absl::InvalidArgumentError(absl::StrCat(Printable(submission.origin()), ": ", Printable(why)));
  }
  return absl::OkStatus();
}

NextCommands CommandsToGoOnWith(const v1::EvaluationReport& report, const Globals& globals,
                                const EvaluateOptions& options) {
  const std::string program = ProgramName();
  const std::string candidate = ShellQuote(report.candidate());
  const std::string data = globals.data.empty() ? "" : absl::StrCat(" --data ", ShellQuote(DataDirectory(globals)));
  // The competency with the most evidence shows best what a walk down looks like.
  std::string competency = "1.2";
  double best = -1;
  for (const auto& area : report.readiness().areas()) {
    for (const auto& entry : area.competencies()) {
      if (entry.coverage() > best) {
        best = entry.coverage();
        competency = entry.id();
      }
    }
  }
  NextCommands commands = {absl::StrCat(program, " readiness explain ", candidate, " ", competency, data)};
  for (const auto& claim : report.claims()) {
    if (claim.verdict() == v1::Claim::REFUTED && claim.evidence_size() > 0) {
      commands.push_back(absl::StrCat(program, " evidence get ", candidate, " ", claim.evidence(0), data));
      break;
    }
  }
  if (options.report_file.empty()) {
    std::vector<std::string> paths;
    for (const std::string& path : options.paths) paths.push_back(ShellQuote(path));
    commands.push_back(absl::StrCat(program, " evaluate ", absl::StrJoin(paths, " "), " --report report.html", data));
  }
  return commands;
}

absl::Status WriteFiles(const v1::EvaluationReport& report, const EvaluateOptions& options) {
  if (!options.report_file.empty()) {
    ASSAY_RETURN_IF_ERROR(WriteFileAtomically(options.report_file, RenderHtml(report)));
    std::cerr << "report: " << options.report_file << "\n";
  }
  if (!options.sarif_file.empty()) {
    ASSAY_RETURN_IF_ERROR(WriteFileAtomically(options.sarif_file, RenderSarif(report)));
    std::cerr << "sarif: " << options.sarif_file << "\n";
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Evaluate(const Globals& globals, const EvaluateOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<SubmissionInput> inputs, ReadInputs(options));
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ToDataFolder(globals));
  std::set<std::string> submitted;
  std::string read_token;
  std::vector<AcceptedSubmission> accepted;
  for (SubmissionInput& input : inputs) {
    ASSAY_RETURN_IF_ERROR(Upload(*connection, options.input, input));
    ASSAY_ASSIGN_OR_RETURN(AcceptedSubmission one, Submit(*connection, input, NewRequestId()));
    submitted.insert(one.id);
    read_token = one.read_token;
    accepted.push_back(std::move(one));
  }
  const std::string candidate = inputs.front().submission.candidate();
  const std::string assessment =
      inputs.front().submission.assessment().empty() ? "main" : inputs.front().submission.assessment();
  ProgressLine progress;
  ASSAY_RETURN_IF_ERROR(WaitForEnd(*connection, candidate, accepted, progress));
  progress.Clear();
  ASSAY_ASSIGN_OR_RETURN(const v1::EvaluationReport report,
                         FetchReport(*connection, candidate, assessment, read_token, options));
  ASSAY_RETURN_IF_ERROR(RefusedInput(report, submitted));
  ASSAY_RETURN_IF_ERROR(WriteFiles(report, options));
  if (globals.json) {
    ASSAY_RETURN_IF_ERROR(PrintJson(report));
  } else {
    std::cout << RenderReport(report, CommandsToGoOnWith(report, globals, options), DetectStyle()) << std::flush;
  }
  const bool required = !options.require.empty();
  return required && report.readiness().status() != v1::Readiness::READY ? kAnswerIsNo : kDone;
}

}  // namespace

void AddEvaluate(CLI::App& app, Globals& globals, Action& action) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command = app.add_subcommand("evaluate", "Evaluate repositories, scorecards and portfolios; no server needed");
  command->footer("Example: assay evaluate ./repository scorecard.yaml portfolio.yaml --report report.html");
  command->add_option("PATH", options->paths, "Folder, archive, or document (.yaml, .json, .csv)")->required();
  command->add_option("--candidate", options->candidate, "Candidate id; default: the one the documents name, else local");
  command->add_option("--framework", options->framework, "Framework, for example senior-express-engineer@1");
  command->add_option("--base", options->input.base, "What the candidate was given: unchanged files say nothing about them");
  command->add_option("--only", options->only, "Evaluators to run, comma-separated")->delimiter(',');
  command->add_option("--skip", options->skip, "Evaluators to leave out, comma-separated")->delimiter(',');
  command->add_flag("--quick", options->quick, "Under a minute; says what it left out");
  command->add_option("--require", options->require, "Exit with 1 unless the status is READY")
      ->check(CLI::IsMember({"READY", "ready"}));
  command->add_option("--data", globals.data, "Data folder; default $ASSAY_DATA, else ~/.local/share/assay");
  command->add_option("--report", options->report_file, "Write one self-contained HTML page");
  command->add_option("--audience", options->audience, "For whom the answer is written")
      ->check(CLI::IsMember({"candidate", "reviewer"}));
  command->add_option("--sarif", options->sarif_file, "Write the findings for code hosts");
  command->add_flag("--json", globals.json, "Print one JSON document and nothing else");
  command->callback([&globals, &action, options] {
    action = [&globals, options]() -> int {
      absl::StatusOr<int> code = Evaluate(globals, *options);
      return code.ok() ? *code : ReportFailure(code.status(), globals.json);
    };
  });
}

}  // namespace assay::cli
