// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/sandbox/launcher.h"

namespace assay::loadgen::testing {

// A process of this machine without any confinement, for programs of our own in tests.
class LocalProcess final : public sandbox::Process {
 public:
  explicit LocalProcess(int pid) : pid_(pid) {}
  ~LocalProcess() override {
    if (reaped_) return;
    Kill();
    waitpid(pid_, nullptr, 0);
  }

  uint64_t id() const override { return static_cast<uint64_t>(pid_); }
  int pid() const override { return pid_; }
  absl::Status Signal(int signal, int) override {
    signals.push_back(signal);
    if (on_signal) return on_signal(signal);
    return kill(pid_, signal) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "kill");
  }
  void Kill() override {
    if (!reaped_) kill(pid_, SIGKILL);
  }
  absl::StatusOr<sandbox::ExitInfo> Wait(absl::Duration timeout) override {
    const absl::Time deadline = absl::Now() + timeout;
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
      if (absl::Now() > deadline) return absl::DeadlineExceededError("it still runs");
      usleep(1000);
    }
    reaped_ = true;
    sandbox::ExitInfo info;
    info.signalled = WIFSIGNALED(status);
    info.code = info.signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    return info;
  }

  std::vector<int> signals;
  std::function<absl::Status(int)> on_signal;

 private:
  int pid_;
  bool reaped_ = false;
};

class LocalLauncher final : public sandbox::Launcher {
 public:
  absl::StatusOr<std::unique_ptr<sandbox::Process>> Launch(const sandbox::LaunchSpec& spec) override {
    joined = spec.join_process;
    const int pid = fork();
    if (pid < 0) return ErrnoStatus(errno, "fork");
    if (pid == 0) Become(spec);
    return std::make_unique<LocalProcess>(pid);
  }
  const std::vector<Check>& checks() const override { return checks_; }
  absl::Status CanRunUntrusted() const override { return absl::FailedPreconditionError("no confinement here"); }

  uint64_t joined = 0;

 private:
  [[noreturn]] static void Become(const sandbox::LaunchSpec& spec) {
    // Out of the way first, so that no copy lands on a source still needed.
    std::vector<std::pair<int, int>> copies;
    for (const auto& [from, to] : spec.descriptors) copies.emplace_back(fcntl(from, F_DUPFD_CLOEXEC, 64), to);
    for (const auto& [from, to] : copies) dup2(from, to);
    std::vector<char*> argv;
    for (const std::string& word : spec.argv) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    char* environment[] = {nullptr};
    execve(argv[0], argv.data(), environment);
    _exit(127);
  }

  std::vector<Check> checks_;
};

}  // namespace assay::loadgen::testing
