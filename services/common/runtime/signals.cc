// SPDX-License-Identifier: Apache-2.0
#include "services/common/runtime/signals.h"

#include <unistd.h>

#include <csignal>
#include <thread>

namespace assay::runtime {
namespace {

sigset_t ShutdownSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

int Wait() {
  const sigset_t signals = ShutdownSignals();
  int signal = SIGTERM;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

}  // namespace

void BlockShutdownSignals() {
  const sigset_t signals = ShutdownSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void UnblockShutdownSignals() {
  const sigset_t signals = ShutdownSignals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

int WaitForShutdown() {
  const int signal = Wait();
  // It holds nothing and ends with the process, so nobody has to join it.
  std::thread([] { ::_exit(128 + Wait()); }).detach();
  return signal;
}

EndOnShutdown::EndOnShutdown() {
  thread_ = std::thread([this] {
    const sigset_t signals = ShutdownSignals();
    const timespec interval{0, 20'000'000};
    while (!is_over_) {
      const int signal = sigtimedwait(&signals, nullptr, &interval);
      if (signal > 0) _exit(128 + signal);
    }
  });
}

EndOnShutdown::~EndOnShutdown() {
  is_over_ = true;
  thread_.join();
}

}  // namespace assay::runtime
