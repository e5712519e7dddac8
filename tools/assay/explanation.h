// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "assay/v1/readiness_service.pb.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {

// The walk from areas down to the lines, measurements and quoted ratings they rest on. A pure function.
std::string RenderExplanation(const v1::ExplainReadinessResponse& response, const TerminalStyle& style);

}  // namespace assay::cli
