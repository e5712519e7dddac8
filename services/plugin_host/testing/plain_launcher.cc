// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/testing/plain_launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/unique_fd.h"

namespace assay::plugin_host {
namespace {

using sandbox::ExitInfo;

uint64_t ResidentBytes(pid_t pid) {
  std::ifstream statm(absl::StrCat("/proc/", pid, "/statm"));
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

class PlainProcess final : public sandbox::Process {
 public:
  PlainProcess(pid_t pid, const sandbox::Limits& limits)
      : pid_(pid), limits_(limits), start_(absl::Now()), watcher_([this] { Watch(); }) {}

  ~PlainProcess() override {
    Kill();
    watcher_.join();
  }

  uint64_t id() const override { return static_cast<uint64_t>(pid_); }
  int pid() const override { return pid_; }

  absl::Status Signal(int signal, int) override {
    absl::MutexLock lock(&mutex_);
    if (!ended_ && ::kill(pid_, signal) != 0) return ErrnoStatus(errno, "kill");
    return absl::OkStatus();
  }

  void Kill() override {
    absl::MutexLock lock(&mutex_);
    if (!ended_) ::kill(-pid_, SIGKILL);
  }

  absl::StatusOr<ExitInfo> Wait(absl::Duration timeout) override {
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&ended_), timeout))
      return absl::DeadlineExceededError("it still runs");
    return exit_;
  }

 private:
  // The only reaper of the process. Looks at the limits every 10 ms.
  void Watch() {
    const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    ExitInfo exit;
    for (;;) {
      pollfd event = {handle.get(), POLLIN, 0};
      if (::poll(&event, 1, 10) > 0) break;
      if (absl::Now() - start_ > limits_.wall) exit.limit = ExitInfo::Limit::kWall;
      const uint64_t resident = ResidentBytes(pid_);
      exit.peak_bytes = std::max(exit.peak_bytes, resident);
      if (limits_.memory_bytes != 0 && resident > limits_.memory_bytes) exit.limit = ExitInfo::Limit::kMemory;
      if (exit.limit != ExitInfo::Limit::kNone) ::kill(-pid_, SIGKILL);
    }
    absl::MutexLock lock(&mutex_);
    ::kill(-pid_, SIGKILL);
    int status = 0;
    rusage usage{};
    ::wait4(pid_, &status, 0, &usage);
    exit.signalled = WIFSIGNALED(status);
    exit.code = exit.signalled ? WTERMSIG(status) : WEXITSTATUS(status);
    exit.wall = absl::Now() - start_;
    exit.cpu = absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
    exit.peak_bytes = std::max<uint64_t>(exit.peak_bytes, static_cast<uint64_t>(usage.ru_maxrss) * 1024);
    exit_ = exit;
    ended_ = true;
  }

  const pid_t pid_;
  const sandbox::Limits limits_;
  const absl::Time start_;
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  ExitInfo exit_ ABSL_GUARDED_BY(mutex_);
  std::thread watcher_;  // last: it uses everything above
};

// Between fork and exec: system calls alone.
[[noreturn]] void Become(const std::vector<std::pair<int, int>>& descriptors, char* const* argv,
                         char* const* environment, const char* directory) {
  ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  int moved[16];
  size_t count = 0;
  for (const auto& [from, to] : descriptors) {
    if (count == 16) ::_exit(126);
    moved[count++] = ::fcntl(from, F_DUPFD, 100);
  }
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  ::syscall(SYS_close_range, 3, 99, 0);
  for (size_t i = 0; i < count; ++i) ::dup2(moved[i], descriptors[i].second);
  ::syscall(SYS_close_range, 100, ~0U, 0);
  if (directory[0] != '\0' && ::chdir(directory) != 0) ::_exit(126);
  ::execve(argv[0], argv, environment);
  ::_exit(127);
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<sandbox::Process>> PlainLauncher::Launch(const sandbox::LaunchSpec& spec) {
  if (!failure_.ok()) return failure_;
  if (spec.argv.empty() || ::access(spec.argv[0].c_str(), X_OK) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("no executable ", spec.argv.empty() ? "" : spec.argv[0]));
  }
  const std::vector<char*> argv = Pointers(spec.argv);
  const std::vector<char*> environment = Pointers(spec.environment);
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoStatus(errno, "fork");
  if (pid == 0) Become(spec.descriptors, argv.data(), environment.data(), spec.directory.c_str());
  ::setpgid(pid, pid);
  return std::unique_ptr<sandbox::Process>(std::make_unique<PlainProcess>(pid, spec.limits));
}

}  // namespace assay::plugin_host
