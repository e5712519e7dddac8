// Parts of family E that stand in files of their own; the table is in resilience.cc.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_RESILIENCE_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_RESILIENCE_H_

#include "plugins/code_analysis/checks/check.h"

namespace assay::code_analysis {

void CheckOutboundTimeouts(const Model& model, Reporter& reporter);
void CheckServerTimeouts(const Model& model, Reporter& reporter);
void CheckShedding(const Model& model, Reporter& reporter);
void CheckRateLimits(const Model& model, Reporter& reporter);
void CheckShutdown(const Model& model, Reporter& reporter);
void CheckProbes(const Model& model, Reporter& reporter);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_RESILIENCE_H_
