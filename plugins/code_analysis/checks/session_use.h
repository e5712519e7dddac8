// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugins/code_analysis/checks/reporter.h"
#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

// D3: flags of cookies that authenticate (express-session, cookie-session, res.cookie).
void JudgeSessionCookies(const Model& model, Reporter& reporter);
// D3b: where express-session keeps its sessions.
void JudgeSessionStore(const Model& model, Reporter& reporter);

}  // namespace assay::code_analysis
