// Under which condition on the environment code runs.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_GUARDS_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_GUARDS_H_

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

struct GuardInfo {
  Guard guard = Guard::kNone;
  Node condition;
};

// Looks at enclosing conditions up to the function around the node: if and else, ternaries, && and ||, and returns
// before it.
GuardInfo GuardAround(Node node);
// What a condition says of the environment when it holds.
Guard GuardOfCondition(Node condition);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_GUARDS_H_
