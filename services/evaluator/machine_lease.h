// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/base/unique_fd.h"
#include "services/plugin_host/evaluation_runner.h"

namespace assay::evaluator {

// A right that one evaluation of this machine has at a time, whatever number of evaluators runs on it: measuring under
// load next to another measurement would measure both. A lock on a file in a folder that all of them share; it goes
// with the process that holds it. Thread-safe.
class MachineLease {
 public:
  // `path`: the lock file, made when missing.
  explicit MachineLease(std::string path) : path_(std::move(path)) {}

  // Waits for its turn, calling `waiting` about every 50 ms; the lease is given back when the descriptor is closed.
  // CANCELLED: `cancellation` came first.
  absl::StatusOr<UniqueFd> Take(const plugin_host::Cancellation& cancellation, const std::function<void()>& waiting);

 private:
  const std::string path_;
};

}  // namespace assay::evaluator
