// SPDX-License-Identifier: Apache-2.0
#include "services/common/runtime/lifecycle.h"

#include <utility>

#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::runtime {

absl::Status Lifecycle::Start(const std::string& part, const std::function<absl::Status()>& start,
                              std::function<void()> stop) {
  const absl::Status status = start();
  if (!status.ok()) {
    Stop();
    return Annotate(status, part);
  }
  parts_.push_back({part, std::move(stop)});
  return absl::OkStatus();
}

void Lifecycle::Stop() {
  while (!parts_.empty()) {
    const Part part = std::move(parts_.back());
    parts_.pop_back();
    LogInfo("stopping", {{"part", part.name}});
    part.stop();
  }
}

}  // namespace assay::runtime
