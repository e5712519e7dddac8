// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace assay::cli {

// What the project shows of itself, rendered from the report of one real run.
struct SampleReport {
  std::string page;     // report.html
  std::string picture;  // terminal.svg
};

// `json` is an EvaluationReport as `assay evaluate --json --report` prints it. INVALID_ARGUMENT: it is none.
absl::StatusOr<SampleReport> RenderSample(const std::string& json);

}  // namespace assay::cli
