// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "assay/v1/readiness_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/explanation.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"
#include "tools/assay/output.h"
#include "tools/assay/report_output.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);

struct ReadinessOptions {
  std::string candidate;
  std::string id;
  std::string assessment;
  ReportOptions report;
};

// The answer as `assay evaluate` gives it, from what is stored.
absl::Status GetReport(const Globals& globals, const ReadinessOptions& options, const Connection& connection) {
  const std::string assessment = options.assessment.empty() ? "main" : options.assessment;
  ASSAY_ASSIGN_OR_RETURN(const v1::EvaluationReport report,
                         FetchReport(connection, options.candidate, assessment, "", options.report));
  ASSAY_RETURN_IF_ERROR(WriteReportFiles(report, options.report));
  if (globals.json) return PrintJson(report);
  const NextCommands next = CommandsToGoOnWith(report, globals, options.report);
  std::cout << RenderReport(report, next, DetectStyle(), {.for_candidate = options.report.for_candidate()});
  return absl::OkStatus();
}

absl::Status Get(const Globals& globals, const ReadinessOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ForReading(globals));
  const ReportOptions& wanted = options.report;
  if (!wanted.report_file.empty() || !wanted.sarif_file.empty() || !wanted.audience.empty()) {
    return GetReport(globals, options, *connection);
  }
  auto stub = v1::ReadinessService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, kCallTimeout);
  v1::GetReadinessRequest request;
  request.set_candidate(options.candidate);
  request.set_assessment(options.assessment);
  v1::ReadinessRecord record;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->GetReadiness(&context, request, &record)));
  if (globals.json) return PrintJson(record);
  std::cout << RenderReadiness(record, DetectStyle());
  return absl::OkStatus();
}

absl::Status WatchAll(const Globals& globals, const ReadinessOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ToServer(globals));
  auto stub = v1::ReadinessService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, absl::InfiniteDuration());
  v1::WatchReadinessRequest request;
  request.set_candidate(options.candidate);
  request.set_assessment(options.assessment);
  auto stream = stub->WatchReadiness(&context, request);
  v1::WatchReadinessResponse response;
  while (stream->Read(&response)) {
    if (globals.json) {
      ASSAY_RETURN_IF_ERROR(PrintJson(response.record()));
      continue;
    }
    std::cout << absl::StrFormat("%d  %s  %.0f %% of the behaviours have evidence\n", response.record().version(),
                                 StatusInWords(response.record().readiness().status()),
                                 100 * response.record().readiness().coverage())
              << std::flush;
  }
  return FromGrpc(stream->Finish());
}

absl::Status Explain(const Globals& globals, const ReadinessOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ForReading(globals));
  auto stub = v1::ReadinessService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, kCallTimeout);
  v1::ExplainReadinessRequest request;
  request.set_candidate(options.candidate);
  request.set_assessment(options.assessment);
  request.set_id(options.id);
  v1::ExplainReadinessResponse response;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->ExplainReadiness(&context, request, &response)));
  if (globals.json) return PrintJson(response);
  std::cout << RenderExplanation(response, DetectStyle());
  return absl::OkStatus();
}

using Verb = absl::Status (*)(const Globals&, const ReadinessOptions&);

CLI::App* AddVerb(CLI::App* parent, const char* name, const char* description, const char* example, Globals& globals,
                  Action& action, const std::shared_ptr<ReadinessOptions>& options, Verb verb) {
  CLI::App* command = parent->add_subcommand(name, description);
  command->footer(absl::StrCat("Example: ", example));
  AddConnectionOptions(*command, globals);
  command->add_option("CANDIDATE", options->candidate, "Candidate id")->required();
  command->add_option("--assessment", options->assessment, "Assessment; default main");
  command->callback([&globals, &action, options, verb] {
    action = [&globals, options, verb]() -> int {
      const absl::Status status = verb(globals, *options);
      return status.ok() ? kDone : ReportFailure(status, globals.json);
    };
  });
  return command;
}

}  // namespace

void AddReadiness(CLI::App& app, Globals& globals, Action& action) {
  auto options = std::make_shared<ReadinessOptions>();
  CLI::App* parent = app.add_subcommand("readiness", "How ready a candidate is, and why");
  parent->footer("Example: assay readiness explain c-1 3.1");
  parent->require_subcommand(1);
  CLI::App* get =
      AddVerb(parent, "get", "Status, areas, competencies and gates; with --report the whole answer as a page",
              "assay readiness get c-1 --report report.html", globals, action, options, Get);
  AddReportOptions(*get, options->report);
  AddVerb(parent, "watch", "Every new value as it is published", "assay readiness watch c-1", globals, action, options,
          WatchAll);
  CLI::App* explain = AddVerb(parent, "explain", "Walks down to file lines, measurements and ratings",
                              "assay readiness explain c-1 3.1", globals, action, options, Explain);
  explain->add_option("ID", options->id, "Area (3), competency (3.1), behaviour (3.1.1) or gate; default: everything");
}

}  // namespace assay::cli
