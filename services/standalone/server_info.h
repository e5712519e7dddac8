// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "assay/config/v1/standalone.pb.h"
#include "assay/v1/server_service.pb.h"
#include "services/aggregator/server.h"
#include "services/evaluator/server.h"
#include "services/sandbox/launcher.h"

namespace assay::standalone {

// What the server says of itself and of its machine. `launcher` and
// `evaluator` are null when it is read-only.
v1::ServerInfo DescribeServer(const config::v1::Standalone& config, const aggregator::Server& aggregator,
                              const std::string& plugin_folder,
                              const sandbox::Launcher* launcher, const evaluator::Server* evaluator);

}  // namespace assay::standalone
