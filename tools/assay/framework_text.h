// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "assay/v1/framework.pb.h"
#include "tools/assay/terminal_text.h"

namespace assay::cli {

// A framework for a reader: areas, competencies with levels and weights, behaviours with who can see them, by which
// criteria, and what to look for and ask; then the profiles with their gates, and the answers to the source's
// questions. With `id` only that area, competency or behaviour; empty when there is none of that id.
std::string RenderFramework(const v1::Framework& framework, const std::string& id, const TerminalStyle& style);

}  // namespace assay::cli
