// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "services/evaluator/server.h"

namespace assay::evaluator {

// Runs submissions in the sandbox: a workspace with dependencies, processes in it, load against them. Every result is
// measured here and becomes evidence. `launcher` must outlive it.
//
// cache_folder: where Node releases and dependency layers are kept. engine: assay-loadgen; empty: beside this
// executable.
std::unique_ptr<PlatformSource> MakeSandboxPlatform(sandbox::Launcher& launcher, std::string cache_folder,
                                                    std::string engine = "");

// Says that nothing can be run here, and why.
std::unique_ptr<PlatformSource> MakeNoPlatform(std::string reason);

}  // namespace assay::evaluator
