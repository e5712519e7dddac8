// SPDX-License-Identifier: Apache-2.0
//
// What each module of the server has to do with, told by what it imports and what it holds, never by its folder.
#pragma once

#include <string>
#include <vector>

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

struct ModuleLayer {
  bool server = false;  // takes part at all
  bool web = false;     // imports the web framework, or holds functions that are registered to answer requests
  bool touches_requests = false;  // web, or holds a function of (req, res)
  bool data = false;              // imports a library of a database and calls it
  bool only_exports = false;      // passes on what other modules export
  bool composes = false;          // puts the application together: makes or starts it, or imports several web modules
  Node web_site, data_site;       // where it shows
};

// Whether a module declares types and nothing that runs: an import of it is dropped when it is compiled.
bool HoldsOnlyTypes(const Module& module);

// By Model::modules().
std::vector<ModuleLayer> ReadLayers(const Model& model);

}  // namespace assay::code_analysis
