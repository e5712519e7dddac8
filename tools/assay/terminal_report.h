// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "assay/v1/readiness.pb.h"
#include "assay/v1/report.pb.h"

namespace assay::cli {

struct TerminalStyle {
  bool colour = false;
  // False: bars and marks in ASCII.
  bool unicode = true;
  // Columns; at least 60.
  int width = 100;
};

// Commands to go on with, ready to be typed.
using NextCommands = std::vector<std::string>;

// The answer that fits a screen: what was tried and what happened, status, areas, gates, what would help next, and the
// commands to go on with. A pure function of the report, so that its picture can be tested.
std::string RenderReport(const v1::EvaluationReport& report, const NextCommands& next, const TerminalStyle& style);

// Status, areas with competencies, and gates, for `assay readiness get`.
std::string RenderReadiness(const v1::ReadinessRecord& record, const TerminalStyle& style);

// "NOT ENOUGH EVIDENCE" and the like, as people read it.
std::string StatusInWords(v1::Readiness::Status status);

// Text for a terminal: control characters of submitted texts made visible, so that none reaches the terminal.
std::string Printable(const std::string& text);

// What the terminal of this process can show.
TerminalStyle DetectStyle();

}  // namespace assay::cli
