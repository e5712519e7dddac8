// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "assay/v1/readiness.pb.h"
#include "services/readiness/gates.h"

namespace assay::readiness {

// Whether the view people alone give of a competency and the view machines alone give lie more than two standard errors
// apart. By competency, as in the appraisal; false where either side has nothing.
std::vector<bool> ViewsDiffer(const Appraisal& appraisal);

// Statements that stand against each other, each with a question that could settle it: claims of the code that a run
// did not bear out ("claim/…"), a person's mark against what was observed of the same behaviour ("behaviour/…"), and
// competencies where people and machines differ as a whole ("views/…"). In this order, each sorted by id.
std::vector<v1::Contradiction> FindContradictions(const Appraisal& appraisal, const std::vector<bool>& views_differ);

}  // namespace assay::readiness
