// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "assay/v1/readiness.pb.h"
#include "services/readiness/gates.h"

namespace assay::readiness {

inline constexpr size_t kMaxNextEvidence = 10;

// What would narrow the intervals of the must-have competencies and behaviours most for the minutes it takes: for each
// effort that could still be made, one typical observation of each criterion it brings is added and the summed widths
// are compared. How wide an interval is does not depend on what will be found, so nothing is guessed about the outcome.
// Best first, at most kMaxNextEvidence. With `coverage_needed`, up to three ratings of the least covered competencies
// follow (`coverage`: by competency, as in the appraisal).
std::vector<v1::NextEvidence> RankNextEvidence(const Appraisal& appraisal, bool coverage_needed,
                                               const std::vector<double>& coverage);

}  // namespace assay::readiness
