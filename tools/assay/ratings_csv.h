// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/status.h"
#include "assay/v1/document.pb.h"

namespace assay::cli {

// Reads one rater's ratings of one occasion from a CSV (RFC 4180) with a header line and one row a rating:
//   candidate,rater,role,stage,held_at,competency,rating,evidence        (framework: optional further column)
// Every row names the same candidate, rater and occasion. A row without evidence is kept as `unsupported`.
// INVALID_ARGUMENT names file:line and the column.
absl::Status ParseRatingsCsv(const std::string& text, const std::string& path, v1::Scorecard* scorecard);

}  // namespace assay::cli
