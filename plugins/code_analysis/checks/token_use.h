// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugins/code_analysis/checks/reporter.h"
#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

// D2: how JSON Web Tokens are signed and verified (jsonwebtoken, express-jwt, passport-jwt, jose).
void JudgeTokens(const Model& model, Reporter& reporter);

// Whether the server refuses to go on when the environment variable is missing: a condition on it that throws, exits or
// calls something named after failing.
bool StopsWithout(const Model& model, std::string_view variable);

}  // namespace assay::code_analysis
