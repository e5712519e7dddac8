// Calls with an effect outside the process, told by where their callee comes from.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_CALLS_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_CALLS_H_

#include <string>
#include <string_view>

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

// `origin` is the callee's. Models and repositories of unknown origin are told by name.
DatabaseKind DatabaseKindOf(std::string_view origin, Node call);
// The origin again when it is a call to another service over HTTP; empty otherwise.
std::string OutboundOrigin(std::string_view origin);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_CALLS_H_
