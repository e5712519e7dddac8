// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "assay/plugin/v1/frame.pb.h"
#include "assay/v1/evidence.pb.h"

namespace assay::plugin_host {

// Something that happened and was measured, to be cited by its digest.
struct MadeEvidence {
  v1::Evidence::Kind kind = v1::Evidence::KIND_UNSPECIFIED;
  std::string media_type;
  std::string title;
  // The bytes: usually a JSON document.
  std::string content;
};

struct CallOutcome {
  // status, message and the result for the plugin; `evidence` is filled in by the runner.
  plugin::v1::Reply reply;
  // EXEC, LOAD_RUN or DEPENDENCIES.
  std::optional<MadeEvidence> evidence;
};

// What the platform does when a plugin asks: prepare, start, read, wait, signal, load, platform. One object serves one
// evaluation and ends everything it started when it is destroyed. Execute is called by one thread at a time and may
// block as long as the call says; Stop comes from another thread.
class PlatformCalls {
 public:
  virtual ~PlatformCalls() = default;
  // Never throws; what cannot be done is a negative assay_status in the reply with the reason.
  virtual CallOutcome Execute(const plugin::v1::Call& call) = 0;
  // Makes the running Execute return within a second and every later one answer ASSAY_E_STOPPED.
  virtual void Stop() = 0;
};

// For evaluators that need no processes: everything is unsupported, with `reason`.
class NoPlatformCalls final : public PlatformCalls {
 public:
  explicit NoPlatformCalls(std::string reason) : reason_(std::move(reason)) {}
  CallOutcome Execute(const plugin::v1::Call& call) override;
  void Stop() override {}

 private:
  const std::string reason_;
};

}  // namespace assay::plugin_host
