// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "assay/config/v1/evaluator.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/runtime/program.h"
#include "services/evaluator/process.h"
#include "services/sandbox/launcher.h"

namespace {

// Of the time a supervisor usually gives before it kills, 30 s.
constexpr absl::Duration kGrace = absl::Seconds(20);

absl::StatusOr<std::unique_ptr<assay::runtime::RunningService>> Start(const assay::config::v1::Evaluator& config,
                                                                      assay::runtime::GiveUp give_up) {
  // Before the first thread: the launcher is forked from a process that is still small.
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<assay::sandbox::Launcher> launcher, assay::sandbox::Launcher::Start());
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<assay::evaluator::Process> process,
                         assay::evaluator::Process::Create(config, std::move(launcher), std::move(give_up)));
  return process;
}

}  // namespace

int main(int argc, char** argv) {
  assay::config::v1::Evaluator config;
  config.set_http_listen("127.0.0.1:7481");
  return assay::runtime::RunServerProgram(
      {.name = "assay-evaluator",
       .description = "Runs evaluations that aggregators ask for",
       .grace = kGrace,
       .configuration = config,
       .start = [&config](assay::runtime::GiveUp give_up) { return Start(config, std::move(give_up)); }},
      argc, argv);
}
