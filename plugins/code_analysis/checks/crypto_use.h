// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plugins/code_analysis/checks/reporter.h"
#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

// D9: randomness of tokens, hashing of passwords, ciphers, checks of certificates.
void JudgeCrypto(const Model& model, Reporter& reporter);

}  // namespace assay::code_analysis
