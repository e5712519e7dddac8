// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/confined_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/sandbox/root_filesystem.h"

namespace assay::sandbox {
namespace {

constexpr int kFirstHighDescriptor = 1100;  // above every number a launch may ask for

absl::Status Step(int result, absl::string_view what) {
  return result >= 0 ? absl::OkStatus() : ErrnoStatus(errno, what);
}

void SendRecord(int control, const ControlRecord& record) {
  while (send(control, &record, sizeof record, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void Fail(int control, const absl::Status& status) {
  ControlRecord record{ControlRecord::kFailed, static_cast<int32_t>(status.code())};
  std::string text(status.message().substr(0, sizeof record.text - 1));
  std::memcpy(record.text, text.data(), text.size());
  SendRecord(control, record);
  _exit(127);
}

void WaitForGo(int control) {
  ControlRecord record;
  ssize_t size;
  do {
    size = recv(control, &record, sizeof record, 0);
  } while (size < 0 && errno == EINTR);
  // The launcher died, or gave this launch up.
  if (size != sizeof record || record.kind != ControlRecord::kGo) _exit(127);
}

absl::Status WriteOwn(const char* path, absl::string_view text) {
  UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
  if (!file.is_open() || write(file.get(), text.data(), text.size()) < 0) {
    return ErrnoStatus(errno, absl::StrCat("write ", path));
  }
  return absl::OkStatus();
}

absl::Status MapUser(const ChildPlan& plan) {
  ASSAY_RETURN_IF_ERROR(WriteOwn("/proc/self/setgroups", "deny"));
  ASSAY_RETURN_IF_ERROR(WriteOwn("/proc/self/uid_map", absl::StrCat(plan.uid, " ", plan.outer_uid, " 1")));
  return WriteOwn("/proc/self/gid_map", absl::StrCat(plan.gid, " ", plan.outer_gid, " 1"));
}

absl::Status RaiseLoopback() {
  UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return Step(ioctl(socket_fd.get(), SIOCSIFFLAGS, &request), "raise the loopback interface");
}

RootPlan RootOf(const ChildPlan& plan) {
  return RootPlan{.mounts = plan.spec->isolation.mounts,
                  .disk_bytes = plan.spec->limits.disk_bytes,
                  .uid = plan.uid,
                  .gid = plan.gid,
                  .process_view = plan.layers.processes || plan.join_processes >= 0,
                  .user_namespace = plan.layers.user || plan.join_user >= 0};
}

absl::Status SetLimit(int which, rlim_t value, const char* name) {
  rlimit old{};
  getrlimit(static_cast<__rlimit_resource>(which), &old);
  // A lower limit that is there already stays.
  value = std::min(value, old.rlim_max);
  rlimit wanted{value, value};
  return Step(setrlimit(static_cast<__rlimit_resource>(which), &wanted), name);
}

// The floor below the control groups: it holds for each process, not for the tree.
absl::Status SetResourceLimits(const ChildPlan& plan) {
  const Limits& limits = plan.spec->limits;
  ASSAY_RETURN_IF_ERROR(SetLimit(RLIMIT_CORE, 0, "core size limit"));
  ASSAY_RETURN_IF_ERROR(SetLimit(RLIMIT_MEMLOCK, 64 << 10, "locked memory limit"));
  ASSAY_RETURN_IF_ERROR(SetLimit(RLIMIT_MSGQUEUE, 64 << 10, "message queue limit"));
  const rlim_t files = plan.spec->isolation.profile == Profile::kLoadEngine ? 65'536 : 16'384;
  ASSAY_RETURN_IF_ERROR(SetLimit(RLIMIT_NOFILE, files, "open file limit"));
  if (limits.disk_bytes != 0) ASSAY_RETURN_IF_ERROR(SetLimit(RLIMIT_FSIZE, limits.disk_bytes, "file size limit"));
  if (limits.cpu_time != absl::InfiniteDuration()) {
    rlim_t seconds = static_cast<rlim_t>(absl::ToInt64Seconds(limits.cpu_time)) + 1;
    ASSAY_RETURN_IF_ERROR(SetLimit(RLIMIT_CPU, seconds, "processor time limit"));
  }
  // Counts the user's processes, so it only means something for a user id of this launch alone.
  if (limits.max_processes != 0 && plan.layers.privileges && plan.user_is_own) {
    ASSAY_RETURN_IF_ERROR(SetLimit(RLIMIT_NPROC, limits.max_processes, "process count limit"));
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (plan.limit_data && limits.memory_bytes != 0) {
    // Threads' stacks are counted in full though hardly used.
    ASSAY_RETURN_IF_ERROR(SetLimit(RLIMIT_DATA, limits.memory_bytes + (64 << 20), "data size limit"));
  }
#endif
  return absl::OkStatus();
}

absl::Status SetCapabilities(uint32_t keep_mask) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = keep_mask;
  return Step(static_cast<int>(syscall(SYS_capset, &header, data)), "drop capabilities");
}

void DropBoundingSet() {
  // Ends at the first number the kernel does not know. Without CAP_SETPCAP it cannot be done, nor is it needed:
  // no_new_privs keeps execve from using it.
  for (int capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; ++capability) {
  }
}

absl::Status DropPrivileges(const ChildPlan& plan) {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  DropBoundingSet();
  if (plan.change_user) {
    ASSAY_RETURN_IF_ERROR(Step(setgroups(0, nullptr), "drop groups"));
    ASSAY_RETURN_IF_ERROR(Step(setresgid(plan.gid, plan.gid, plan.gid), "change the group id"));
    ASSAY_RETURN_IF_ERROR(Step(setresuid(plan.uid, plan.uid, plan.uid), "change the user id"));
  }
  return SetCapabilities(0);
}

void ResetSignals() {
  for (int number = 1; number < 65; ++number) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    sigaction(number, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Puts the launch's descriptors at their numbers; everything else closes at execve. Returns the control socket's and
// the executable's new numbers through the references.
absl::Status ArrangeDescriptors(const ChildPlan& plan, int& control, int& ready, int& executable) {
  for (int* fd : {&control, &ready, &executable}) {
    if (*fd >= 0) *fd = fcntl(*fd, F_DUPFD_CLOEXEC, kFirstHighDescriptor);
  }
  std::vector<int> high;
  for (int fd : plan.descriptors) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, kFirstHighDescriptor);
    if (copy < 0) return ErrnoStatus(errno, "descriptors: copy");
    high.push_back(copy);
  }
  if (syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) != 0) {
    for (int fd = 3; fd < 65'536; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.is_open()) return ErrnoStatus(errno, "open /dev/null");
  for (int fd : {0, 1, 2}) ASSAY_RETURN_IF_ERROR(Step(dup2(null.get(), fd), "descriptors: dup2"));
  if (null.get() <= 2) null.release();
  for (size_t i = 0; i < high.size(); ++i) {
    int number = plan.spec->descriptors[i].second;
    ASSAY_RETURN_IF_ERROR(Step(dup2(high[i], number), "descriptors: dup2"));
    if (null.get() == number) null.release();
  }
  return absl::OkStatus();
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

bool ParentIsGone(int control) {
  pollfd state{control, 0, 0};
  return poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

void CloseAsExecveWould() {
  for (int fd = 0; fd < 2 * kFirstHighDescriptor; ++fd) {
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) != 0) close(fd);
  }
}

// Everything of the program's own process, then execve. `ready` closes by itself when that succeeds.
[[noreturn]] void BecomeProgram(const ChildPlan& plan, int ready) {
  int control = plan.control;
  // Opened before the identity changes: the folder it lies in may be closed to the new one.
  int executable = plan.probe ? -1 : open(plan.spec->argv[0].c_str(), O_PATH | O_CLOEXEC);
  if (!plan.probe && executable < 0) {
    Fail(control, ErrnoStatus(errno, absl::StrCat("argv[0] ", plan.spec->argv[0])));
  }
  auto check = [&](const absl::Status& status) {
    if (!status.ok()) Fail(control, status);
  };
  setsid();
  check(ArrangeDescriptors(plan, control, ready, executable));
  check(SetResourceLimits(plan));
  if (plan.layers.privileges) check(DropPrivileges(plan));
  const std::string& directory = plan.spec->directory;
  check(Step(chdir(directory.empty() ? "/" : directory.c_str()), absl::StrCat("directory ", directory)));
  // After the change of identity, which clears it.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (ParentIsGone(control)) _exit(127);
  ResetSignals();
  SendRecord(control, ControlRecord{ControlRecord::kProgram});
  std::vector<char*> argv = Pointers(plan.spec->argv), environment = Pointers(plan.spec->environment);
  if (plan.layers.privileges || plan.filter != nullptr) {
    check(Step(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs"));
  }
  if (plan.filter != nullptr) {
    if (int error = InstallProgram(*plan.filter); error != 0) Fail(control, ErrnoStatus(error, "system-call filter"));
  }
  if (plan.probe) {
    CloseAsExecveWould();
    _exit(plan.probe());
  }
  execve(argv[0], argv.data(), environment.data());
  if (errno == EACCES) syscall(SYS_execveat, executable, "", argv.data(), environment.data(), AT_EMPTY_PATH);
  Fail(control, ErrnoStatus(errno, absl::StrCat("execute ", plan.spec->argv[0])));
}

// Answers one record of the launcher. Returns false when the launcher is gone.
bool ServeRecord(const ChildPlan& plan, int program) {
  ControlRecord record;
  ssize_t size = recv(plan.control, &record, sizeof record, 0);
  if (size < 0 && errno == EINTR) return true;
  if (size != sizeof record) return false;
  if (record.kind != ControlRecord::kSignal) return true;
  int target = record.other == 0 ? program : record.other;
  // Ids from inside mean nothing to a process that stands outside.
  const bool addressable = record.other == 0 || (record.other > 1 && plan.layers.processes);
  ControlRecord answer{ControlRecord::kSignalled, addressable ? (kill(target, record.value) == 0 ? 0 : errno) : ESRCH};
  SendRecord(plan.control, answer);
  return true;
}

// Process 1 of the namespace, or the keeper of a process that joined one.
[[noreturn]] void KeepProgram(const ChildPlan& plan, int program, int child_signals) {
  for (;;) {
    pollfd events[] = {{plan.control, POLLIN, 0}, {child_signals, POLLIN, 0}};
    if (poll(events, 2, -1) < 0) continue;
    if (events[1].revents != 0) {
      signalfd_siginfo info;
      while (read(child_signals, &info, sizeof info) > 0) {
      }
      int status = 0, ended;
      while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
        if (ended != program) continue;
        const bool full = plan.layers.mounts && plan.join_processes < 0 && WritableSpaceIsFull();
        SendRecord(plan.control, ControlRecord{ControlRecord::kEnded, status, full ? 1 : 0});
        _exit(0);
      }
    }
    if (events[0].revents != 0 && !ServeRecord(plan, program)) _exit(0);
  }
}

void CloseAllBut(int first, int second) {
  for (int fd = 0; fd < 3; ++fd) close(fd);
  int low = std::min(first, second), high = std::max(first, second);
  auto close_between = [](int from, int to) {
    if (from > to) return;
    if (syscall(SYS_close_range, static_cast<unsigned>(from), static_cast<unsigned>(to), 0u) == 0) return;
    for (int fd = from; fd <= std::min(to, 65'536); ++fd) close(fd);
  };
  close_between(3, low - 1);
  close_between(low + 1, high - 1);
  close_between(high + 1, INT32_MAX);
}

absl::Status PrepareNamespaces(const ChildPlan& plan) {
  if (plan.layers.user) ASSAY_RETURN_IF_ERROR(MapUser(plan));
  if (plan.join_user >= 0) ASSAY_RETURN_IF_ERROR(Step(setns(plan.join_user, 0), "join the user namespace"));
  if (plan.join_network >= 0) ASSAY_RETURN_IF_ERROR(Step(setns(plan.join_network, 0), "join the network namespace"));
  if (plan.join_processes >= 0) ASSAY_RETURN_IF_ERROR(Step(setns(plan.join_processes, 0), "join the process namespace"));
  if (plan.layers.network) ASSAY_RETURN_IF_ERROR(RaiseLoopback());
  if (plan.layers.processes) sethostname("sandbox", 7);
  return absl::OkStatus();
}

}  // namespace

void RunChild(const ChildPlan& plan) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  // If memory runs short, what is untrusted goes first.
  WriteOwn("/proc/self/oom_score_adj", "1000").IgnoreError();
  auto check = [&](const absl::Status& status) {
    if (!status.ok()) Fail(plan.control, status);
  };
  check(PrepareNamespaces(plan));
  const bool joins = plan.join_processes >= 0;
  const bool keeps = plan.layers.processes || joins;
  if (plan.layers.mounts) {
    if (joins) check(Step(unshare(CLONE_NEWNS), "make a mount namespace"));
    // /proc shows the namespace of whoever mounts it, and joining one holds only for children.
    if (!joins) check(BuildRoot(RootOf(plan)));
  }
  // Moving a process between control groups takes the kernel milliseconds; the root was built meanwhile. Nothing but our
  // own code has run so far.
  WaitForGo(plan.control);
  if (!keeps) BecomeProgram(plan, -1);

  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  int child_signals = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
  int ready[2];
  if (child_signals < 0 || pipe2(ready, O_CLOEXEC) != 0) Fail(plan.control, ErrnoStatus(errno, "prepare process 1"));
  int program = fork();
  if (program < 0) Fail(plan.control, ErrnoStatus(errno, "start the program's process"));
  if (program == 0) {
    close(ready[0]);
    if (joins && plan.layers.mounts) check(BuildRoot(RootOf(plan)));
    BecomeProgram(plan, ready[1]);
  }
  close(ready[1]);
  char none;
  while (read(ready[0], &none, 1) < 0 && errno == EINTR) {
  }
  SendRecord(plan.control, ControlRecord{ControlRecord::kStarted});
  CloseAllBut(plan.control, child_signals);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  DropBoundingSet();
  // It only waits and signals from here on.
  SetCapabilities(1u << CAP_KILL).IgnoreError();
  KeepProgram(plan, program, child_signals);
}

}  // namespace assay::sandbox
