// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/machine.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "absl/strings/str_cat.h"

namespace assay::sandbox {
namespace {

// Runs `attempt` in a child; returns the errno value it ended with.
int InChild(const std::function<int()>& attempt) {
  pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) _exit(attempt());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

absl::Status TryNamespace(int flag, bool root) {
  int error = InChild([&] {
    if (unshare(flag | (root ? 0 : CLONE_NEWUSER)) != 0) return errno;
    // Some systems allow the namespace and then refuse what it is for.
    if (flag == CLONE_NEWNS && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
    if (flag == CLONE_NEWNS && mount("probe", "/tmp", "tmpfs", 0, "size=4k") != 0) return errno;
    return 0;
  });
  if (error == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the machine refuses such namespaces: ", std::strerror(error)));
}

bool HasCapability(int number) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1u << number)) != 0;
}

}  // namespace

Machine Machine::Look() {
  Machine machine;
  machine.uid = geteuid();
  machine.gid = getegid();
  machine.root = machine.uid == 0;
  machine.can_change_user = machine.root && HasCapability(CAP_SETUID) && HasCapability(CAP_SETGID);
  machine.high_users = machine.can_change_user && InChild([] {
                         return setresgid(1'900'000'000, 1'900'000'000, 1'900'000'000) == 0 ? 0 : errno;
                       }) == 0;
  machine.namespaces["network"] = TryNamespace(CLONE_NEWNET, machine.root);
  machine.namespaces["mounts"] = TryNamespace(CLONE_NEWNS, machine.root);
  machine.namespaces["processes"] = TryNamespace(CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS, machine.root);
  return machine;
}

std::string MendText(const std::string& layer) {
  if (layer == "memory" || layer == "pids" || layer == "cpu") {
    return absl::StrCat(
        "give the service a writable cgroup with the ", layer,
        " controller: run it as root outside of a container, or as a systemd service with Delegate=yes, or start the "
        "container with its cgroup file system mounted writable");
  }
  // Sizes are limited by a memory file system, which is a mount.
  if (layer == "network" || layer == "mounts" || layer == "processes" || layer == "disk") {
    return "run as root with CAP_SYS_ADMIN, or allow unprivileged user namespaces (sysctl "
           "kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, "
           "kernel.apparmor_restrict_unprivileged_userns=0); in a container: --cap-add SYS_ADMIN with a seccomp "
           "profile that allows unshare, mount and pivot_root";
  }
  if (layer == "privileges") return "give the service CAP_SETUID and CAP_SETGID, or run it as an ordinary user";
  if (layer == "system_calls") return "use a kernel with seccomp filters (CONFIG_SECCOMP_FILTER)";
  return "see services/sandbox/README.md";
}

}  // namespace assay::sandbox
