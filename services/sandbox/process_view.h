// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/base/unique_fd.h"

namespace assay::sandbox {

// A TCP socket on which a process of a sandbox listens.
struct ListeningSocket {
  uint16_t port = 0;
  bool ipv6 = false;
  bool loopback_only = false;
  // The process that holds it, as it is numbered inside its process namespace (for Process::Signal) and outside. 0: no
  // process found, it may have ended meanwhile.
  int inner_pid = 0;
  int pid = 0;
};

// All listening TCP sockets in the network namespace of process `pid` (Process::pid()), sorted by port. NOT_FOUND when
// the process has ended. Reads /proc only; needs the rights to look at the process (root, or its user).
absl::StatusOr<std::vector<ListeningSocket>> FindListeningSockets(int pid);

// Whether a process in the network namespace of process `pid` listens on a Unix socket.
bool ListensOnUnixSocket(int pid);

// The most memory the processes in the network namespace of process `pid` have held, each for itself, so far; 0 when it has
// ended.
uint64_t PeakResidentBytes(int pid);

// What /proc/<pid>/net/tcp or tcp6 lists as listening; socket inode → port. Pure; for tests.
struct ListedSocket {
  uint64_t inode = 0;
  uint16_t port = 0;
  bool loopback_only = false;
};
std::vector<ListedSocket> ParseListening(absl::string_view table);

// Reads everything a process writes and keeps the end of it. Always drains: a full pipe would stop the process and look
// like its fault. Thread-safe.
class OutputDrain {
 public:
  static constexpr size_t kKeptBytes = 256 << 10;

  // Makes a pipe; give `write_end()` to the launch, then call Start.
  static absl::StatusOr<std::unique_ptr<OutputDrain>> Create();
  ~OutputDrain();

  int write_end() const { return write_end_.get(); }
  // Closes the own copy of the write end and reads on a thread until the last writer is gone. With `max_bytes`, calls
  // `on_excess` once, from that thread, when more than that was written; reading goes on.
  void Start(uint64_t max_bytes = 0, std::function<void()> on_excess = nullptr);

  // The last kKeptBytes of what was written until now.
  std::string Tail() const;
  uint64_t total_bytes() const;
  // Waits until every writer has closed its end; false: the timeout passed.
  bool WaitEnd(absl::Duration timeout) const;

 private:
  struct State;
  OutputDrain();
  UniqueFd write_end_;
  std::unique_ptr<State> state_;
};

}  // namespace assay::sandbox
