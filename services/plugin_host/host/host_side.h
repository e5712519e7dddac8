// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "assay/plugin.h"
#include "assay/plugin/v1/frame.pb.h"
#include "services/archive/pack.h"
#include "services/plugin_host/host/connection.h"

namespace assay::plugin_host {

// Handles are slot and generation: kInstance and kEvaluation are slots, processes and workspaces count from
// kFirstObject. The generation is that of the evaluation, so that whatever outlives it is stale.
inline constexpr uint32_t kInstanceSlot = 1;
inline constexpr uint32_t kEvaluationSlot = 2;
inline constexpr uint32_t kFirstObject = 16;

// Everything an evaluation shows to the plugin. Text and bytes stay where they are until it ends.
struct EvaluationInputs {
  struct Input {
    std::string path, media_type;
    absl::string_view content;
    Digest sha256;
    uint32_t role = 0, authorship = 0, mode = 0;
  };
  plugin::v1::Evaluate body;
  std::optional<archive::Pack> pack;
  std::vector<Input> inputs;
};

// What the host's functions work on: one evaluation at a time. The C functions carry no context, so there is exactly
// one object of this class in the process; abi_tables.cc holds the pointer. Functions marked [any] lock; [eval] ones
// wait for replies without the lock.
class HostSide {
 public:
  // `breadcrumb` points to a page shared with the evaluator that holds the name of the last call.
  HostSide(Connection& connection, char* breadcrumb) : connection_(connection), breadcrumb_(breadcrumb) {}

  // Makes handles valid and returns the evaluation's; End() makes all of them stale.
  assay_handle Begin(EvaluationInputs inputs);
  // Fills the counts and the message of `done`.
  void End(assay_status status, plugin::v1::Done& done);
  assay_handle instance() const { return kInstanceSlot; }
  std::string TakeError();
  // Leaves the name of the call that runs now for whoever explains a crash.
  void Mark(const char* call);

  int32_t ShouldStop(assay_handle handle);
  void Log(assay_handle handle, uint32_t level, const char* text, uint64_t size);
  void SetError(assay_status code, const char* text, uint64_t size);

  assay_status Observation(assay_handle handle, const assay_observation* raw);
  assay_status Claim(assay_handle handle, const assay_claim* raw);
  assay_status Experiment(assay_handle handle, const assay_experiment* raw);
  assay_status Finding(assay_handle handle, const assay_finding* raw);

  uint64_t InputCount(assay_handle handle);
  assay_status GetInput(assay_handle handle, uint64_t index, assay_input* out);
  assay_status GetBytes(assay_handle handle, uint64_t index, assay_bytes* out);
  assay_status Span(assay_handle handle, uint64_t index, uint32_t line, uint32_t end_line, assay_evidence* out);

  assay_status PutArtifact(assay_handle handle, assay_str name, assay_str type, assay_bytes content,
                           assay_evidence* out);
  uint64_t PriorClaimCount(assay_handle handle);
  assay_status PriorClaim(assay_handle handle, uint64_t index, assay_prior_claim* out);
  assay_status PriorArtifact(assay_handle handle, assay_str evaluator, assay_str name, assay_bytes* out);
  void Progress(assay_handle handle, assay_str phase, uint64_t done, uint64_t total);

  assay_status Available(assay_handle handle, assay_str* reason);
  assay_status Prepare(assay_handle handle, uint32_t node_major, assay_workspace* out);
  assay_status Start(assay_handle handle, const assay_exec_spec* spec, assay_handle* out);
  assay_status Read(assay_handle process, uint32_t stream, void* buffer, uint64_t capacity, uint64_t timeout,
                    uint64_t* got, uint32_t* end);
  assay_status Wait(assay_handle process, uint64_t timeout, uint32_t for_listening, assay_exec_result* out);
  assay_status Signal(assay_handle process, int32_t number, uint32_t to_listener);
  assay_status RunLoad(assay_handle handle, assay_handle process, assay_bytes plan, assay_bytes* result,
                       assay_evidence* out);

 private:
  bool Alive(assay_handle handle, uint32_t slot = kEvaluationSlot) ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return running_ && handle == ((uint64_t{generation_} << 32) | slot);
  }
  // Remembers why a call was refused: shown when the plugin gives no reason of its own.
  assay_status Refuse(assay_status code, std::string why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool EvidenceText(assay_evidence evidence, std::string& out) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Field>
  assay_status EvidenceList(const assay_evidence* raw, uint64_t count, Field* out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendResult(plugin::v1::Frame& frame) { connection_.Send(frame, false); }
  // Sends the call and waits; evidence, when there is one, is remembered under the call's number.
  plugin::v1::Reply Call(plugin::v1::Frame& frame, assay_evidence* evidence);
  assay_status CallStatus(const plugin::v1::Reply& reply);
  // The platform's number behind a handle; 0: stale.
  uint64_t Object(assay_handle handle);
  assay_handle NewObject(uint64_t number);
  const std::string& Keep(std::string text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Connection& connection_;
  char* const breadcrumb_;

  absl::Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  uint32_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  EvaluationInputs inputs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, const plugin::v1::PriorResult*>> prior_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<const plugin::v1::PriorResult*, const v1::Claim*>> prior_claims_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, bool> evidence_ ABSL_GUARDED_BY(mutex_);  // request ids that recorded something
  std::map<uint32_t, uint64_t> objects_ ABSL_GUARDED_BY(mutex_);
  uint32_t next_object_ ABSL_GUARDED_BY(mutex_) = kFirstObject;
  std::vector<std::unique_ptr<std::string>> kept_ ABSL_GUARDED_BY(mutex_);
  std::string load_result_ ABSL_GUARDED_BY(mutex_);
  plugin::v1::Done counts_ ABSL_GUARDED_BY(mutex_);
  uint64_t artifacts_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t spans_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t logged_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string error_ ABSL_GUARDED_BY(mutex_);
  std::string refusal_ ABSL_GUARDED_BY(mutex_);
};

uint64_t MonotonicNanoseconds();
// The table that plugins are created with; every function works on `side`. Called once.
const assay_host_v1* HostTable(HostSide& side);

}  // namespace assay::plugin_host
