// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "services/aggregator/process.h"
#include "services/common/runtime/configuration.h"
#include "services/common/runtime/signals.h"

namespace {

constexpr absl::Duration kGrace = absl::Seconds(10);

int Fail(const absl::Status& status) {
  std::cerr << "error: assay-aggregator: " << status.message() << std::endl;
  return absl::IsInvalidArgument(status) ? 3 : absl::IsInternal(status) || absl::IsDataLoss(status) ? 70 : 4;
}

}  // namespace

int main(int argc, char** argv) {
  std::string config_file;
  std::vector<std::string> overrides;
  int ready_fd = -1;
  CLI::App app("The owner and standby of an Assay installation's shards");
  app.add_option("--config", config_file, "Configuration file: assay.config.v1.Aggregator as YAML");
  app.add_option("--set", overrides, "path=value of the configuration; may be repeated");
  app.add_option("--ready_fd", ready_fd, "Where to write a line of JSON with the addresses once it serves");
  CLI11_PARSE(app, argc, argv);

  // As in the standalone server: Debian's Abseil looks for deadlocks under one lock of the process.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  assay::runtime::BlockShutdownSignals();
  assay::config::v1::Aggregator config;
  const absl::Status loaded = assay::runtime::LoadConfiguration(config_file, overrides, &config);
  if (!loaded.ok()) return Fail(loaded);
  absl::StatusOr<std::unique_ptr<assay::aggregator::Process>> process;
  {
    // It may wait for brokers for a minute.
    const assay::runtime::EndOnShutdown while_starting;
    process = assay::aggregator::Process::Create(config);
  }
  if (!process.ok()) return Fail(process.status());
  const std::string addresses = (*process)->Addresses();
  std::cerr << "serving " << addresses << std::flush;
  if (ready_fd >= 0 && write(ready_fd, addresses.data(), addresses.size()) < 0) std::cerr << "ready_fd: not writable\n";
  assay::runtime::WaitForShutdown();
  (*process)->Stop(kGrace);
  return 0;
}
