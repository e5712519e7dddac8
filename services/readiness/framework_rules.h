// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "assay/v1/framework.pb.h"

namespace assay::readiness {

// One rule that a framework breaks.
struct FrameworkDefect {
  std::string field;  // for example `areas[2].competencies[0].anchors`
  std::string what;   // what was found and what is allowed
};

// All of them, in the order of the fields; at most 50.
std::vector<FrameworkDefect> FindDefects(const v1::Framework& framework);

}  // namespace assay::readiness
