// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "assay/v1/readiness.pb.h"
#include "services/readiness/gates.h"

namespace assay::readiness {

inline constexpr size_t kMaxNextEvidence = 10;

// What would help most for the minutes it takes: for each effort that could still be made, one typical observation of
// each criterion it brings is added, and two things are compared. First the risk of deciding members of gates that are
// still undecided: the chance that one judged by its mean lies on the other side of its minimum, now and as it is
// expected to be afterwards, over all that might be found. Then, for efforts that touch no such member, the widths of
// the intervals of all must-have competencies and behaviours. Neither guesses the outcome. Best first, at most
// kMaxNextEvidence. With `coverage_needed`, up to three ratings of the least covered competencies follow (`coverage`:
// by competency, as in the appraisal).
std::vector<v1::NextEvidence> RankNextEvidence(const Appraisal& appraisal, const GateResults& gates,
                                               bool coverage_needed, const std::vector<double>& coverage);

}  // namespace assay::readiness
