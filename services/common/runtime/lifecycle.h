// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace assay::runtime {

// Starts the parts of a server in order and stops them in reverse. One thread.
class Lifecycle {
 public:
  // Stops what still runs.
  ~Lifecycle() { Stop(); }

  // Runs `start`; when it succeeds, `stop` will be run by Stop(). When it fails, everything started before is stopped
  // and its status is returned with the part's name.
  absl::Status Start(const std::string& part, const std::function<absl::Status()>& start, std::function<void()> stop);
  // Stops what was started, last first, each once.
  void Stop();

 private:
  struct Part {
    std::string name;
    std::function<void()> stop;
  };
  std::vector<Part> parts_;
};

}  // namespace assay::runtime
