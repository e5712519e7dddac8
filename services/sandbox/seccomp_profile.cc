// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/seccomp_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"

namespace assay::sandbox {
namespace {

constexpr uint64_t kNamespaceFlags = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                                     CLONE_NEWUTS | CLONE_NEWCGROUP | 0x00000080 /* CLONE_NEWTIME */;

// What any program needs: files, memory, threads, time, waiting.
constexpr const char* kCommon[] = {
    "access", "alarm", "arch_prctl", "brk", "capget", "chdir", "chmod", "clock_getres", "clock_gettime",
    "clock_nanosleep", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "execve", "exit",
    "exit_group", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fcntl",
    "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "futex", "futex_waitv", "getcpu", "getcwd",
    "getdents", "getdents64", "getegid", "geteuid", "getgid", "getgroups", "getitimer", "getpgid", "getpgrp", "getpid",
    "getppid", "getpriority", "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid",
    "get_robust_list", "gettid", "gettimeofday", "getuid", "ioprio_get", "kill", "link", "linkat", "lseek", "lstat",
    "madvise", "membarrier", "memfd_create", "mincore", "mkdir", "mkdirat", "mlock", "mlock2", "mmap", "mprotect",
    "mremap", "msync", "munlock", "munmap", "nanosleep", "newfstatat", "open", "openat", "openat2", "pause",
    "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll", "ppoll",
    "prctl", "pread64", "preadv", "preadv2", "prlimit64", "pselect6", "pwrite64", "pwritev", "pwritev2", "read",
    "readahead", "readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "restart_syscall", "rmdir",
    "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_getaffinity", "sched_getattr", "sched_getparam",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getscheduler", "sched_setaffinity", "sched_yield",
    "select", "sendfile", "set_robust_list", "set_tid_address", "setitimer", "setpriority", "setrlimit", "sigaltstack",
    "signalfd", "signalfd4", "splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync_file_range", "sysinfo",
    "tee", "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times", "tkill", "truncate", "umask", "uname", "unlink",
    "unlinkat", "utime", "utimensat", "utimes", "write", "writev", "wait4", "waitid",
    // On connected descriptors that were handed in.
    "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "shutdown", "getsockopt", "setsockopt",
    "getsockname", "getpeername", "socketpair"};

constexpr const char* kSockets[] = {"accept", "accept4", "bind", "connect", "listen"};

constexpr const char* kProcesses[] = {"fork",         "vfork",         "execveat",         "setpgid",
                                      "setsid",       "inotify_init",  "inotify_init1",    "inotify_add_watch",
                                      "chown",        "fchown",        "lchown",           "fchownat",
                                      "getxattr",     "fgetxattr",     "lgetxattr",        "listxattr",
                                      "flistxattr",   "llistxattr",    "sched_setscheduler", "ioprio_set",
                                      "inotify_rm_watch"};

// Named so that a refusal is EPERM, which programs report well.
constexpr const char* kRefused[] = {
    "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "fsopen", "fsmount", "fsconfig", "open_tree",
    "move_mount", "mount_setattr", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "bpf", "perf_event_open",
    "userfaultfd", "keyctl", "add_key", "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff",
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
    "mknod", "mknodat", "acct", "quotactl", "syslog", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
    "sethostname", "setdomainname", "iopl", "ioperm", "personality", "open_by_handle_at", "name_to_handle_at",
    "fanotify_init", "vhangup", "nfsservctl", "lookup_dcookie", "move_pages", "migrate_pages", "mbind",
    "set_mempolicy", "pidfd_getfd"};

struct FilterDeleter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FilterDeleter>;

class Builder {
 public:
  explicit Builder(scmp_filter_ctx filter) : filter_(filter) {}

  template <typename... Comparison>
  void Add(uint32_t action, const char* name, Comparison... comparison) {
    int number = seccomp_syscall_resolve_name(name);
    // A call this library or machine does not know cannot be allowed and need not be refused.
    if (number < 0) return;
    scmp_arg_cmp list[] = {comparison..., scmp_arg_cmp{}};
    int result = seccomp_rule_add_array(filter_, action, number, sizeof...(comparison), list);
    if (result != 0 && first_error_.empty()) first_error_ = absl::StrCat(name, " (error ", -result, ")");
  }
  template <size_t N>
  void AddAll(uint32_t action, const char* const (&names)[N]) {
    for (const char* name : names) Add(action, name);
  }
  absl::Status status() const {
    if (first_error_.empty()) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("system-call filter: cannot add ", first_error_));
  }

 private:
  scmp_filter_ctx filter_;
  std::string first_error_;
};

void AddClone(Builder& builder, bool processes) {
  // clone3 is on no list: its flags stand in memory where no filter sees them, and on ENOSYS the C library falls back.
  if (processes) {
    builder.Add(SCMP_ACT_ALLOW, "clone", scmp_arg_cmp{0, SCMP_CMP_MASKED_EQ, kNamespaceFlags, 0});
  } else {
    builder.Add(SCMP_ACT_ALLOW, "clone",
                scmp_arg_cmp{0, SCMP_CMP_MASKED_EQ, kNamespaceFlags | CLONE_THREAD, CLONE_THREAD});
  }
}

void AddSockets(Builder& builder) {
  builder.AddAll(SCMP_ACT_ALLOW, kSockets);
  // Netlink serves the list of interfaces; in a network namespace of its own it shows only the loopback.
  for (uint64_t family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
    builder.Add(SCMP_ACT_ALLOW, "socket", scmp_arg_cmp{0, SCMP_CMP_EQ, family, 0});
  }
}

void AddIoctl(Builder& builder) {
  // Terminals can be made to type commands (TIOCSTI, TIOCLINUX): only what reads state or sets descriptor flags.
  for (uint64_t request : {uint64_t{TCGETS}, uint64_t{TIOCGWINSZ}, uint64_t{FIONREAD}, uint64_t{FIONBIO},
                           uint64_t{FIOCLEX}, uint64_t{FIONCLEX}, uint64_t{0x40049409} /* FICLONE */}) {
    builder.Add(SCMP_ACT_ALLOW, "ioctl", scmp_arg_cmp{1, SCMP_CMP_EQ, request, 0});
  }
}

absl::StatusOr<SeccompProgram> Export(scmp_filter_ctx filter) {
  UniqueFd file(memfd_create("filter", MFD_CLOEXEC));
  if (!file.is_open()) return ErrnoStatus(errno, "memfd_create for the system-call filter");
  if (int result = seccomp_export_bpf(filter, file.get()); result != 0) {
    return ErrnoStatus(-result, "export the system-call filter");
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) return ErrnoStatus(errno, "size of the system-call filter");
  SeccompProgram program(static_cast<size_t>(status.st_size) / sizeof(sock_filter));
  if (pread(file.get(), program.data(), static_cast<size_t>(status.st_size), 0) != status.st_size) {
    return ErrnoStatus(errno, "read the system-call filter");
  }
  return program;
}

}  // namespace

absl::StatusOr<SeccompProgram> CompileProfile(Profile profile) {
  Filter filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)));
  if (filter == nullptr) return absl::InternalError("system-call filter: libseccomp cannot start");
  // A binary search instead of a list; kernels before the allow cache would otherwise walk it on each call.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  // The launcher's child sets no_new_privs itself, in every case.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_NNP, 0);
  Builder builder(filter.get());
  const bool processes = profile == Profile::kServer || profile == Profile::kInstall;
  const bool sockets = processes || profile == Profile::kLoadEngine;
  builder.AddAll(SCMP_ACT_ALLOW, kCommon);
  builder.AddAll(SCMP_ACT_ERRNO(EPERM), kRefused);
  if (processes) builder.AddAll(SCMP_ACT_ALLOW, kProcesses);
  if (sockets) AddSockets(builder);
  AddClone(builder, processes);
  AddIoctl(builder);
  ASSAY_RETURN_IF_ERROR(builder.status());
  return Export(filter.get());
}

int InstallProgram(const SeccompProgram& program) {
  sock_fprog code{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) == 0 ? 0 : errno;
}

absl::Status RestrictStartedProcess() {
  Filter filter(seccomp_init(SCMP_ACT_ALLOW));
  if (filter == nullptr) return absl::InternalError("system-call filter: libseccomp cannot start");
  Builder builder(filter.get());
  constexpr const char* kNoMore[] = {"execve", "execveat", "fork", "vfork", "open", "creat", "openat2", "rename",
                                     "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink",
                                     "unlinkat", "mkdir", "mkdirat", "rmdir", "truncate", "chmod", "fchmodat",
                                     "socket", "connect", "bind", "listen", "accept", "accept4"};
  builder.AddAll(SCMP_ACT_ERRNO(EPERM), kNoMore);
  // Reading stays possible (the allocator looks at /proc and /sys); writing by path does not.
  for (uint64_t access : {uint64_t{O_WRONLY}, uint64_t{O_RDWR}}) {
    builder.Add(SCMP_ACT_ERRNO(EPERM), "openat", scmp_arg_cmp{2, SCMP_CMP_MASKED_EQ, O_ACCMODE, access});
  }
  ASSAY_RETURN_IF_ERROR(builder.status());
  if (int result = seccomp_load(filter.get()); result != 0) {
    return ErrnoStatus(-result, "system-call filter of the started process");
  }
  return absl::OkStatus();
}

}  // namespace assay::sandbox
