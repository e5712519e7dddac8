// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugins/code_analysis/checks/reporter.h"
#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

// G2: a query for each row of another query, or for each entry of a request, while a request is answered.
void JudgeRepeatedQueries(const Model& model, Reporter& reporter);

}  // namespace assay::code_analysis
