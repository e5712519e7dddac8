// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/layer_proof.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace assay::sandbox {
namespace {

using Check = Launcher::Check;

// Exit codes of probes: 0 the attempt was stopped, 1 it succeeded, higher ones say what else went wrong.
constexpr int kHeld = 0;
constexpr int kBroken = 1;

constexpr uint64_t kMemoryLimit = 24 << 20;
constexpr uint64_t kDiskLimit = 1 << 20;
constexpr int kProcessLimit = 8;

int TouchTooMuchMemory() {
  constexpr size_t kSize = 2 * kMemoryLimit;
  auto* bytes = static_cast<volatile char*>(
      mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (bytes == MAP_FAILED) return 2;
  for (size_t i = 0; i < kSize; i += 4096) bytes[i] = 1;
  return kBroken;
}

int ForkTooOften() {
  for (int i = 0; i < 4 * kProcessLimit; ++i) {
    pid_t child = fork();
    if (child < 0) return errno == EAGAIN ? kHeld : 2;
    if (child == 0) {
      pause();
      _exit(0);
    }
  }
  return kBroken;
}

struct HostSockets {
  UniqueFd tcp;
  UniqueFd abstract_unix;
  sockaddr_in address{};
  sockaddr_un name{};
  socklen_t name_size = 0;
};

HostSockets ListenOnHost() {
  HostSockets host;
  host.tcp.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  host.address.sin_family = AF_INET;
  host.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof host.address;
  bind(host.tcp.get(), reinterpret_cast<sockaddr*>(&host.address), size);
  listen(host.tcp.get(), 4);
  getsockname(host.tcp.get(), reinterpret_cast<sockaddr*>(&host.address), &size);

  host.abstract_unix.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  host.name.sun_family = AF_UNIX;
  // An empty name lets the kernel choose an abstract one.
  bind(host.abstract_unix.get(), reinterpret_cast<sockaddr*>(&host.name), offsetof(sockaddr_un, sun_path));
  host.name_size = sizeof host.name;
  getsockname(host.abstract_unix.get(), reinterpret_cast<sockaddr*>(&host.name), &host.name_size);
  listen(host.abstract_unix.get(), 4);
  return host;
}

bool CanConnect(int family, int type, const void* address, socklen_t size) {
  UniqueFd attempt(socket(family, type | SOCK_CLOEXEC, 0));
  return attempt.is_open() && connect(attempt.get(), static_cast<const sockaddr*>(address), size) == 0;
}

int ReachHost(const HostSockets& host) {
  if (CanConnect(AF_INET, SOCK_STREAM, &host.address, sizeof host.address)) return kBroken;
  if (CanConnect(AF_UNIX, SOCK_STREAM, &host.name, host.name_size)) return 2;
  // A datagram socket sends nothing when it connects: this asks the routing table alone, for a documentation address.
  sockaddr_in outside{};
  outside.sin_family = AF_INET;
  outside.sin_port = htons(9);
  inet_pton(AF_INET, "192.0.2.1", &outside.sin_addr);
  if (CanConnect(AF_INET, SOCK_DGRAM, &outside, sizeof outside)) return 3;
  // Its own loopback must work all the same.
  UniqueFd own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in loopback{};
  loopback.sin_family = AF_INET;
  loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof loopback;
  if (bind(own.get(), reinterpret_cast<sockaddr*>(&loopback), size) != 0 || listen(own.get(), 1) != 0) return 4;
  getsockname(own.get(), reinterpret_cast<sockaddr*>(&loopback), &size);
  return CanConnect(AF_INET, SOCK_STREAM, &loopback, sizeof loopback) ? kHeld : 5;
}

int ReadOutside(const std::string& own_executable) {
  for (const std::string& path : {std::string("/etc/shadow"), std::string("/root"), std::string("/usr"), std::string("/sys"),
                                  std::string("/proc/1/root/etc/shadow"), own_executable}) {
    if (UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC)); file.is_open()) return kBroken;
  }
  if (UniqueFd file(open("/escape", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); file.is_open()) return 2;
  return kHeld;
}

int GainPrivileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return 2;
  if ((data[0].effective | data[1].effective | data[0].permitted | data[1].permitted) != 0) return 3;
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 4;
  return setuid(0) == 0 || unshare(CLONE_NEWUSER) == 0 ? kBroken : kHeld;
}

int UseForbiddenCalls() {
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2) return 2;
  char none[128] = {};
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) return kBroken;
  // A plain EFAULT or EINVAL would mean that the kernel looked at the arguments.
  for (long number : {SYS_bpf, SYS_io_uring_setup, SYS_perf_event_open, SYS_userfaultfd, SYS_keyctl}) {
    errno = 0;
    if (syscall(number, -1, none, sizeof none, 0, 0) >= 0 || (errno != EPERM && errno != ENOSYS)) return 3;
  }
  return kHeld;
}

// Leaves a grandchild behind that ignores what can be ignored and holds `descriptor`.
int Escape(int launcher, int descriptor) {
  // A low number may be one of its own processes, where the launcher itself runs in a young process namespace.
  if (launcher > 64 && kill(launcher, 0) == 0) return kBroken;
  pid_t child = fork();
  if (child < 0) return 3;
  if (child == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    while (fcntl(descriptor, F_GETFD) >= 0) pause();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  return kHeld;
}

int FillDisk() {
  UniqueFd file(open("/tmp/fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file.is_open()) return 2;
  static char block[65536];
  for (uint64_t written = 0; written < 4 * kDiskLimit; written += sizeof block) {
    // The file size limit would end the process as well; here the file system must refuse.
    if (write(file.get(), block, sizeof block) < 0) return errno == ENOSPC ? kHeld : 3;
    if (written >= kDiskLimit / 2) {
      file.reset(open(absl::StrCat("/tmp/fill", written).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
      if (!file.is_open()) return errno == ENOSPC ? kHeld : 4;
    }
  }
  return kBroken;
}

int Spin() {
  timespec begin{}, now{};
  clock_gettime(CLOCK_MONOTONIC, &begin);
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begin.tv_sec) * 1'000'000'000LL + now.tv_nsec - begin.tv_nsec < 60'000'000);
  return kHeld;
}

// As much of a server's isolation as the machine has, so that one missing layer does not hide the others.
LaunchSpec ConfinedSpec(const Machine& machine) {
  LaunchSpec spec;
  Isolation& isolation = spec.isolation;
  isolation.new_network = machine.namespaces.at("network").ok();
  isolation.new_mounts = machine.namespaces.at("mounts").ok();
  isolation.new_processes = machine.namespaces.at("processes").ok();
  isolation.best_effort = true;
  return spec;
}

struct Attempt {
  std::string id;
  std::string held;    // the detail when it was stopped
  std::string broken;  // and when not
  LaunchServer::ProbeRun run;
};

std::string OwnExecutable() {
  char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "/proc/self/exe";
}

class Proof {
 public:
  explicit Proof(LaunchServer& server) : server_(server) {}

  std::vector<Check> Run() {
    HostSockets host = ListenOnHost();
    int escape[2] = {-1, -1};
    if (pipe2(escape, O_CLOEXEC) != 0) return {};
    UniqueFd read_end(escape[0]), write_end(escape[1]);
    AddNamespaces(host, write_end.get());
    AddLimits();
    std::vector<LaunchServer::ProbeRun> runs;
    for (const Attempt& attempt : attempts_) runs.push_back(attempt.run);
    std::vector<LaunchServer::Outcome> outcomes = server_.RunProbes(std::move(runs), absl::Seconds(5));
    write_end.reset();
    for (size_t i = 0; i < attempts_.size(); ++i) checks_.push_back(Judge(attempts_[i], outcomes[i], read_end.get()));
    std::sort(checks_.begin(), checks_.end(), [](const Check& a, const Check& b) { return a.id < b.id; });
    return std::move(checks_);
  }

 private:
  LaunchServer::ProbeRun& Add(std::string id, std::string held, std::string broken, Probe probe) {
    attempts_.push_back({std::move(id), std::move(held), std::move(broken), {}});
    attempts_.back().run.spec = ConfinedSpec(server_.machine());
    attempts_.back().run.probe = std::move(probe);
    return attempts_.back().run;
  }

  bool Available(const std::string& id, const absl::Status& status) {
    if (!status.ok()) checks_.push_back({id, Check::Result::kAbsent, std::string(status.message()), MendText(id)});
    return status.ok();
  }
  absl::Status ControllerStatus(const std::string& id) const {
    if (server_.cgroups().Has(id)) return absl::OkStatus();
    return absl::FailedPreconditionError(server_.cgroups().missing().at(id));
  }

  void AddNamespaces(const HostSockets& host, int descriptor) {
    const auto& namespaces = server_.machine().namespaces;
    if (Available("network", namespaces.at("network"))) {
      Add("network", "reaches its own loopback and nothing else", "reached a socket outside of its network",
          [&host] { return ReachHost(host); });
    }
    if (Available("mounts", namespaces.at("mounts"))) {
      Add("mounts", "sees no file outside of its private root and cannot write to it", "opened a file outside",
          [path = OwnExecutable()] { return ReadOutside(path); });
    }
    if (Available("processes", namespaces.at("processes"))) {
      auto& run = Add("processes", "cannot signal the launcher; what it left behind ended with it",
                      "signalled the launcher or left a process behind",
                      [launcher = getpid()] { return Escape(launcher, 3); });
      run.spec.descriptors = {{descriptor, 3}};
      run.descriptors = {descriptor};
    }
    const Machine& machine = server_.machine();
    if (Available("privileges", machine.root && !machine.can_change_user
                                    ? absl::FailedPreconditionError("runs as root and may not become another user")
                                    : absl::OkStatus())) {
      Add("privileges", "has no capability, cannot become root or make a user namespace", "gained privileges",
          GainPrivileges);
    }
    Add("system_calls", "tracing, BPF, io_uring, keys are refused", "a forbidden system call was carried out",
        UseForbiddenCalls);
    if (Available("disk", namespaces.at("mounts"))) {
      Add("disk", "writing ends at the size limit", "wrote past the size limit", FillDisk).spec.limits.disk_bytes =
          kDiskLimit;
    }
  }

  void AddLimits() {
    if (Available("memory", ControllerStatus("memory"))) {
      Add("memory", "killed at the limit", "used twice the memory it may", TouchTooMuchMemory)
          .spec.limits.memory_bytes = kMemoryLimit;
    }
    if (Available("pids", ControllerStatus("pids"))) {
      Add("pids", "fork is refused at the limit", "started more processes than it may", ForkTooOften)
          .spec.limits.max_processes = kProcessLimit;
    }
    if (Available("cpu", ControllerStatus("cpu"))) {
      Add("cpu", "throttled at its share", "was not throttled", Spin).spec.limits.cpus = 0.1;
    }
  }

  static bool Held(const Attempt& attempt, const LaunchServer::Outcome& outcome, int escape) {
    const ExitInfo& exit = outcome.exit;
    if (attempt.id == "memory") return exit.limit == ExitInfo::Limit::kMemory;
    if (exit.limit == ExitInfo::Limit::kWall || exit.signalled || exit.code != kHeld) return false;
    if (attempt.id == "cpu") return outcome.usage.throttled > 0;
    if (attempt.id == "processes") {
      // The end of its last process closed the last copy of the write end.
      pollfd state{escape, POLLIN, 0};
      return poll(&state, 1, 1000) == 1 && (state.revents & POLLHUP) != 0;
    }
    return true;
  }

  static Check Judge(const Attempt& attempt, const LaunchServer::Outcome& outcome, int escape) {
    if (!outcome.started.ok()) {
      return {attempt.id, Check::Result::kAbsent, std::string(outcome.started.message()), MendText(attempt.id)};
    }
    if (Held(attempt, outcome, escape)) return {attempt.id, Check::Result::kEnforced, attempt.held, ""};
    std::string how = outcome.exit.signalled ? absl::StrCat("signal ", outcome.exit.code)
                                             : absl::StrCat("step ", outcome.exit.code);
    return {attempt.id, Check::Result::kBroken, absl::StrCat(attempt.broken, " (", how, ")"), MendText(attempt.id)};
  }

  LaunchServer& server_;
  std::vector<Attempt> attempts_;
  std::vector<Check> checks_;
};

}  // namespace

std::vector<Check> ProveLayers(LaunchServer& server) { return Proof(server).Run(); }

}  // namespace assay::sandbox
