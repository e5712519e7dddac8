// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace assay::runtime {

// Makes SIGTERM and SIGINT wait for WaitForShutdown(). Call it in main before the first thread starts: threads inherit
// it. So do child processes: whoever starts one calls UnblockShutdownSignals() between fork and exec.
void BlockShutdownSignals();

// Safe after fork.
void UnblockShutdownSignals();

// Waits for SIGTERM or SIGINT and returns it. From then on another one ends the process at once, with the exit code
// 128 + signal, for whoever does not want to wait for an orderly stop. Call it once, with the signals blocked.
int WaitForShutdown();

}  // namespace assay::runtime
