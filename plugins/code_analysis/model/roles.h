// Which files are the server, and which are tests, tools, browser code or compiled copies.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_ROLES_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_ROLES_H_

#include <string>
#include <vector>

#include "plugins/code_analysis/model/model.h"
#include "plugins/code_analysis/model/module_graph.h"

namespace assay::code_analysis {

// JavaScript or TypeScript by its ending; also a file without one that starts with "#!" and names node.
bool IsCode(const SourceFile& file);
// Why a file of code is not read at all: dependencies, compiled copies of sources that are there. Empty: read it.
std::string ReasonToLeaveOut(const std::vector<SourceFile>& files, const SourceFile& file);
Role RoleOf(const Module& module);
// What the server imports is the server, whatever its folder is called.
void PromoteImported(ModuleGraph& graph);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_ROLES_H_
