// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <thread>

namespace assay::runtime {

// Makes SIGTERM and SIGINT wait for WaitForShutdown(). Call it in main before the first thread starts: threads inherit
// it. So do child processes: whoever starts one calls UnblockShutdownSignals() between fork and exec.
void BlockShutdownSignals();

// Safe after fork.
void UnblockShutdownSignals();

// While it lives, SIGTERM and SIGINT end the process at once, with the exit code 128 + signal: for a start that waits for
// others and has nothing yet to stop in order. With the signals blocked.
class EndOnShutdown {
 public:
  EndOnShutdown();
  ~EndOnShutdown();

 private:
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

// Waits for SIGTERM or SIGINT and returns it. From then on another one ends the process at once, with the exit code
// 128 + signal, for whoever does not want to wait for an orderly stop. Call it once, with the signals blocked.
int WaitForShutdown();

}  // namespace assay::runtime
