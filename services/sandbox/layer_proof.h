// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "services/sandbox/launch_server.h"
#include "services/sandbox/launcher.h"

namespace assay::sandbox {

// Tries to break each layer of isolation in throw-away children that are confined exactly as a candidate's server is,
// and says what held. Takes some tens of milliseconds.
std::vector<Launcher::Check> ProveLayers(LaunchServer& server);

}  // namespace assay::sandbox
