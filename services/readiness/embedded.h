// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "services/readiness/framework.h"

namespace assay::readiness {

// The files of senior-express-engineer@1, sorted by name; the definition is generated.
std::vector<FrameworkFile> EmbeddedFiles();

}  // namespace assay::readiness
