// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "assay/v1/report.pb.h"

namespace assay::cli {

// One self-contained page: no script, no font, no image from elsewhere. A pure function of the report; every text of
// the report is escaped.
std::string RenderHtml(const v1::EvaluationReport& report);

// `text` safe inside an element or a quoted attribute.
std::string HtmlEscape(const std::string& text);

}  // namespace assay::cli
