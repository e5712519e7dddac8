// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "services/sandbox/launcher.h"

namespace assay::plugin_host {

// A launcher for tests: plain processes in a group of their own, with the wall and memory limits of the spec and no
// isolation at all. Never for what others wrote.
class PlainLauncher final : public sandbox::Launcher {
 public:
  absl::StatusOr<std::unique_ptr<sandbox::Process>> Launch(const sandbox::LaunchSpec& spec) override;
  const std::vector<Check>& checks() const override { return checks_; }
  absl::Status CanRunUntrusted() const override {
    return absl::FailedPreconditionError("this launcher isolates nothing");
  }
  // The next launches fail with `status`.
  void FailLaunches(absl::Status status) { failure_ = std::move(status); }

 private:
  std::vector<Check> checks_;
  absl::Status failure_;
};

}  // namespace assay::plugin_host
