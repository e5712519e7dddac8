// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "assay/v1/report.pb.h"

namespace assay::cli {

// One self-contained page: no scripts, nothing loaded from elsewhere, and a policy of its own that forbids both. A pure
// function of the report. For the candidate it says what to try next in place of what would help an assessor.
std::string RenderHtml(const v1::EvaluationReport& report, bool for_candidate = false);

}  // namespace assay::cli
