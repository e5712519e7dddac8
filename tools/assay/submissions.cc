// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"
#include "tools/assay/output.h"
#include "tools/assay/submission_input.h"
#include "tools/assay/submit_and_wait.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);

struct SubmissionsOptions {
  std::string candidate;
  std::string id;
  std::string assessment;
  std::string reason;
  std::vector<std::string> filter;
  bool follow = false;
  bool preview = false;
  bool apply = false;
};

std::string Line(const v1::Submission& submission) {
  return absl::StrFormat("%-26s  %-10s  %-17s  %-24s  %s", submission.id(),
                         absl::AsciiStrToLower(v1::Submission::Kind_Name(submission.kind())),
                         v1::Submission::State_Name(submission.state()), Printable(submission.candidate()),
                         Printable(submission.origin()));
}

void Print(const v1::Submission& submission) {
  std::cout << Line(submission) << "\n";
  if (!submission.reason().empty()) std::cout << "    " << Printable(submission.reason()) << "\n";
  if (submission.queue_position() > 0) {
    std::cout << "    number " << submission.queue_position() << " in its queue";
    if (submission.has_expected_wait()) {
      std::cout << absl::StrFormat(", about %d s from its turn", submission.expected_wait().seconds() + 1);
    }
    std::cout << "\n";
  }
  if (!submission.superseded_by().empty()) std::cout << "    superseded by " << submission.superseded_by() << "\n";
  if (submission.withdrawn()) std::cout << "    withdrawn\n";
  for (const auto& evaluation : submission.evaluations()) {
    std::cout << absl::StrFormat("    %-14s  %-10s  %u attempts  %.2f s  %s\n", evaluation.evaluator(),
                                 v1::Evaluation::State_Name(evaluation.state()), evaluation.attempts(),
                                 evaluation.wall_seconds(), Printable(evaluation.reason()));
  }
}

absl::Status List(const Globals& globals, const SubmissionsOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ForReading(globals));
  auto stub = v1::SubmissionService::NewStub(connection->channel());
  v1::ListSubmissionsRequest request;
  request.set_candidate(options.candidate);
  request.set_assessment(options.assessment);
  request.set_page_size(500);
  v1::ListSubmissionsResponse all;
  do {
    grpc::ClientContext context;
    connection->Prepare(context, kCallTimeout);
    v1::ListSubmissionsResponse page;
    ASSAY_RETURN_IF_ERROR(FromGrpc(stub->ListSubmissions(&context, request, &page)));
    if (globals.json) {
      all.MergeFrom(page);
    } else {
      for (const auto& submission : page.submissions()) std::cout << Line(submission) << "\n";
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  all.clear_next_page_token();
  return globals.json ? PrintJson(all) : absl::OkStatus();
}

absl::Status Get(const Globals& globals, const SubmissionsOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ForReading(globals));
  auto stub = v1::SubmissionService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, kCallTimeout);
  v1::GetSubmissionRequest request;
  request.set_candidate(options.candidate);
  request.set_id(options.id);
  v1::Submission submission;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->GetSubmission(&context, request, &submission)));
  if (globals.json) return PrintJson(submission);
  Print(submission);
  return absl::OkStatus();
}

absl::Status WatchAll(const Globals& globals, const SubmissionsOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ToServer(globals));
  v1::WatchSubmissionsRequest request;
  request.set_candidate(options.candidate);
  if (!options.id.empty()) request.add_ids(options.id);
  request.set_follow(options.id.empty() || options.follow);
  return Watch(*connection, request, [&](const v1::SubmissionUpdate& update) {
    if (globals.json) {
      (void)PrintJson(update);
      return;
    }
    std::cout << absl::StrFormat("%s  %-17s  %-24s  %s\n", update.submission().id(),
                                 v1::Submission::State_Name(update.submission().state()),
                                 Printable(update.submission().candidate()), Printable(update.change()))
              << std::flush;
  });
}

template <typename Request, typename Call>
absl::Status Change(const Globals& globals, const SubmissionsOptions& options, Request request, Call call) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ToServer(globals));
  auto stub = v1::SubmissionService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, kCallTimeout);
  request.set_request_id(NewRequestId());
  request.set_candidate(options.candidate);
  request.set_id(options.id);
  v1::Submission submission;
  ASSAY_RETURN_IF_ERROR(FromGrpc(call(*stub, context, request, submission)));
  if (globals.json) return PrintJson(submission);
  Print(submission);
  return absl::OkStatus();
}

absl::Status Cancel(const Globals& globals, const SubmissionsOptions& options) {
  return Change(globals, options, v1::CancelSubmissionRequest(),
                [](auto& stub, auto& context, const auto& request, auto& submission) {
                  return stub.CancelSubmission(&context, request, &submission);
                });
}

absl::Status Withdraw(const Globals& globals, const SubmissionsOptions& options) {
  v1::WithdrawSubmissionRequest request;
  request.set_reason(options.reason);
  return Change(globals, options, request, [](auto& stub, auto& context, const auto& message, auto& submission) {
    return stub.WithdrawSubmission(&context, message, &submission);
  });
}

// --filter takes candidate=…, id=… and evaluator=…; evaluator may be repeated.
absl::StatusOr<v1::RerunSubmissionsRequest> RerunRequest(const SubmissionsOptions& options) {
  v1::RerunSubmissionsRequest request;
  for (const std::string& term : options.filter) {
    const std::vector<std::string> parts = absl::StrSplit(term, absl::MaxSplits('=', 1));
    if (parts.size() == 2 && parts[0] == "candidate") {
      request.set_candidate(parts[1]);
    } else if (parts.size() == 2 && parts[0] == "id") {
      request.set_id(parts[1]);
    } else if (parts.size() == 2 && parts[0] == "evaluator") {
      request.add_evaluators(parts[1]);
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("--filter: ", term, ": expected candidate=ID, id=ID or evaluator=NAME"));
    }
  }
  if (request.candidate().empty()) return absl::InvalidArgumentError("--filter: candidate=ID is needed");
  if (options.preview == options.apply) return absl::InvalidArgumentError("rerun: give either --preview or --apply");
  request.set_preview(options.preview);
  request.set_request_id(NewRequestId());
  return request;
}

absl::Status Rerun(const Globals& globals, const SubmissionsOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const auto request, RerunRequest(options));
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ToServer(globals));
  auto stub = v1::SubmissionService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, kCallTimeout);
  v1::RerunSubmissionsResponse response;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->RerunSubmissions(&context, request, &response)));
  if (globals.json) return PrintJson(response);
  for (const std::string& evaluation : response.evaluations()) std::cout << evaluation << "\n";
  std::cout << response.evaluations_size()
            << (options.preview ? " evaluations would be made\n" : " evaluations made\n");
  return absl::OkStatus();
}

using Verb = absl::Status (*)(const Globals&, const SubmissionsOptions&);

CLI::App* AddVerb(CLI::App* parent, const char* name, const char* description, const char* example, Globals& globals,
                  Action& action, const std::shared_ptr<SubmissionsOptions>& options, Verb verb) {
  CLI::App* command = parent->add_subcommand(name, description);
  command->footer(absl::StrCat("Example: ", example));
  AddConnectionOptions(*command, globals);
  command->callback([&globals, &action, options, verb] {
    action = [&globals, options, verb]() -> int {
      const absl::Status status = verb(globals, *options);
      return status.ok() ? kDone : ReportFailure(status, globals.json);
    };
  });
  return command;
}

}  // namespace

void AddSubmissions(CLI::App& app, Globals& globals, Action& action) {
  auto options = std::make_shared<SubmissionsOptions>();
  CLI::App* parent = app.add_subcommand("submissions", "List, follow and change what was submitted");
  parent->footer("Example: assay submissions list --candidate c-1");
  parent->require_subcommand(1);
  CLI::App* list = AddVerb(parent, "list", "What was submitted, newest first", "assay submissions list --candidate c-1",
                           globals, action, options, List);
  list->add_option("--candidate", options->candidate, "Only this candidate's");
  list->add_option("--assessment", options->assessment, "Only this assessment's");
  CLI::App* get = AddVerb(parent, "get", "One submission and its evaluations", "assay submissions get c-1 ID", globals,
                          action, options, Get);
  CLI::App* watch = AddVerb(parent, "watch", "Every step as it happens", "assay submissions watch --candidate c-1",
                            globals, action, options, WatchAll);
  watch->add_option("--candidate", options->candidate, "Only this candidate's");
  watch->add_option("--id", options->id, "Only this submission, until it has ended");
  watch->add_flag("--follow", options->follow, "Go on after it has ended");
  CLI::App* cancel = AddVerb(parent, "cancel", "End what still runs", "assay submissions cancel c-1 ID", globals,
                             action, options, Cancel);
  CLI::App* withdraw =
      AddVerb(parent, "withdraw", "Take back what a submission said; it stays visible",
              "assay submissions withdraw c-1 ID --reason 'wrong candidate'", globals, action, options, Withdraw);
  withdraw->add_option("--reason", options->reason, "Shown beside it");
  for (CLI::App* command : {get, cancel, withdraw}) {
    command->add_option("CANDIDATE", options->candidate, "Candidate id")->required();
    command->add_option("ID", options->id, "Submission id")->required();
  }
  CLI::App* rerun = AddVerb(parent, "rerun", "Evaluate again, with the plugins installed now",
                            "assay submissions rerun --filter candidate=c-1 --filter evaluator=load_test --preview",
                            globals, action, options, Rerun);
  rerun->add_option("--filter", options->filter, "candidate=ID, id=ID, evaluator=NAME; may be repeated")->required();
  rerun->add_flag("--preview", options->preview, "Only say which evaluations would be made");
  rerun->add_flag("--apply", options->apply, "Make them");
}

}  // namespace assay::cli
