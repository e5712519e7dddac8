// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "services/readiness/readiness.h"

namespace assay::readiness {

// The same inputs with names that depend on nothing but their content: raters, occasions and submissions are known by
// keyed pseudonyms that differ from one data folder to the next, and whatever is ordered by them would too. Who is the
// same as whom stays as it is; empty keys stay empty. Pure.
FoldInputs Canonical(const FoldInputs& inputs);

}  // namespace assay::readiness
