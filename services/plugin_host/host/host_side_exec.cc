// SPDX-License-Identifier: Apache-2.0
//
// The calls that the platform carries out: processes and load.
#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/plugin_host/host/host_side.h"
#include "services/plugin_host/limits.h"

namespace assay::plugin_host {
namespace {

assay_str View(const std::string& text) { return {text.data(), text.size()}; }

std::string Bytes(assay_str text) { return text.data == nullptr ? "" : std::string(text.data, text.size); }

// Takes at most `max` texts of an argument list; false: more, or too long.
template <typename Field>
bool TakeTexts(const assay_str* raw, uint64_t count, Field* out) {
  if (count > kMaxExecTexts || (count > 0 && raw == nullptr)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    if (raw[i].size > kMaxExecTextBytes) return false;
    out->Add(Bytes(raw[i]));
  }
  return true;
}

}  // namespace

assay_status HostSide::Available(assay_handle handle, assay_str* reason) {
  Mark("exec.available");
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
  }
  plugin::v1::Frame frame;
  frame.mutable_call()->mutable_platform();
  const plugin::v1::Reply reply = Call(frame, nullptr);
  if (reply.status() == ASSAY_OK && reply.platform().can_execute()) return ASSAY_OK;
  const std::string why = reply.status() == ASSAY_OK ? reply.platform().reason() : reply.message();
  absl::MutexLock lock(&mutex_);
  if (reason != nullptr) *reason = View(Keep(why));
  return Refuse(ASSAY_E_UNSUPPORTED, why);
}

assay_status HostSide::Prepare(assay_handle handle, uint32_t node_major, assay_workspace* out) {
  Mark("exec.prepare");
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (out == nullptr || !ASSAY_HAS(out, assay_workspace, evidence)) {
      return Refuse(ASSAY_E_ARGUMENT, "exec.prepare: struct_size does not reach `evidence`");
    }
  }
  plugin::v1::Frame frame;
  frame.mutable_call()->mutable_prepare()->set_node_major(node_major);
  assay_evidence evidence = 0;
  const plugin::v1::Reply reply = Call(frame, &evidence);
  if (reply.status() != ASSAY_OK) return CallStatus(reply);
  const plugin::v1::PrepareReply& made = reply.prepare();
  const assay_handle workspace = made.workspace() == 0 ? 0 : NewObject(made.workspace());
  absl::MutexLock lock(&mutex_);
  out->workspace = workspace;
  out->directory = View(Keep(made.directory()));
  out->node = View(Keep(made.node()));
  out->node_version = View(Keep(made.node_version()));
  out->failure = View(Keep(made.failure()));
  out->lockfile_present = made.lockfile_present() ? 1 : 0;
  out->packages = made.packages();
  out->fault = static_cast<uint32_t>(made.fault_domain());
  out->reserved0 = 0;
  out->wall_ns = static_cast<uint64_t>(std::max(0.0, made.seconds()) * 1e9);
  out->evidence = evidence;
  return ASSAY_OK;
}

assay_status HostSide::Start(assay_handle handle, const assay_exec_spec* spec, assay_handle* out) {
  Mark("exec.start");
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (spec == nullptr || out == nullptr || !ASSAY_HAS(spec, assay_exec_spec, max_processes)) {
      return Refuse(ASSAY_E_ARGUMENT, "exec.start: struct_size does not reach `max_processes`");
    }
  }
  const uint64_t workspace = Object(spec->workspace);
  plugin::v1::Frame frame;
  plugin::v1::ExecStartCall& call = *frame.mutable_call()->mutable_exec_start();
  if (workspace == 0 || spec->argc == 0 || !TakeTexts(spec->argv, spec->argc, call.mutable_argv()) ||
      !TakeTexts(spec->environment, spec->environment_count, call.mutable_environment())) {
    absl::MutexLock lock(&mutex_);
    if (workspace == 0) return Refuse(ASSAY_E_STALE, "exec.start: no such workspace");
    return Refuse(ASSAY_E_ARGUMENT, absl::StrCat("exec.start: argv and environment take 1 to ", kMaxExecTexts,
                                                 " texts of at most ", kMaxExecTextBytes, " bytes"));
  }
  call.set_workspace(workspace);
  call.set_directory(Bytes(spec->directory));
  call.set_wall_nanoseconds(spec->wall_ns);
  call.set_memory_bytes(spec->memory_bytes);
  call.set_output_bytes(spec->output_bytes);
  call.set_max_processes(spec->max_processes);
  const plugin::v1::Reply reply = Call(frame, nullptr);
  if (reply.status() == ASSAY_OK) *out = NewObject(reply.exec_start().process());
  return CallStatus(reply);
}

assay_status HostSide::Read(assay_handle process, uint32_t stream, void* buffer, uint64_t capacity, uint64_t timeout,
                            uint64_t* got, uint32_t* end) {
  Mark("exec.read");
  const uint64_t number = Object(process);
  if (number == 0) return ASSAY_E_STALE;
  if ((stream != 1 && stream != 2) || got == nullptr || end == nullptr || (buffer == nullptr && capacity > 0)) {
    absl::MutexLock lock(&mutex_);
    return Refuse(ASSAY_E_ARGUMENT, "exec.read: stream is 1 or 2, and the answers need room");
  }
  plugin::v1::Frame frame;
  plugin::v1::ExecReadCall& call = *frame.mutable_call()->mutable_exec_read();
  call.set_process(number);
  call.set_stream(stream);
  call.set_max_bytes(static_cast<uint32_t>(std::min<uint64_t>(capacity, kMaxReadBytes)));
  call.set_timeout_nanoseconds(timeout);
  const plugin::v1::Reply reply = Call(frame, nullptr);
  if (reply.status() != ASSAY_OK) return CallStatus(reply);
  const std::string& data = reply.exec_read().data();
  *got = std::min<uint64_t>(data.size(), capacity);
  *end = reply.exec_read().end() ? 1 : 0;
  if (*got > 0) std::memcpy(buffer, data.data(), *got);
  return ASSAY_OK;
}

assay_status HostSide::Wait(assay_handle process, uint64_t timeout, uint32_t for_listening, assay_exec_result* out) {
  Mark("exec.wait");
  const uint64_t number = Object(process);
  if (number == 0) return ASSAY_E_STALE;
  if (out == nullptr || !ASSAY_HAS(out, assay_exec_result, evidence)) {
    absl::MutexLock lock(&mutex_);
    return Refuse(ASSAY_E_ARGUMENT, "exec.wait: struct_size does not reach `evidence`");
  }
  plugin::v1::Frame frame;
  plugin::v1::ExecWaitCall& call = *frame.mutable_call()->mutable_exec_wait();
  call.set_process(number);
  call.set_timeout_nanoseconds(timeout);
  call.set_for_listening(for_listening != 0);
  assay_evidence evidence = 0;
  const plugin::v1::Reply reply = Call(frame, &evidence);
  if (reply.status() != ASSAY_OK) return CallStatus(reply);
  const plugin::v1::ExecWaitReply& seen = reply.exec_wait();
  out->ended = seen.ended() ? 1 : 0;
  out->limit_hit = seen.limit_hit();
  out->exit_code = seen.exit_code();
  out->term_signal = seen.term_signal();
  out->wall_ns = seen.wall_nanoseconds();
  out->cpu_ns = seen.cpu_nanoseconds();
  out->peak_bytes = seen.peak_bytes();
  out->port = seen.ports().empty() ? 0 : seen.ports(0).port();
  out->listener = seen.ports().empty() ? 0 : seen.ports(0).process_id();
  out->evidence = evidence;
  return ASSAY_OK;
}

assay_status HostSide::Signal(assay_handle process, int32_t number, uint32_t to_listener) {
  Mark("exec.signal");
  const uint64_t target = Object(process);
  if (target == 0) return ASSAY_E_STALE;
  plugin::v1::Frame frame;
  plugin::v1::ExecSignalCall& call = *frame.mutable_call()->mutable_exec_signal();
  call.set_process(target);
  call.set_signal(number);
  call.set_to_listener(to_listener != 0);
  return CallStatus(Call(frame, nullptr));
}

assay_status HostSide::RunLoad(assay_handle handle, assay_handle process, assay_bytes plan, assay_bytes* result,
                               assay_evidence* out) {
  Mark("loadgen.run");
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (result == nullptr || out == nullptr || plan.size > kMaxPlanBytes || (plan.size > 0 && plan.data == nullptr)) {
      return Refuse(ASSAY_E_ARGUMENT,
                    absl::StrCat("loadgen.run: a plan of at most ", kMaxPlanBytes, " bytes is needed"));
    }
  }
  const uint64_t number = Object(process);
  if (number == 0) return ASSAY_E_STALE;
  plugin::v1::Frame frame;
  frame.mutable_call()->mutable_load_run()->set_process(number);
  frame.mutable_call()->mutable_load_run()->set_plan_json(reinterpret_cast<const char*>(plan.data), plan.size);
  plugin::v1::Reply reply = Call(frame, out);
  if (reply.status() != ASSAY_OK) return CallStatus(reply);
  absl::MutexLock lock(&mutex_);
  load_result_ = std::move(*reply.mutable_load_run()->mutable_result_json());
  *result = {reinterpret_cast<const uint8_t*>(load_result_.data()), load_result_.size()};
  return ASSAY_OK;
}

}  // namespace assay::plugin_host
