// SPDX-License-Identifier: Apache-2.0
#include "services/common/runtime/program.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "services/common/base/logging.h"
#include "services/common/runtime/configuration.h"
#include "services/common/runtime/signals.h"

namespace assay::runtime {
namespace {

constexpr int kWrongUsage = 2, kBadInput = 3, kUnavailable = 4, kOurFault = 70;

struct Arguments {
  std::string config_file;
  std::vector<std::string> overrides;
  int ready_fd = -1;
  bool exit_with_parent = false;
};

int Fail(const std::string& name, const absl::Status& status) {
  std::cerr << "error: " << name << ": " << status.message() << std::endl;
  if (absl::IsInvalidArgument(status)) return kBadInput;
  return absl::IsInternal(status) || absl::IsDataLoss(status) ? kOurFault : kUnavailable;
}

// Why the program ends without having been asked to.
class Reason {
 public:
  void Set(const absl::Status& why) {
    {
      absl::MutexLock lock(&mutex_);
      if (!why_.ok()) return;
      why_ = why;
    }
    LogError("the process stops", {{"why", std::string(why.message())}});
    kill(getpid(), SIGTERM);
  }
  absl::Status Get() {
    absl::MutexLock lock(&mutex_);
    return why_;
  }

 private:
  absl::Mutex mutex_;
  absl::Status why_ ABSL_GUARDED_BY(mutex_);
};

int Serve(const ServerProgram& program, const Arguments& arguments) {
  // Whoever gives up may do so as the last thing of a thread that nobody waits for.
  const auto reason = std::make_shared<Reason>();
  absl::StatusOr<std::unique_ptr<RunningService>> service;
  {
    // It may wait for brokers for a minute.
    const EndOnShutdown while_starting;
    service = program.start([reason](const absl::Status& why) { reason->Set(why); });
  }
  if (!service.ok()) return Fail(program.name, service.status());
  const std::string addresses = (*service)->Addresses();
  std::cerr << "serving " << addresses << std::flush;
  if (arguments.ready_fd >= 0 && write(arguments.ready_fd, addresses.data(), addresses.size()) < 0) {
    std::cerr << "ready_fd: not writable\n";
  }
  WaitForShutdown();
  (*service)->Stop(program.grace);
  service->reset();
  const absl::Status why = reason->Get();
  return why.ok() ? 0 : Fail(program.name, why);
}

}  // namespace

int RunServerProgram(const ServerProgram& program, int argc, char** argv) {
  Arguments arguments;
  CLI::App app(program.description);
  app.name(program.name);
  app.add_option("--config", arguments.config_file, "Configuration file (YAML)");
  app.add_option("--set", arguments.overrides, "path=value of the configuration; may be repeated");
  app.add_option("--ready_fd", arguments.ready_fd, "Where to write a line of JSON with the addresses once it serves");
  app.add_flag("--exit_with_parent", arguments.exit_with_parent, "Stop when the process that started this one ends");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << "error: " << program.name << ": " << error.what() << "\n";
    return kWrongUsage;
  }
  // Debian's Abseil looks for deadlocks at every lock, under one lock of the process. Tests keep that; a server does
  // not pay for it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  BlockShutdownSignals();
  const pid_t parent = getppid();
  if (arguments.exit_with_parent && (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)) return 0;
  const absl::Status loaded = LoadConfiguration(arguments.config_file, arguments.overrides, &program.configuration);
  if (!loaded.ok()) return Fail(program.name, loaded);
  return Serve(program, arguments);
}

}  // namespace assay::runtime
