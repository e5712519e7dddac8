// The documents the plugin leaves for other evaluators and for readers: the route table, and how the server starts.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_ARTIFACTS_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_ARTIFACTS_H_

#include <string>

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

// routes.json: a JSON array of assay.v1.Route with the proto's field names, sorted by path and method.
std::string RoutesJson(const Model& model);

// server.json: versions, entries, port, environment variables, health paths and .assay.yaml. Shape: README.md.
std::string ServerJson(const Model& model);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_ARTIFACTS_H_
