// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/base/unique_fd.h"

namespace assay::sandbox {

// What one process tree may use. 0 means: no limit of that kind was asked for.
struct Limits {
  uint64_t memory_bytes = 0;
  uint32_t max_processes = 0;
  // Of one core; 1.0 is one core.
  double cpus = 0;
  absl::Duration wall = absl::InfiniteDuration();
  absl::Duration cpu_time = absl::InfiniteDuration();
  // Size of the writable memory file system (/tmp, /home/app, what is written into overlays); 0: 16 MiB. What is stored
  // there counts as memory too.
  uint64_t disk_bytes = 0;
};

struct Mount {
  enum class Kind {
    kBind,     // `source` itself (file or folder); changes reach it if `writable`
    kOverlay,  // `source` (folder) stays unchanged below; what is written lands in the sandbox's memory file system
  };
  std::string source;
  std::string target;  // absolute, without "." and ".."
  bool writable = false;
  Kind kind = Kind::kBind;
};

// Which system calls a process may make. All but kInstall and kServer may start threads but no further processes.
enum class Profile : uint8_t {
  kServer,      // a candidate's server: Node, processes, sockets of its own network
  kPluginHost,  // threads and memory; no sockets, no processes
  kDecoder,     // as kPluginHost
  kLoadEngine,  // sockets and threads, no processes
  kInstall,     // npm: as kServer
};

// How a process is confined. Layers the machine lacks are refused with FAILED_PRECONDITION, never left out silently,
// unless `best_effort` is set (plugin hosts of our own, the archive decoder), where the report says what was left out.
struct Isolation {
  bool new_network = false;  // own loopback and nothing else
  bool new_mounts = false;   // sees `mounts` and a small writable tmpfs only
  bool new_processes = false;
  bool drop_privileges = true;  // unprivileged uid, no capabilities, no_new_privs
  bool seccomp = true;          // the allow-list for `profile`
  Profile profile = Profile::kServer;
  bool best_effort = false;
  std::vector<Mount> mounts;
};

struct LaunchSpec {
  std::vector<std::string> argv;
  // "NAME=value"; nothing is inherited.
  std::vector<std::string> environment;
  // Inside the sandbox; empty: "/".
  std::string directory;
  // (descriptor here → number there). 0, 1 and 2 are /dev/null unless given.
  std::vector<std::pair<int, int>> descriptors;
  Limits limits;
  Isolation isolation;
  // Join the network and process namespaces of this process instead of making new ones (the load engine). It ends with
  // that process at the latest.
  uint64_t join_process = 0;
  // Joins the network namespace alone, and then does not end with that process: the load engine has to tell what became
  // of its requests when its target ends.
  bool join_network_only = false;
};

struct ExitInfo {
  bool signalled = false;
  int code = 0;  // exit code, or the signal
  // Which limit ended it, if one did.
  enum class Limit { kNone, kWall, kCpu, kMemory, kOutput, kProcesses, kDisk } limit = Limit::kNone;
  absl::Duration wall;
  absl::Duration cpu;
  uint64_t peak_bytes = 0;
};

// A running process tree. Destroying it kills the whole tree.
class Process {
 public:
  virtual ~Process() = default;
  // Names the process to the launcher (LaunchSpec::join_process).
  virtual uint64_t id() const = 0;
  // Process id as this process sees it; for /proc only, never for signals.
  virtual int pid() const = 0;
  // Sends `signal` to the main process (0) or to the process with that id inside its namespace.
  virtual absl::Status Signal(int signal, int inner_pid = 0) = 0;
  // Kills everything in it, whatever it forked. Returns at once; Wait tells when it is gone.
  virtual void Kill() = 0;
  // What a best_effort launch had to do without: layer ids as in Launcher::checks. Else empty.
  virtual std::vector<std::string> left_out() const { return {}; }
  // Waits until the main process ended and its tree is gone. DEADLINE_EXCEEDED: it still runs.
  virtual absl::StatusOr<ExitInfo> Wait(absl::Duration timeout) = 0;
};

// Client of assay-launcher: a small single-threaded executable, started first thing in main, sole parent of everything
// untrusted. It forks, confines, counts and reaps; if its client dies it kills all it started. Thread-safe.
class Launcher {
 public:
  virtual ~Launcher() = default;
  // Returns once the program runs (its execve succeeded). FAILED_PRECONDITION: the machine lacks a layer that was asked
  // for; the message names it and how to mend it. INVALID_ARGUMENT names the field of the spec; RESOURCE_EXHAUSTED: 256
  // processes run already; UNAVAILABLE: the launcher ended.
  virtual absl::StatusOr<std::unique_ptr<Process>> Launch(const LaunchSpec& spec) = 0;

  // One layer of isolation, proved by trying to break it at start. Ids: network, mounts, processes, privileges,
  // system_calls, memory, pids, cpu, disk.
  struct Check {
    std::string id;
    enum class Result { kEnforced, kAbsent, kBroken } result;
    std::string detail;
    std::string mend;
  };
  virtual const std::vector<Check>& checks() const = 0;
  // Whether candidates' code may run here: every layer it needs is enforced. Else the sentence that says why not.
  virtual absl::Status CanRunUntrusted() const = 0;

  // Starts the executable at `path` (assay-launcher beside the caller when empty) and proves its layers.
  static absl::StatusOr<std::unique_ptr<Launcher>> Start(const std::string& path = "");
};

}  // namespace assay::sandbox
