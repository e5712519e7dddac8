// SPDX-License-Identifier: Apache-2.0
//
// Tests that talk to the application over HTTP, read from the test modules.
#pragma once

#include <cstddef>
#include <vector>

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

struct ApiTests {
  size_t test_files = 0;
  Span first_file;
  std::vector<Node> checked;    // test cases that send a request and check something
  std::vector<Node> unchecked;  // that send a request and check nothing, and call no function of the repository
  std::vector<Node> exclusive;  // it.only, describe.only
  size_t error_answers = 0;     // checks of a status from 400 on
  size_t routes = 0;            // routes with an exact path
  size_t routes_reached = 0;
};

ApiTests FindApiTests(const Model& model);

}  // namespace assay::code_analysis
