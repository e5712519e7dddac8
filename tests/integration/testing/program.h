// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace assay::testing {

// A file of this build.
std::string Built(const std::string& name);

// One of our servers as a process. One thread.
class Program {
 public:
  // Starts bin/`name` and waits until it serves; its stderr is added to the file `log`. Else the last line it wrote,
  // with its exit code.
  static absl::StatusOr<std::unique_ptr<Program>> Start(const std::string& name, std::vector<std::string> arguments,
                                                        const std::string& log);
  // Kills what still runs.
  ~Program();

  // kill -9, and waits until it is gone.
  void Kill();
  void Signal(int number) const;
  // Waits for its end; its exit code, 128 + the signal that ended it, or -1 when it runs on for a minute.
  int Wait();
  // SIGTERM, and waits.
  int Terminate();

  pid_t pid() const { return pid_; }
  // A field of the line that said it is ready; empty: there is none.
  std::string ReadyField(const std::string& name) const;

 private:
  Program() = default;
  pid_t pid_ = -1;
  std::string ready_line_;
};

// What "http://<address><path>" answers, with its status line; empty: nobody does.
std::string HttpGet(const std::string& address, const std::string& path);

}  // namespace assay::testing
