// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "assay/config/v1/gateway.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/runtime/program.h"
#include "services/gateway/process.h"
#include "services/sandbox/launcher.h"

namespace {

absl::StatusOr<std::unique_ptr<assay::runtime::RunningService>> Start(const assay::config::v1::Gateway& config,
                                                                      assay::runtime::GiveUp give_up) {
  // Before the first thread: the launcher is forked from a process that is still small.
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<assay::sandbox::Launcher> launcher, assay::sandbox::Launcher::Start());
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<assay::gateway::Process> process,
                         assay::gateway::Process::Create(config, std::move(launcher), std::move(give_up)));
  return process;
}

}  // namespace

int main(int argc, char** argv) {
  assay::config::v1::Gateway config;
  config.set_listen("127.0.0.1:7470");
  config.set_http_listen("127.0.0.1:7480");
  return assay::runtime::RunServerProgram(
      {.name = "assay-gateway",
       .description = "The door of an Assay installation",
       .configuration = config,
       .start = [&config](assay::runtime::GiveUp give_up) { return Start(config, std::move(give_up)); }},
      argc, argv);
}
