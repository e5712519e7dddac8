// SPDX-License-Identifier: Apache-2.0
//
// The functions of assay/plugin.h as plain C functions over the one HostSide of this process.
#include <cstring>

#include "services/plugin_host/host/host_side.h"

namespace assay::plugin_host {
namespace {

// The C functions have no room for a context and a process has one plugin: this is the only mutable global there is.
HostSide* side = nullptr;

const assay_ext_result_v1 kResult = {ASSAY_SIZE_THROUGH(assay_ext_result_v1, finding),
                                     [](assay_handle e, const assay_observation* o) { return side->Observation(e, o); },
                                     [](assay_handle e, const assay_claim* c) { return side->Claim(e, c); },
                                     [](assay_handle e, const assay_experiment* x) { return side->Experiment(e, x); },
                                     [](assay_handle e, const assay_finding* f) { return side->Finding(e, f); }};

const assay_ext_inputs_v1 kInputs = {
    ASSAY_SIZE_THROUGH(assay_ext_inputs_v1, span), [](assay_handle e) { return side->InputCount(e); },
    [](assay_handle e, uint64_t i, assay_input* out) { return side->GetInput(e, i, out); },
    [](assay_handle e, uint64_t i, assay_bytes* out) { return side->GetBytes(e, i, out); },
    [](assay_handle e, uint64_t i, uint32_t line, uint32_t end_line, assay_evidence* out) {
      return side->Span(e, i, line, end_line, out);
    }};

const assay_ext_artifacts_v1 kArtifacts = {
    ASSAY_SIZE_THROUGH(assay_ext_artifacts_v1, put),
    [](assay_handle e, assay_str name, assay_str type, assay_bytes content, assay_evidence* out) {
      return side->PutArtifact(e, name, type, content, out);
    }};

const assay_ext_prior_v1 kPrior = {
    ASSAY_SIZE_THROUGH(assay_ext_prior_v1, artifact), [](assay_handle e) { return side->PriorClaimCount(e); },
    [](assay_handle e, uint64_t i, assay_prior_claim* out) { return side->PriorClaim(e, i, out); },
    [](assay_handle e, assay_str evaluator, assay_str name, assay_bytes* out) {
      return side->PriorArtifact(e, evaluator, name, out);
    }};

const assay_ext_progress_v1 kProgress = {
    ASSAY_SIZE_THROUGH(assay_ext_progress_v1, report),
    [](assay_handle e, assay_str phase, uint64_t done, uint64_t total) { side->Progress(e, phase, done, total); }};

const assay_ext_exec_v1 kExec = {
    ASSAY_SIZE_THROUGH(assay_ext_exec_v1, signal),
    [](assay_handle e, assay_str* reason) { return side->Available(e, reason); },
    [](assay_handle e, uint32_t node_major, assay_workspace* out) { return side->Prepare(e, node_major, out); },
    [](assay_handle e, const assay_exec_spec* spec, assay_handle* out) { return side->Start(e, spec, out); },
    [](assay_handle p, uint32_t stream, void* buffer, uint64_t capacity, uint64_t timeout, uint64_t* got,
       uint32_t* end) { return side->Read(p, stream, buffer, capacity, timeout, got, end); },
    [](assay_handle p, uint64_t timeout, uint32_t for_listening, assay_exec_result* out) {
      return side->Wait(p, timeout, for_listening, out);
    },
    [](assay_handle p, int32_t number, uint32_t to_listener) { return side->Signal(p, number, to_listener); }};

const assay_ext_loadgen_v1 kLoadgen = {ASSAY_SIZE_THROUGH(assay_ext_loadgen_v1, run),
                                       [](assay_handle e, assay_handle p, assay_bytes plan, assay_bytes* result,
                                          assay_evidence* out) { return side->RunLoad(e, p, plan, result, out); }};

const void* Extension(const char* id) {
  if (id == nullptr) return nullptr;
  const std::pair<const char*, const void*> offered[] = {
      {ASSAY_EXT_RESULT, &kResult},  {ASSAY_EXT_INPUTS, &kInputs},     {ASSAY_EXT_ARTIFACTS, &kArtifacts},
      {ASSAY_EXT_PRIOR, &kPrior},    {ASSAY_EXT_PROGRESS, &kProgress}, {ASSAY_EXT_EXEC, &kExec},
      {ASSAY_EXT_LOADGEN, &kLoadgen}};
  for (const auto& [name, table] : offered) {
    if (std::strcmp(name, id) == 0) return table;
  }
  return nullptr;
}

const assay_host_v1 kHost = {
    ASSAY_SIZE_THROUGH(assay_host_v1, set_error),
    &Extension,
    [](assay_handle e) { return side->ShouldStop(e); },
    &MonotonicNanoseconds,
    [](assay_handle h, uint32_t level, const char* text, uint64_t size) { side->Log(h, level, text, size); },
    [](assay_handle, assay_status code, const char* text, uint64_t size) { side->SetError(code, text, size); }};

}  // namespace

const assay_host_v1* HostTable(HostSide& host_side) {
  side = &host_side;
  return &kHost;
}

}  // namespace assay::plugin_host
