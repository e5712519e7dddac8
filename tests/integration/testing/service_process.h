// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace assay::testing {

// A server program of the build, started with settings of a test. It ends with the test at the latest.
class ServiceProcess {
 public:
  // `set` are "path=value"; what it logs goes to `log_file`. Waits until it serves; else its last line.
  static absl::StatusOr<std::unique_ptr<ServiceProcess>> Start(const std::string& executable,
                                                               const std::vector<std::string>& set,
                                                               const std::string& log_file);
  // Kills what still runs.
  ~ServiceProcess();

  // One of its addresses, by the name it gave it.
  std::string Address(const std::string& name) const;
  void Signal(int number) const;
  void Kill();
  // Waits for its end; its exit code, 128 + a signal, or -1 when it has not ended within a minute.
  int Wait();

 private:
  ServiceProcess() = default;
  pid_t pid_ = -1;
  std::string addresses_;
};

// What "http://<address><path>" answers, with its status line; empty: nobody does.
std::string HttpGet(const std::string& address, const std::string& path);

}  // namespace assay::testing
