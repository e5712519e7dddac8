// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "assay/v1/report.pb.h"

namespace assay::cli {

// The findings as a SARIF 2.1.0 log (OASIS standard), which code hosts show beside the lines. A pure function.
std::string RenderSarif(const v1::EvaluationReport& report);

}  // namespace assay::cli
