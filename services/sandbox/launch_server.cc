// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/launch_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::sandbox {
namespace {

constexpr uint64_t kFirstProbeId = uint64_t{1} << 63;
constexpr uint32_t kFirstUser = 1'900'000'000;
constexpr uint32_t kUsers = 200'000'000;
constexpr uint32_t kNobody = 65'534;
constexpr uint32_t kInnerUser = 1000;
// How often limits are watched that no controller enforces.
constexpr absl::Duration kWatchInterval = absl::Milliseconds(50);

struct CloneArguments {  // of clone3, as far as it is used here
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

std::string ReadSmall(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[8192];
  ssize_t size = file.is_open() ? read(file.get(), buffer, sizeof buffer) : -1;
  return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : std::string();
}

uint64_t ResidentBytes(int pid) {
  std::vector<std::string> fields = absl::StrSplit(ReadSmall(absl::StrCat("/proc/", pid, "/statm")), ' ');
  uint64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) return 0;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// Each launcher counts from a place of its own: what two of them run on one machine must neither share a user nor what
// the kernel counts by user.
uint32_t AnyUser() {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) number = static_cast<uint32_t>(getpid()) * 2'654'435'761u;
  return number % kUsers;
}

absl::Status CheckSpec(const LaunchSpec& spec, bool probe) {
  if (spec.argv.empty() && !probe) return absl::InvalidArgumentError("argv: empty; its first item is the program's path");
  if (!probe && !absl::StartsWith(spec.argv[0], "/")) {
    return absl::InvalidArgumentError(absl::StrCat("argv[0] '", spec.argv[0], "': must be an absolute path"));
  }
  if (!(spec.limits.cpus >= 0 && spec.limits.cpus <= 4096)) {
    return absl::InvalidArgumentError("limits.cpus: must be 0 to 4096");
  }
  if (spec.limits.max_processes > 1'000'000) return absl::InvalidArgumentError("limits.max_processes: at most 1000000");
  std::set<int> numbers;
  for (auto [from, number] : spec.descriptors) {
    if (number < 0 || number > kMaxDescriptorNumber || !numbers.insert(number).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("descriptors: number ", number, " is given twice or not within 0..", kMaxDescriptorNumber));
    }
  }
  if (spec.descriptors.size() > kMaxDescriptors) {
    return absl::InvalidArgumentError(absl::StrCat("descriptors: at most ", kMaxDescriptors));
  }
  if (!spec.isolation.mounts.empty() && !spec.isolation.new_mounts && !spec.isolation.best_effort) {
    return absl::InvalidArgumentError("isolation.mounts: need isolation.new_mounts");
  }
  return absl::OkStatus();
}

}  // namespace

// starting → running → ended; only ServeControl and Finish move it on.
struct LaunchServer::Child {
  uint64_t id = 0;
  int pid = -1;          // of the direct child; ours until it is reaped
  int program_pid = -1;  // of the program, seen from here
  UniqueFd pidfd;
  UniqueFd control;
  bool started = false;
  bool has_keeper = false;
  bool ended = false;  // the keeper reported `status`
  int status = 0;
  bool disk_full = false;
  bool watch_memory = false;
  bool killed = false;
  Limits limits;
  ExitInfo::Limit hit = ExitInfo::Limit::kNone;
  absl::Status failure;
  std::vector<std::string> left_out;
  std::optional<Cgroup> group;
  std::deque<uint64_t> signal_requests;
  uint64_t joins = 0;
  absl::Time begin;
  absl::Duration watched_cpu;
  uint64_t watched_peak = 0;
  UniqueFd user_namespace, network_namespace, process_namespace;
};

absl::StatusOr<std::unique_ptr<LaunchServer>> LaunchServer::Create(UniqueFd client) {
  // Whatever our children leave behind comes to us, so that nothing escapes upwards.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "become the reaper of orphans");
  signal(SIGPIPE, SIG_IGN);
  Machine machine = Machine::Look();
  auto server =
      std::unique_ptr<LaunchServer>(new LaunchServer(std::move(client), std::move(machine), CgroupTree::Open()));
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  server->child_signals_.reset(signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!server->child_signals_.is_open()) return ErrnoStatus(errno, "signalfd");
  for (Profile profile : {Profile::kServer, Profile::kPluginHost, Profile::kDecoder, Profile::kLoadEngine,
                          Profile::kInstall}) {
    ASSAY_ASSIGN_OR_RETURN(server->filters_[profile], CompileProfile(profile));
  }
  return server;
}

LaunchServer::LaunchServer(UniqueFd client, Machine machine, CgroupTree cgroups)
    : client_(std::move(client)),
      machine_(std::move(machine)),
      cgroups_(std::move(cgroups)),
      next_user_(AnyUser()) {}

LaunchServer::~LaunchServer() {
  for (auto& [id, child] : children_) KillTree(*child);
  while (!children_.empty()) Step(absl::Milliseconds(100));
  ReapOrphans();
}

absl::Status LaunchServer::Send(const Frame& frame) {
  ASSAY_ASSIGN_OR_RETURN(std::string bytes, EncodeFrame(frame));
  return SendFrame(client_.get(), bytes);
}

void LaunchServer::Refuse(uint64_t id, const absl::Status& status) {
  Frame frame;
  frame.type = FrameType::kRefused;
  frame.id = id;
  frame.number = static_cast<int32_t>(status.code());
  frame.text = std::string(status.message().substr(0, 4096));
  Send(frame).IgnoreError();
}

absl::StatusOr<LaunchServer::Decision> LaunchServer::Decide(const LaunchSpec& spec) const {
  Decision decision;
  const Isolation& isolation = spec.isolation;
  absl::Status missing;
  auto lack = [&](const std::string& layer, absl::string_view why) {
    decision.left_out.push_back(layer);
    if (!missing.ok()) return;
    missing = absl::FailedPreconditionError(
        absl::StrCat("isolation layer '", layer, "' is not available here (", why, "); to mend it: ", MendText(layer)));
  };
  auto want = [&](bool wanted, const char* layer) {
    if (!wanted) return false;
    const absl::Status& status = machine_.namespaces.at(layer);
    if (!status.ok()) lack(layer, status.message());
    return status.ok();
  };
  const bool joins = spec.join_process != 0;
  decision.layers.network = want(isolation.new_network && !joins, "network");
  decision.layers.mounts = want(isolation.new_mounts, "mounts");
  decision.layers.processes = want(isolation.new_processes && !joins, "processes");
  decision.layers.user = !machine_.root && !joins &&
                         (decision.layers.network || decision.layers.mounts || decision.layers.processes);
  decision.layers.privileges = isolation.drop_privileges;
  if (isolation.drop_privileges && machine_.root && !machine_.can_change_user) lack("privileges", "no CAP_SETUID");
  for (auto [wanted, controller] : {std::pair{spec.limits.memory_bytes != 0, "memory"},
                                    std::pair{spec.limits.max_processes != 0, "pids"},
                                    std::pair{spec.limits.cpus > 0, "cpu"}}) {
    if (wanted && !cgroups_.Has(controller)) lack(controller, cgroups_.missing().at(controller));
  }
  if (!missing.ok() && !isolation.best_effort) return missing;
  return decision;
}

absl::Status LaunchServer::OpenJoined(const LaunchSpec& spec, ChildPlan& plan) {
  const uint64_t id = spec.join_process;
  auto found = children_.find(id);
  if (found == children_.end() || !found->second->started) {
    return absl::NotFoundError(absl::StrCat("join_process: no process ", id, " is running"));
  }
  const Child& target = *found->second;
  if (!target.network_namespace.is_open() || !target.process_namespace.is_open()) {
    return absl::FailedPreconditionError("join_process: that process has no network and process namespace of its own");
  }
  if (!machine_.root) plan.join_user = target.user_namespace.get();
  plan.join_network = target.network_namespace.get();
  if (!spec.join_network_only) plan.join_processes = target.process_namespace.get();
  return absl::OkStatus();
}

absl::Status LaunchServer::Clone(Child& child, ChildPlan& plan) {
  uint64_t flags = CLONE_PIDFD;
  if (plan.layers.user) flags |= CLONE_NEWUSER;
  if (plan.layers.network) flags |= CLONE_NEWNET;
  if (plan.layers.mounts && plan.join_processes < 0) flags |= CLONE_NEWNS;
  if (plan.layers.processes) flags |= CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  int pidfd = -1;
  long pid = -1;
  errno = ENOSYS;
  const int group = child.group.has_value() ? child.group->version2_fd() : -1;
  if (group >= 0) {
    CloneArguments arguments{};
    arguments.flags = flags | 0x200000000ULL /* CLONE_INTO_CGROUP */;
    arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = static_cast<uint64_t>(group);
    pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  }
  const bool inside = pid >= 0;
  // Without clone3 (older kernels, containers that refuse it) the child waits while it is moved.
  if (!inside) pid = syscall(SYS_clone, flags | SIGCHLD, nullptr, &pidfd, nullptr, nullptr);
  if (pid < 0) return ErrnoStatus(errno, "clone");
  if (pid == 0) RunChild(plan);
  child.pid = static_cast<int>(pid);
  child.pidfd.reset(pidfd);
  if (!inside && child.group.has_value()) return child.group->Attach(child.pid);
  return absl::OkStatus();
}

absl::Status LaunchServer::Start(uint64_t id, const LaunchSpec& spec, const std::vector<int>& descriptors,
                                 const Probe& probe) {
  if (children_.size() >= kMaxRunning) {
    return absl::ResourceExhaustedError(absl::StrCat(kMaxRunning, " processes run already; at most that many"));
  }
  if (children_.contains(id)) return absl::InvalidArgumentError("the launch id is in use");
  ASSAY_RETURN_IF_ERROR(CheckSpec(spec, static_cast<bool>(probe)));
  if (descriptors.size() != spec.descriptors.size()) {
    return absl::InvalidArgumentError("descriptors: their number differs from the frame's");
  }
  ASSAY_ASSIGN_OR_RETURN(Decision decision, Decide(spec));
  auto child = std::make_unique<Child>();
  child->id = id;
  child->joins = spec.join_network_only ? 0 : spec.join_process;
  child->limits = spec.limits;
  child->left_out = std::move(decision.left_out);
  child->begin = absl::Now();

  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return ErrnoStatus(errno, "socketpair");
  child->control.reset(sockets[0]);
  UniqueFd inner(sockets[1]);
  int on = 1;
  setsockopt(child->control.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);

  ChildPlan plan;
  plan.spec = &spec;
  plan.layers = decision.layers;
  plan.probe = probe;
  plan.control = inner.get();
  plan.descriptors = descriptors;
  plan.outer_uid = machine_.uid;
  plan.outer_gid = machine_.gid;
  plan.change_user = machine_.can_change_user;
  const uint32_t own_user = kFirstUser + next_user_;
  next_user_ = (next_user_ + 1) % kUsers;
  plan.uid = plan.gid = machine_.high_users ? own_user : machine_.root ? kNobody : kInnerUser;
  plan.user_is_own = machine_.high_users;
  if (spec.isolation.seccomp) plan.filter = &filters_.at(spec.isolation.profile);
  if (spec.join_process != 0) ASSAY_RETURN_IF_ERROR(OpenJoined(spec, plan));
  child->has_keeper = plan.layers.processes || plan.join_processes >= 0;

  const bool memory_controller = cgroups_.Has("memory");
  child->watch_memory = spec.limits.memory_bytes != 0 && !memory_controller;
  plan.limit_data = child->watch_memory && spec.isolation.profile != Profile::kServer &&
                    spec.isolation.profile != Profile::kInstall;
  ASSAY_ASSIGN_OR_RETURN(child->group, cgroups_.Create(id, spec.limits, child->has_keeper ? 1 : 0));

  absl::Status cloned = Clone(*child, plan);
  if (child->pid < 0) return cloned;
  Child& added = *children_.emplace(id, std::move(child)).first->second;
  if (!cloned.ok()) {
    added.failure = cloned;
    KillTree(added);
    return absl::OkStatus();
  }
  if (plan.layers.network && plan.layers.processes) {
    auto open_namespace = [&](const char* kind) {
      return UniqueFd(open(absl::StrCat("/proc/", added.pid, "/ns/", kind).c_str(), O_RDONLY | O_CLOEXEC));
    };
    added.network_namespace = open_namespace("net");
    added.process_namespace = open_namespace("pid");
    if (plan.layers.user) added.user_namespace = open_namespace("user");
  }
  ControlRecord go{ControlRecord::kGo};
  send(added.control.get(), &go, sizeof go, MSG_NOSIGNAL);
  return absl::OkStatus();
}

void LaunchServer::KillTree(Child& child) {
  child.killed = true;
  // Where the child is process 1 of its namespace the kernel takes all of it along.
  if (child.pidfd.is_open()) {
    syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0);
  } else if (child.pid > 0) {
    kill(child.pid, SIGKILL);
  }
  if (child.group.has_value()) child.group->KillAll();
  for (auto& [id, other] : children_) {
    if (other->joins == child.id && child.id != 0 && !other->killed) KillTree(*other);
  }
}

void LaunchServer::ServeControl(Child& child) {
  for (;;) {
    ControlRecord record;
    iovec piece{&record, sizeof record};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size = recvmsg(child.control.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    bool executed = false;
    if (size != sizeof record) {
      // Closed by execve, or by the end of the child, which the pidfd tells.
      child.control.reset();
      executed = !child.has_keeper && child.program_pid > 0 && child.failure.ok();
    } else if (record.kind == ControlRecord::kProgram) {
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      if (header != nullptr && header->cmsg_type == SCM_CREDENTIALS) {
        ucred sender;
        std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
        child.program_pid = sender.pid;
      }
    } else if (record.kind == ControlRecord::kFailed) {
      record.text[sizeof record.text - 1] = '\0';
      child.failure = absl::Status(static_cast<absl::StatusCode>(record.value), record.text);
    } else if (record.kind == ControlRecord::kStarted) {
      executed = child.failure.ok();
    } else if (record.kind == ControlRecord::kEnded) {
      child.ended = true;
      child.status = record.value;
      child.disk_full = record.other != 0;
    } else if (record.kind == ControlRecord::kSignalled && !child.signal_requests.empty()) {
      uint64_t request = child.signal_requests.front();
      child.signal_requests.pop_front();
      if (record.value != 0) {
        Refuse(request, absl::NotFoundError(absl::StrCat("signal: ", std::strerror(record.value))));
      } else {
        Frame frame;
        frame.type = FrameType::kDone;
        frame.id = request;
        Send(frame).IgnoreError();
      }
    }
    if (executed && !child.started) {
      child.started = true;
      Frame frame;
      frame.type = FrameType::kStarted;
      frame.id = child.id;
      frame.number = child.program_pid;
      frame.names = child.left_out;
      if (child.id < kFirstProbeId) Send(frame).IgnoreError();
    }
    if (!child.control.is_open()) return;
  }
}

void LaunchServer::Finish(uint64_t id) {
  Child& child = *children_.at(id);
  if (child.control.is_open()) ServeControl(child);
  siginfo_t info{};
  rusage usage{};
  // The raw call also reports what the child and all it waited for have used.
  while (syscall(SYS_waitid, P_PID, child.pid, &info, WEXITED, &usage) < 0 && errno == EINTR) {
  }
  child.pid = -1;
  ExitInfo exit;
  exit.wall = absl::Now() - child.begin;
  exit.cpu = absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  exit.peak_bytes = std::max(static_cast<uint64_t>(usage.ru_maxrss) * 1024, child.watched_peak);
  if (child.has_keeper) {
    exit.signalled = !child.ended || WIFSIGNALED(child.status);
    exit.code = !child.ended ? SIGKILL : WIFSIGNALED(child.status) ? WTERMSIG(child.status) : WEXITSTATUS(child.status);
  } else {
    exit.signalled = info.si_code != CLD_EXITED;
    exit.code = info.si_status;
    if (child.group.has_value()) child.group->KillAll();
  }
  GroupUsage counted;
  if (child.group.has_value()) counted = child.group->Usage();
  if (counted.peak_bytes != 0) exit.peak_bytes = counted.peak_bytes;
  exit.cpu = std::max(exit.cpu, counted.cpu);
  const bool badly = exit.signalled || exit.code != 0;
  exit.limit = child.hit;
  if (exit.limit == ExitInfo::Limit::kNone) {
    if (counted.memory_kills != 0) exit.limit = ExitInfo::Limit::kMemory;
    else if (exit.signalled && exit.code == SIGXCPU) exit.limit = ExitInfo::Limit::kCpu;
    else if (badly && (child.disk_full || (exit.signalled && exit.code == SIGXFSZ))) exit.limit = ExitInfo::Limit::kDisk;
    else if (badly && counted.refused_forks != 0) exit.limit = ExitInfo::Limit::kProcesses;
  }
  auto owned = std::move(children_.at(id));
  children_.erase(id);
  for (auto& [other_id, other] : children_) {
    if (other->joins == id) KillTree(*other);
  }
  if (child.failure.ok() && !child.started && !(child.has_keeper ? child.ended : child.program_pid > 0)) {
    child.failure = absl::UnavailableError("the process ended before it ran the program");
  }
  for (uint64_t request : child.signal_requests) Refuse(request, absl::NotFoundError("signal: the process has ended"));
  if (id >= kFirstProbeId) {
    outcomes_[id] = Outcome{child.failure, exit, counted};
  } else if (!child.started) {
    if (child.failure.ok()) child.failure = absl::UnavailableError("the process ended before it ran the program");
    Refuse(id, child.failure);
  } else {
    Frame frame;
    frame.type = FrameType::kExited;
    frame.id = id;
    frame.exit = exit;
    Send(frame).IgnoreError();
  }
}

// What a program without a process namespace left behind, and what stood in a namespace that it had joined, becomes our
// child when its own parent ends. A zombie among them would keep its namespace from ending, so all of them are reaped.
void LaunchServer::ReapOrphans() {
  std::set<int> known;
  for (const auto& [id, child] : children_) known.insert(child->pid);
  std::string list = ReadSmall(absl::StrCat("/proc/self/task/", getpid(), "/children"));
  for (absl::string_view text : absl::StrSplit(list, ' ', absl::SkipEmpty())) {
    int pid = 0;
    if (!absl::SimpleAtoi(text, &pid) || known.contains(pid)) continue;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, WNOHANG);
  }
}

void LaunchServer::Watch(Child& child, absl::Time now) {
  auto hit = [&](ExitInfo::Limit limit) {
    child.hit = limit;
    KillTree(child);
  };
  if (child.killed) return;
  if (child.limits.wall != absl::InfiniteDuration() && now - child.begin >= child.limits.wall) {
    return hit(ExitInfo::Limit::kWall);
  }
  if (child.limits.cpu_time != absl::InfiniteDuration() && child.group.has_value() &&
      child.group->Usage().cpu >= child.limits.cpu_time) {
    return hit(ExitInfo::Limit::kCpu);
  }
  if (child.watch_memory && child.program_pid > 0) {
    uint64_t bytes = ResidentBytes(child.program_pid);
    child.watched_peak = std::max(child.watched_peak, bytes);
    if (bytes > child.limits.memory_bytes) hit(ExitInfo::Limit::kMemory);
  }
}

void LaunchServer::Signal(const Frame& frame) {
  auto found = children_.find(frame.process);
  if (found == children_.end()) return Refuse(frame.id, absl::NotFoundError("signal: the process has ended"));
  Child& child = *found->second;
  if (frame.number < 0 || frame.number > 64 || frame.inner_pid < 0) {
    return Refuse(frame.id, absl::InvalidArgumentError("signal: 0 to 64, to a positive process id"));
  }
  if (child.has_keeper && child.control.is_open()) {
    if (child.signal_requests.size() >= 64) {
      return Refuse(frame.id, absl::ResourceExhaustedError("signal: 64 are waiting for this process"));
    }
    ControlRecord record{ControlRecord::kSignal, frame.number, frame.inner_pid};
    if (send(child.control.get(), &record, sizeof record, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof record) {
      child.signal_requests.push_back(frame.id);
      return;
    }
    return Refuse(frame.id, absl::NotFoundError("signal: the process has ended"));
  }
  if (frame.inner_pid != 0) {
    return Refuse(frame.id, absl::FailedPreconditionError("signal: inner_pid needs a process namespace of its own"));
  }
  if (syscall(SYS_pidfd_send_signal, child.pidfd.get(), frame.number, nullptr, 0) != 0) {
    return Refuse(frame.id, ErrnoStatus(errno, "signal"));
  }
  Frame done;
  done.type = FrameType::kDone;
  done.id = frame.id;
  Send(done).IgnoreError();
}

void LaunchServer::HandleFrame(const Frame& frame, const std::vector<UniqueFd>& descriptors) {
  if (frame.type == FrameType::kLaunch) {
    std::vector<int> numbers;
    for (const UniqueFd& fd : descriptors) numbers.push_back(fd.get());
    absl::Status status = frame.id >= kFirstProbeId ? absl::InvalidArgumentError("launch id out of range")
                                                    : Start(frame.id, frame.spec, numbers, nullptr);
    if (!status.ok()) Refuse(frame.id, status);
  } else if (frame.type == FrameType::kSignal) {
    Signal(frame);
  } else if (frame.type == FrameType::kKill) {
    auto found = children_.find(frame.id);
    if (found != children_.end()) KillTree(*found->second);
  }
}

void LaunchServer::ServeClient() {
  absl::StatusOr<ReceivedFrame> received = ReceiveFrame(client_.get());
  absl::StatusOr<Frame> frame =
      received.ok() && !received->bytes.empty() ? DecodeFrame(received->bytes) : absl::UnavailableError("closed");
  // A client that ends, or sends what ours never sends, is gone: everything it started ends.
  if (!frame.ok()) {
    if (received.ok() && !received->bytes.empty()) LogError("launcher and client were not built together");
    return client_.reset();
  }
  HandleFrame(*frame, received->descriptors);
}

void LaunchServer::Step(absl::Duration wait) {
  std::vector<pollfd> events;
  std::vector<uint64_t> ids;
  absl::Time now = absl::Now(), next = now + wait;
  for (auto& [id, child] : children_) {
    ids.push_back(id);
    events.push_back({child->pidfd.get(), POLLIN, 0});
    events.push_back({child->control.get(), POLLIN, 0});
    events.push_back({child->group.has_value() ? child->group->memory_event_fd() : -1, POLLIN, 0});
    if (child->killed) continue;
    next = std::min(next, child->begin + child->limits.wall);
    if (child->watch_memory || child->limits.cpu_time != absl::InfiniteDuration()) {
      next = std::min(next, now + kWatchInterval);
    }
  }
  events.push_back({child_signals_.get(), POLLIN, 0});
  events.push_back({client_.get(), POLLIN, 0});
  int64_t milliseconds = next == absl::InfiniteFuture()
                             ? -1
                             : std::clamp<int64_t>(absl::ToInt64Milliseconds(next - now) + 1, 0, 1 << 30);
  int ready = poll(events.data(), events.size(), static_cast<int>(milliseconds));
  now = absl::Now();
  for (size_t i = 0; i < ids.size(); ++i) {
    Child& child = *children_.at(ids[i]);
    if (ready > 0 && events[3 * i + 1].revents != 0) ServeControl(child);
    if (ready > 0 && events[3 * i + 2].revents != 0 && !child.killed) {
      child.hit = ExitInfo::Limit::kMemory;
      KillTree(child);
    }
    Watch(child, now);
    if (ready > 0 && events[3 * i].revents != 0) Finish(ids[i]);
  }
  if (ready > 0 && events[events.size() - 2].revents != 0) {
    signalfd_siginfo info;
    while (read(child_signals_.get(), &info, sizeof info) > 0) {
    }
    ReapOrphans();
  }
  if (ready > 0 && events.back().revents != 0 && client_.is_open()) ServeClient();
}

std::vector<LaunchServer::Outcome> LaunchServer::RunProbes(std::vector<ProbeRun> runs, absl::Duration deadline) {
  std::vector<Outcome> outcomes(runs.size());
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i].spec.limits.wall = deadline;
    absl::Status status = Start(kFirstProbeId + i, runs[i].spec, runs[i].descriptors, runs[i].probe);
    if (!status.ok()) outcomes_[kFirstProbeId + i].started = status;
  }
  while (!children_.empty()) Step(deadline);
  for (size_t i = 0; i < runs.size(); ++i) outcomes[i] = outcomes_[kFirstProbeId + i];
  outcomes_.clear();
  return outcomes;
}

void LaunchServer::Serve() {
  while (client_.is_open()) Step(absl::InfiniteDuration());
}

}  // namespace assay::sandbox
