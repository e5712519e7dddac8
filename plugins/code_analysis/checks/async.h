// Parts of family B that stand in files of their own; the table is in async.cc.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_ASYNC_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_ASYNC_H_

#include "plugins/code_analysis/checks/check.h"

namespace assay::code_analysis {

void CheckErrorLeaks(const Model& model, Reporter& reporter);
void CheckSwallowedErrors(const Model& model, Reporter& reporter);

// Does a listener for fatal errors end the process (or throw again), itself or in what it calls?
bool EndsProcess(const Model& model, Node function);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_ASYNC_H_
