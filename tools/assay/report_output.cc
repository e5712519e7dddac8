// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/report_output.h"

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "assay/v1/report_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/failure.h"
#include "tools/assay/html_report.h"
#include "tools/assay/output.h"
#include "tools/assay/sarif.h"

namespace assay::cli {
void AddReportOptions(CLI::App& command, ReportOptions& options) {
  command.add_option("--report", options.report_file, "Write one self-contained HTML page");
  command.add_option("--sarif", options.sarif_file, "Write the findings for code hosts");
  command.add_option("--audience", options.audience, "For whom the answer is written: candidate or reviewer")
      ->check(CLI::IsMember({"candidate", "reviewer"}));
}

absl::Status CheckReportFiles(const ReportOptions& options) {
  for (const auto& [option, path] : {std::pair("--report", options.report_file), {"--sarif", options.sarif_file}}) {
    if (path.empty()) continue;
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::absolute(path, error).parent_path();
    if (!std::filesystem::is_directory(folder, error)) {
      return absl::InvalidArgumentError(absl::StrCat(option, ": ", path, ": no such folder: ", folder.string()));
    }
    if (std::filesystem::is_directory(path, error)) {
      return absl::InvalidArgumentError(absl::StrCat(option, ": ", path, ": is a folder; name a file"));
    }
    if (access(folder.c_str(), W_OK) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(option, ": ", path, ": nothing can be written to ", folder.string()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::EvaluationReport> FetchReport(const Connection& connection, const std::string& candidate,
                                                 const std::string& assessment, const std::string& read_token,
                                                 const ReportOptions& options) {
  auto stub = v1::ReportService::NewStub(connection.channel());
  grpc::ClientContext context;
  connection.Prepare(context, absl::Minutes(1));
  v1::GetEvaluationReportRequest request;
  request.set_candidate(candidate);
  request.set_assessment(assessment);
  request.set_read_token(read_token);
  request.set_full(!options.report_file.empty());
  request.set_audience(options.for_candidate() ? v1::GetEvaluationReportRequest::CANDIDATE
                                               : v1::GetEvaluationReportRequest::REVIEWER);
  v1::EvaluationReport report;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->GetEvaluationReport(&context, request, &report)));
  return report;
}

absl::Status WriteReportFiles(const v1::EvaluationReport& report, const ReportOptions& options) {
  if (!options.report_file.empty()) {
    ASSAY_RETURN_IF_ERROR(WriteFileAtomically(options.report_file, RenderHtml(report, options.for_candidate())));
    std::cerr << "report: " << options.report_file << "\n";
  }
  if (!options.sarif_file.empty()) {
    ASSAY_RETURN_IF_ERROR(WriteFileAtomically(options.sarif_file, RenderSarif(report)));
    std::cerr << "sarif: " << options.sarif_file << "\n";
  }
  return absl::OkStatus();
}

NextCommands CommandsToGoOnWith(const v1::EvaluationReport& report, const Globals& globals,
                                const ReportOptions& options) {
  NextOptions next;
  next.program = ProgramName();
  if (!globals.data.empty()) next.suffix = absl::StrCat(" --data ", ShellQuote(DataDirectory(globals)));
  next.page_written = !options.report_file.empty();
  return CommandsAfter(report, next);
}

}  // namespace assay::cli
