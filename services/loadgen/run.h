// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/loadgen/control.h"
#include "services/loadgen/plan.h"
#include "services/loadgen/result.h"

namespace assay::loadgen {

// Runs a whole plan, phase after phase, in this process. Errors are the machine's (no descriptors left); what the
// target does wrong is in the result.
absl::StatusOr<RunResult> Execute(const Plan& plan, Control& control);

// The result document (README.md). It never exceeds Limits::result_bytes by more than the plain counts: histogram
// buckets of single classes are left out first, then those of phases, and the document says so.
std::string ResultJson(const Plan& plan, const RunResult& run);

}  // namespace assay::loadgen
