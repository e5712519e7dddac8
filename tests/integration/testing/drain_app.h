// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace assay::testing {

// A small Express application that says of itself that it drains on SIGTERM, and gives requests in flight `grace_ms`
// for it.
std::vector<std::pair<std::string, std::string>> DrainApp(int grace_ms);
// The line of its server.js on which it closes the server.
inline constexpr int kDrainLine = 25;

}  // namespace assay::testing
