// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <iostream>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "services/common/base/file.h"
#include "services/common/runtime/configuration.h"
#include "services/common/runtime/signals.h"
#include "services/standalone/server.h"

namespace {

constexpr absl::Duration kGrace = absl::Seconds(10);

int Fail(const absl::Status& status) {
  std::cerr << "error: assay-standalone: " << status.message() << std::endl;
  return absl::IsInvalidArgument(status) ? 3 : absl::IsInternal(status) || absl::IsDataLoss(status) ? 70 : 4;
}

// This program from its beginning, in the same process. Nobody waits any more for the line that says it is ready.
int StartAgain(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  std::string not_ready = "--ready_fd=-1";
  arguments.push_back(not_ready.data());
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
  return Fail(assay::ErrnoStatus(errno, "start again"));
}

}  // namespace

int main(int argc, char** argv) {
  std::string config_file, data;
  std::vector<std::string> overrides;
  int ready_fd = -1;
  bool exit_with_parent = false, read_only = false;
  CLI::App app("The standalone Assay server");
  app.add_option("--config", config_file, "Configuration file: assay.config.v1.Standalone as YAML");
  app.add_option("--data", data, "Data folder");
  app.add_option("--set", overrides, "path=value of the configuration; may be repeated");
  app.add_option("--ready_fd", ready_fd, "Where to write a line of JSON with the addresses once it serves")->take_last();
  app.add_flag("--exit_with_parent", exit_with_parent, "Stop when the process that started this one ends");
  app.add_flag("--read_only", read_only, "Answer reading calls from the data folder; change nothing");
  CLI11_PARSE(app, argc, argv);

  // Debian's Abseil looks for deadlocks at every lock, under one lock of the process. Tests keep that; a server does not
  // pay for it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  assay::runtime::BlockShutdownSignals();
  const pid_t parent = getppid();
  if (exit_with_parent && (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)) return 0;
  assay::config::v1::Standalone config;
  config.set_listen("127.0.0.1:7470");
  config.set_http_listen("127.0.0.1:7480");
  const absl::Status loaded = assay::runtime::LoadConfiguration(config_file, overrides, &config);
  if (!loaded.ok()) return Fail(loaded);
  if (!data.empty()) config.set_data_directory(data);
  if (read_only) config.set_read_only(true);

  // Before the first thread: the launcher is forked from a process that is still small.
  std::unique_ptr<assay::sandbox::Launcher> launcher;
  if (!config.read_only()) {
    auto started = assay::sandbox::Launcher::Start();
    if (!started.ok()) return Fail(started.status());
    launcher = *std::move(started);
  }
  std::atomic<bool> again = false;
  auto server = assay::standalone::Server::Create(config, std::move(launcher), [&again] {
    again = true;
    kill(getpid(), SIGTERM);
  });
  if (!server.ok()) return Fail(server.status());
  const std::string addresses = (*server)->Addresses();
  std::cerr << "serving " << addresses << std::flush;
  if (ready_fd >= 0 && write(ready_fd, addresses.data(), addresses.size()) < 0) std::cerr << "ready_fd: not writable\n";
  assay::runtime::WaitForShutdown();
  (*server)->Stop(kGrace);
  server->reset();
  return again ? StartAgain(argc, argv) : 0;
}
