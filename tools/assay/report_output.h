// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "assay/v1/report.pb.h"
#include "tools/assay/connection.h"
#include "tools/assay/globals.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {

// How the answer about one assessment is written, and for whom.
struct ReportOptions {
  std::string report_file;
  std::string sarif_file;
  std::string audience;

  bool for_candidate() const { return audience == "candidate"; }
};

// Adds --report, --sarif and --audience.
void AddReportOptions(CLI::App& command, ReportOptions& options);

// Whether the files can be written where they are wanted; asked before minutes of work.
absl::Status CheckReportFiles(const ReportOptions& options);

// The report of one assessment, with excerpts and runs when a page is to be written.
absl::StatusOr<v1::EvaluationReport> FetchReport(const Connection& connection, const std::string& candidate,
                                                 const std::string& assessment, const std::string& read_token,
                                                 const ReportOptions& options);

// Writes the page and the findings where they are wanted, and says so on standard error.
absl::Status WriteReportFiles(const v1::EvaluationReport& report, const ReportOptions& options);

// Commands that lead on from a report, ready to be typed.
NextCommands CommandsToGoOnWith(const v1::EvaluationReport& report, const Globals& globals,
                                const ReportOptions& options);

}  // namespace assay::cli
