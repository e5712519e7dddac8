// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "assay/v1/readiness.pb.h"
#include "assay/v1/report.pb.h"
#include "tools/assay/terminal_text.h"

namespace assay::cli {

// Commands to go on with, ready to be typed.
using NextCommands = std::vector<std::string>;

struct NextOptions {
  // How this program is to be typed.
  std::string program = "assay";
  // Put behind each command, for example " --data FOLDER".
  std::string suffix;
  // A page was written already.
  bool page_written = false;
};

// Commands that lead on from a report: down to the evidence of the competency that shows most, and to the page.
NextCommands CommandsAfter(const v1::EvaluationReport& report, const NextOptions& options);

// How a report is shown on a terminal.
struct ReportView {
  // What to try next in place of what an interviewer would do.
  bool for_candidate = false;
};

// The answer that fits a screen: what was tried and what happened, status, areas, gates, what would help next, and the
// commands to go on with. A pure function of the report, so that its picture can be tested.
std::string RenderReport(const v1::EvaluationReport& report, const NextCommands& next, const TerminalStyle& style,
                         const ReportView& view = {});

// Status, areas with competencies, and gates, for `assay readiness get`.
std::string RenderReadiness(const v1::ReadinessRecord& record, const TerminalStyle& style);

// "NOT ENOUGH EVIDENCE" and the like, as people read it.
std::string StatusInWords(v1::Readiness::Status status);

}  // namespace assay::cli
