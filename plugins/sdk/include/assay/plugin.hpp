// SPDX-License-Identifier: Apache-2.0
//
// assay/plugin.hpp - the C++17 way to write an evaluator plugin. It wraps assay/plugin.h and needs the standard library
// alone. A plugin is one or more classes and one macro:
//
//   class Lint final : public assay::sdk::Evaluator {
//    public:
//     static constexpr assay::sdk::Identity kIdentity = {"com.acme.lint", "1.0.0", "code-analysis",
//                                                        ASSAY_DETERMINISM_BITWISE, ASSAY_FLAG_REUSABLE};
//     assay::sdk::Status Evaluate(assay::sdk::Evaluation& evaluation) override;
//   };
//   ASSAY_PLUGIN(Lint)
//
// Every entry into the plugin is guarded: an exception becomes ASSAY_E_PLUGIN with its text and never crosses the
// boundary. Views (std::string_view) that the host hands out live until Evaluate() returns unless said otherwise.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "assay/plugin.h"
#include "assay/plugin_types.hpp"

namespace assay::sdk {

namespace detail {

inline assay_str Str(std::string_view text) { return {text.data(), text.size()}; }
inline assay_bytes Bytes(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
inline std::string_view View(assay_str text) {
  return text.size == 0 ? std::string_view() : std::string_view(text.data, static_cast<size_t>(text.size));
}
inline std::string_view View(assay_bytes bytes) {
  return bytes.size == 0 ? std::string_view()
                         : std::string_view(reinterpret_cast<const char*>(bytes.data), static_cast<size_t>(bytes.size));
}

// Runs `body` and turns any exception into ASSAY_E_PLUGIN with its text.
template <typename Body>
assay_status Guard(const assay_host_v1* host, assay_handle handle, Body&& body) noexcept {
  auto fail = [&](assay_status code, std::string_view text) {
    if (host != nullptr && ASSAY_HAS(host, assay_host_v1, set_error)) {
      host->set_error(handle, code, text.data(), text.size());
    }
    return code;
  };
  try {
    const Status status = body();
    return status.ok() ? ASSAY_OK : fail(status.code(), status.message());
  } catch (const std::bad_alloc&) {
    return fail(ASSAY_E_PLUGIN, "out of memory");
  } catch (const std::exception& error) {
    return fail(ASSAY_E_PLUGIN, error.what());
  } catch (...) {
    return fail(ASSAY_E_PLUGIN, "an exception that is no std::exception");
  }
}

}  // namespace detail

// The host's core table and its extensions. Copyable; valid until the evaluator is destroyed.
class Host {
 public:
  explicit Host(const assay_host_v1* table) : table_(table) {}

  // The extension's table, or null when the host lacks it or knows less of it than `needed_size`
  // (ASSAY_SIZE_THROUGH of the last function that is needed).
  template <typename Table>
  const Table* ext(const char* id, uint64_t needed_size) const {
    const auto* table = static_cast<const Table*>(table_->get_extension(id));
    return table != nullptr && table->struct_size >= needed_size ? table : nullptr;
  }

  uint64_t now_ns() const { return table_->now_ns(); }
  const assay_host_v1* table() const { return table_; }

 private:
  const assay_host_v1* table_;
};

// One run. It dies when Evaluate() returns; nothing of it may be kept.
class Evaluation {
 public:
  Evaluation(Host host, const assay_evaluate_args& args)
      : host_(host),
        args_(args),
        result_(host.ext<assay_ext_result_v1>(ASSAY_EXT_RESULT, ASSAY_SIZE_THROUGH(assay_ext_result_v1, finding))),
        inputs_(host.ext<assay_ext_inputs_v1>(ASSAY_EXT_INPUTS, ASSAY_SIZE_THROUGH(assay_ext_inputs_v1, span))),
        artifacts_(
            host.ext<assay_ext_artifacts_v1>(ASSAY_EXT_ARTIFACTS, ASSAY_SIZE_THROUGH(assay_ext_artifacts_v1, put))),
        prior_(host.ext<assay_ext_prior_v1>(ASSAY_EXT_PRIOR, ASSAY_SIZE_THROUGH(assay_ext_prior_v1, artifact))),
        progress_(
            host.ext<assay_ext_progress_v1>(ASSAY_EXT_PROGRESS, ASSAY_SIZE_THROUGH(assay_ext_progress_v1, report))),
        exec_(host.ext<assay_ext_exec_v1>(ASSAY_EXT_EXEC, ASSAY_SIZE_THROUGH(assay_ext_exec_v1, signal))),
        loadgen_(host.ext<assay_ext_loadgen_v1>(ASSAY_EXT_LOADGEN, ASSAY_SIZE_THROUGH(assay_ext_loadgen_v1, run))) {}
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;
  Evaluation(Evaluation&&) = delete;
  Evaluation& operator=(Evaluation&&) = delete;

  Host host() const { return host_; }
  assay_handle handle() const { return args_.evaluation; }
  std::string_view id() const { return detail::View(args_.evaluation_id); }
  uint32_t attempt() const { return args_.attempt; }
  uint64_t deadline_ns() const { return args_.deadline_ns; }
  uint64_t seed() const { return args_.seed; }
  std::string_view parameters_json() const { return detail::View(args_.parameters_json); }
  uint64_t now_ns() const { return host_.now_ns(); }
  // ASSAY_RUN, or why to return now: ask at least every 100 ms of work and then return Stopped().
  int32_t should_stop() const { return host_.table()->should_stop(handle()); }

  void Log(uint32_t level, std::string_view text) const {
    host_.table()->log(handle(), level, text.data(), text.size());
  }
  // Names what is being done, for people who wait. `total` 0: unknown.
  void Progress(std::string_view phase, uint64_t done = 0, uint64_t total = 0) const {
    if (progress_ != nullptr) progress_->report(handle(), detail::Str(phase), done, total);
  }

  // ---- inputs ----

  // Files and links sorted by path, then the platform's documents. Read once; the reference lives as long as this.
  const std::vector<Input>& Inputs();
  // The file with that path, or null.
  const Input* File(std::string_view path) { return FindInput(InputRole::kFile, path); }
  // "submission.json", "framework.json", "task.json"; null when the platform gave none.
  const Input* Document(std::string_view name) { return FindInput(InputRole::kDocument, name); }
  Result<std::string_view> Bytes(const Input& input) const;
  // Records the lines [line, end_line] as evidence.
  Result<Evidence> Span(const Input& input, uint32_t line, uint32_t end_line) const;

  // ---- results: kept only if Evaluate() returns OK ----

  Status Observe(const Observation& observation) const;
  Status AddClaim(const Claim& claim) const;
  Status AddExperiment(const Experiment& experiment) const;
  Status AddFinding(const Finding& finding) const;
  Result<Evidence> PutArtifact(std::string_view name, std::string_view media_type, std::string_view content) const;

  // ---- what evaluators this one depends on found ----

  std::vector<PriorClaim> PriorClaims() const;
  // ASSAY_E_UNSUPPORTED: that evaluator left no such artifact.
  Result<std::string_view> PriorArtifact(std::string_view evaluator, std::string_view name) const;

  // ---- processes and load, run and measured by the platform. All block. ----

  // OK, or ASSAY_E_UNSUPPORTED with the reason why submissions cannot run on this platform.
  Status ExecAvailable() const;
  Result<Workspace> Prepare(uint32_t node_major) const;
  Result<assay_handle> Start(const ExecSpec& spec) const;
  Result<OutputChunk> Read(assay_handle process, uint32_t stream, uint64_t timeout_ns,
                           uint64_t max_bytes = 64 << 10) const;
  Result<ProcessState> Wait(assay_handle process, uint64_t timeout_ns, bool for_listening = false) const;
  Status Signal(assay_handle process, int32_t number, bool to_listener = false) const;
  Result<LoadResult> RunLoad(assay_handle process, std::string_view plan_json) const;

 private:
  static Status Missing(const char* id) { return {ASSAY_E_UNSUPPORTED, std::string("the host does not offer ") + id}; }
  // A refused call: the host keeps the words to itself, so name the call.
  static Status Check(assay_status code, const char* call) {
    if (code == ASSAY_OK) return Ok();
    return {code, std::string(call) + " was refused by the host with status " + std::to_string(code)};
  }
  const Input* FindInput(InputRole role, std::string_view path);

  Host host_;
  assay_evaluate_args args_;
  const assay_ext_result_v1* result_;
  const assay_ext_inputs_v1* inputs_;
  const assay_ext_artifacts_v1* artifacts_;
  const assay_ext_prior_v1* prior_;
  const assay_ext_progress_v1* progress_;
  const assay_ext_exec_v1* exec_;
  const assay_ext_loadgen_v1* loadgen_;
  std::vector<Input> input_list_;
  bool inputs_read_ = false;
};

// What a plugin implements. One instance serves one evaluation after the other, all on one thread. A class may have
//   static Result<std::unique_ptr<Evaluator>> Create(std::string_view config_json, Host host);
// and needs a default constructor otherwise.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  virtual Status Evaluate(Evaluation& evaluation) = 0;
};

inline const std::vector<Input>& Evaluation::Inputs() {
  if (inputs_read_ || inputs_ == nullptr) return input_list_;
  inputs_read_ = true;
  const uint64_t count = inputs_->count(handle());
  input_list_.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i) {
    assay_input raw{};
    raw.struct_size = ASSAY_SIZE_THROUGH(assay_input, evidence);
    if (inputs_->get(handle(), i, &raw) != ASSAY_OK) break;
    Input input;
    input.index = i;
    input.path = detail::View(raw.path);
    input.media_type = detail::View(raw.media_type);
    input.size = raw.size;
    for (size_t b = 0; b < input.sha256.size(); ++b) input.sha256[b] = raw.sha256[b];
    input.role = static_cast<InputRole>(raw.role);
    input.authorship = static_cast<Authorship>(raw.authorship);
    input.mode = raw.mode;
    input.evidence = raw.evidence;
    input_list_.push_back(input);
  }
  return input_list_;
}

inline const Input* Evaluation::FindInput(InputRole role, std::string_view path) {
  for (const Input& input : Inputs()) {
    if (input.role == role && input.path == path) return &input;
  }
  return nullptr;
}

inline Result<std::string_view> Evaluation::Bytes(const Input& input) const {
  if (inputs_ == nullptr) return Missing(ASSAY_EXT_INPUTS);
  assay_bytes bytes{};
  const Status status = Check(inputs_->bytes(handle(), input.index, &bytes), "inputs.bytes");
  if (!status.ok()) return status;
  return detail::View(bytes);
}

inline Result<Evidence> Evaluation::Span(const Input& input, uint32_t line, uint32_t end_line) const {
  if (inputs_ == nullptr) return Missing(ASSAY_EXT_INPUTS);
  Evidence evidence = 0;
  const Status status = Check(inputs_->span(handle(), input.index, line, end_line, &evidence), "inputs.span");
  if (!status.ok()) return status;
  return evidence;
}

inline Status Evaluation::Observe(const Observation& observation) const {
  if (result_ == nullptr) return Missing(ASSAY_EXT_RESULT);
  assay_observation raw{};
  raw.struct_size = ASSAY_SIZE_THROUGH(assay_observation, rationale);
  raw.criterion = detail::Str(observation.criterion);
  raw.state = static_cast<uint32_t>(observation.state);
  raw.method = static_cast<uint32_t>(observation.method);
  raw.authorship = static_cast<uint32_t>(observation.authorship);
  raw.unscored = observation.unscored ? 1 : 0;
  raw.value = observation.value;
  raw.standard_error = observation.standard_error;
  raw.evidence = observation.evidence.data();
  raw.evidence_count = observation.evidence.size();
  raw.rationale = detail::Str(observation.rationale);
  return Check(result_->observation(handle(), &raw), "result.observation");
}

inline Status Evaluation::AddClaim(const Claim& claim) const {
  if (result_ == nullptr) return Missing(ASSAY_EXT_RESULT);
  assay_claim raw{};
  raw.struct_size = ASSAY_SIZE_THROUGH(assay_claim, evidence);
  raw.id = detail::Str(claim.id);
  raw.criterion = detail::Str(claim.criterion);
  raw.statement = detail::Str(claim.statement);
  raw.path = detail::Str(claim.path);
  raw.line = claim.line;
  raw.evidence = claim.evidence;
  return Check(result_->claim(handle(), &raw), "result.claim");
}

inline Status Evaluation::AddExperiment(const Experiment& experiment) const {
  if (result_ == nullptr) return Missing(ASSAY_EXT_RESULT);
  assay_experiment raw{};
  raw.struct_size = ASSAY_SIZE_THROUGH(assay_experiment, reason);
  raw.claim = detail::Str(experiment.claim);
  raw.verdict = static_cast<uint32_t>(experiment.verdict);
  raw.evidence = experiment.evidence.data();
  raw.evidence_count = experiment.evidence.size();
  raw.reason = detail::Str(experiment.reason);
  return Check(result_->experiment(handle(), &raw), "result.experiment");
}

inline Status Evaluation::AddFinding(const Finding& finding) const {
  if (result_ == nullptr) return Missing(ASSAY_EXT_RESULT);
  assay_finding raw{};
  raw.struct_size = ASSAY_SIZE_THROUGH(assay_finding, evidence);
  raw.check = detail::Str(finding.check);
  raw.criterion = detail::Str(finding.criterion);
  raw.message = detail::Str(finding.message);
  raw.path = detail::Str(finding.path);
  raw.help = detail::Str(finding.help);
  raw.question = detail::Str(finding.question);
  raw.good_answer = detail::Str(finding.good_answer);
  raw.severity = static_cast<uint32_t>(finding.severity);
  raw.line = finding.line;
  raw.column = finding.column;
  raw.end_line = finding.end_line;
  raw.end_column = finding.end_column;
  raw.authorship = static_cast<uint32_t>(finding.authorship);
  raw.evidence = finding.evidence;
  return Check(result_->finding(handle(), &raw), "result.finding");
}

inline Result<Evidence> Evaluation::PutArtifact(std::string_view name, std::string_view media_type,
                                                std::string_view content) const {
  if (artifacts_ == nullptr) return Missing(ASSAY_EXT_ARTIFACTS);
  Evidence evidence = 0;
  const Status status =
      Check(artifacts_->put(handle(), detail::Str(name), detail::Str(media_type), detail::Bytes(content), &evidence),
            "artifacts.put");
  if (!status.ok()) return status;
  return evidence;
}

inline std::vector<PriorClaim> Evaluation::PriorClaims() const {
  std::vector<PriorClaim> claims;
  const uint64_t count = prior_ == nullptr ? 0 : prior_->claim_count(handle());
  for (uint64_t i = 0; i < count; ++i) {
    assay_prior_claim raw{};
    raw.struct_size = ASSAY_SIZE_THROUGH(assay_prior_claim, verdict);
    if (prior_->claim_at(handle(), i, &raw) != ASSAY_OK) break;
    claims.push_back({detail::View(raw.evaluator), detail::View(raw.id), detail::View(raw.criterion),
                      detail::View(raw.statement), detail::View(raw.path), raw.line,
                      static_cast<Verdict>(raw.verdict)});
  }
  return claims;
}

inline Result<std::string_view> Evaluation::PriorArtifact(std::string_view evaluator, std::string_view name) const {
  if (prior_ == nullptr) return Missing(ASSAY_EXT_PRIOR);
  assay_bytes bytes{};
  const Status status =
      Check(prior_->artifact(handle(), detail::Str(evaluator), detail::Str(name), &bytes), "prior.artifact");
  if (!status.ok()) return status;
  return detail::View(bytes);
}

inline Status Evaluation::ExecAvailable() const {
  if (exec_ == nullptr) return Missing(ASSAY_EXT_EXEC);
  assay_str reason{};
  const assay_status code = exec_->available(handle(), &reason);
  return code == ASSAY_OK ? Ok() : Status(code, std::string(detail::View(reason)));
}

inline Result<Workspace> Evaluation::Prepare(uint32_t node_major) const {
  if (exec_ == nullptr) return Missing(ASSAY_EXT_EXEC);
  assay_workspace raw{};
  raw.struct_size = ASSAY_SIZE_THROUGH(assay_workspace, evidence);
  const Status status = Check(exec_->prepare(handle(), node_major, &raw), "exec.prepare");
  if (!status.ok()) return status;
  Workspace workspace;
  workspace.handle = raw.workspace;
  workspace.directory = detail::View(raw.directory);
  workspace.node = detail::View(raw.node);
  workspace.node_version = detail::View(raw.node_version);
  workspace.failure = detail::View(raw.failure);
  workspace.lockfile_present = raw.lockfile_present != 0;
  workspace.packages = raw.packages;
  workspace.fault = raw.fault;
  workspace.wall_ns = raw.wall_ns;
  workspace.evidence = raw.evidence;
  return workspace;
}

inline Result<assay_handle> Evaluation::Start(const ExecSpec& spec) const {
  if (exec_ == nullptr) return Missing(ASSAY_EXT_EXEC);
  std::vector<assay_str> argv, environment;
  for (const std::string& text : spec.argv) argv.push_back(detail::Str(text));
  for (const std::string& text : spec.environment) environment.push_back(detail::Str(text));
  assay_exec_spec raw{};
  raw.struct_size = ASSAY_SIZE_THROUGH(assay_exec_spec, reserved0);
  raw.workspace = spec.workspace;
  raw.argv = argv.data();
  raw.argc = argv.size();
  raw.environment = environment.data();
  raw.environment_count = environment.size();
  raw.directory = detail::Str(spec.directory);
  raw.wall_ns = spec.wall_ns;
  raw.memory_bytes = spec.memory_bytes;
  raw.output_bytes = spec.output_bytes;
  raw.max_processes = spec.max_processes;
  assay_handle process = 0;
  const Status status = Check(exec_->start(handle(), &raw, &process), "exec.start");
  if (!status.ok()) return status;
  return process;
}

inline Result<OutputChunk> Evaluation::Read(assay_handle process, uint32_t stream, uint64_t timeout_ns,
                                            uint64_t max_bytes) const {
  if (exec_ == nullptr) return Missing(ASSAY_EXT_EXEC);
  OutputChunk chunk;
  chunk.data.resize(static_cast<size_t>(max_bytes));
  uint64_t got = 0;
  uint32_t end = 0;
  const Status status =
      Check(exec_->read(process, stream, chunk.data.data(), max_bytes, timeout_ns, &got, &end), "exec.read");
  if (!status.ok()) return status;
  chunk.data.resize(static_cast<size_t>(got));
  chunk.end = end != 0;
  return chunk;
}

inline Result<ProcessState> Evaluation::Wait(assay_handle process, uint64_t timeout_ns, bool for_listening) const {
  if (exec_ == nullptr) return Missing(ASSAY_EXT_EXEC);
  assay_exec_result raw{};
  raw.struct_size = ASSAY_SIZE_THROUGH(assay_exec_result, evidence);
  const Status status = Check(exec_->wait(process, timeout_ns, for_listening ? 1 : 0, &raw), "exec.wait");
  if (!status.ok()) return status;
  return ProcessState{raw.ended != 0, raw.limit_hit,  raw.exit_code, raw.term_signal, raw.wall_ns,
                      raw.cpu_ns,     raw.peak_bytes, raw.port,      raw.listener,    raw.evidence};
}

inline Status Evaluation::Signal(assay_handle process, int32_t number, bool to_listener) const {
  if (exec_ == nullptr) return Missing(ASSAY_EXT_EXEC);
  return Check(exec_->signal(process, number, to_listener ? 1 : 0), "exec.signal");
}

inline Result<LoadResult> Evaluation::RunLoad(assay_handle process, std::string_view plan_json) const {
  if (loadgen_ == nullptr) return Missing(ASSAY_EXT_LOADGEN);
  assay_bytes json{};
  LoadResult result;
  const Status status =
      Check(loadgen_->run(handle(), process, detail::Bytes(plan_json), &json, &result.evidence), "loadgen.run");
  if (!status.ok()) return status;
  result.json = std::string(detail::View(json));
  return result;
}

namespace detail {

struct Instance {
  Host host;
  assay_handle handle;
  std::unique_ptr<Evaluator> evaluator;
};

template <typename T, typename = void>
struct HasCreate : std::false_type {};
template <typename T>
struct HasCreate<T, std::void_t<decltype(T::Create(std::string_view(), std::declval<Host>()))>> : std::true_type {};

template <typename T>
Result<std::unique_ptr<Evaluator>> Make(std::string_view config_json, Host host) {
  if constexpr (HasCreate<T>::value) {
    return T::Create(config_json, host);
  } else {
    return std::unique_ptr<Evaluator>(std::make_unique<T>());
  }
}

template <typename T>
const assay_descriptor* Descriptor() {
  static const assay_descriptor descriptor = {ASSAY_SIZE_THROUGH(assay_descriptor, flags),
                                              Str(T::kIdentity.id),
                                              Str(T::kIdentity.version),
                                              Str(T::kIdentity.kind),
                                              T::kIdentity.determinism,
                                              T::kIdentity.flags};
  return &descriptor;
}

// All entries of a plugin, generated from the list of its evaluators.
template <typename... Ts>
struct Entries {
  static uint32_t Count() { return sizeof...(Ts); }

  static const assay_descriptor* At(uint32_t index) {
    const assay_descriptor* const all[] = {Descriptor<Ts>()...};
    return index < sizeof...(Ts) ? all[index] : nullptr;
  }

  static assay_status Create(const assay_create_args* args, void** out_self) {
    if (args == nullptr || out_self == nullptr || !ASSAY_HAS(args, assay_create_args, config_json)) {
      return ASSAY_E_ARGUMENT;
    }
    *out_self = nullptr;
    return Guard(args->host, args->instance, [&]() -> Status {
      const std::string_view wanted = View(args->evaluator_id);
      Result<std::unique_ptr<Evaluator>> made =
          Status(ASSAY_E_ARGUMENT, "this plugin has no evaluator \"" + std::string(wanted) + "\"");
      (void)((wanted == Ts::kIdentity.id && ((made = Make<Ts>(View(args->config_json), Host(args->host))), true)) ||
             ...);
      if (!made.ok()) return made.status();
      *out_self = new Instance{Host(args->host), args->instance, std::move(made).value()};
      return Ok();
    });
  }

  static assay_status Evaluate(void* self, const assay_evaluate_args* args) {
    if (self == nullptr || args == nullptr || !ASSAY_HAS(args, assay_evaluate_args, parameters_json)) {
      return ASSAY_E_ARGUMENT;
    }
    auto* instance = static_cast<Instance*>(self);
    return Guard(instance->host.table(), args->evaluation, [&] {
      Evaluation evaluation(instance->host, *args);
      return instance->evaluator->Evaluate(evaluation);
    });
  }

  static void Destroy(void* self) {
    auto* instance = static_cast<Instance*>(self);
    if (instance == nullptr) return;
    const Host host = instance->host;
    const assay_handle handle = instance->handle;
    Guard(host.table(), handle, [&] {
      delete instance;
      return Ok();
    });
  }

  static const void* Extension(const char*) { return nullptr; }

  static assay_status Negotiate(const assay_negotiate_in* in, assay_negotiate_out* out) {
    static const assay_plugin_v1 table = {
        ASSAY_SIZE_THROUGH(assay_plugin_v1, get_extension), &Count, &At, &Create, &Evaluate, &Destroy, &Extension};
    if (in == nullptr || out == nullptr || !ASSAY_HAS(in, assay_negotiate_in, minor) || in->magic != ASSAY_MAGIC ||
        in->major_min > ASSAY_ABI_MAJOR || in->major_max < ASSAY_ABI_MAJOR ||
        !ASSAY_HAS(out, assay_negotiate_out, plugin)) {
      return ASSAY_E_ABI;
    }
    out->magic = ASSAY_MAGIC;
    out->major = ASSAY_ABI_MAJOR;
    out->minor = in->minor < ASSAY_ABI_MINOR ? in->minor : ASSAY_ABI_MINOR;
    out->plugin = &table;
    return ASSAY_OK;
  }
};

}  // namespace detail
}  // namespace assay::sdk

// Makes the plugin's one exported symbol. Arguments: its evaluator classes. Once per shared object, at global scope.
#define ASSAY_PLUGIN(...)                                                                                        \
  extern "C" ASSAY_EXPORT assay_status assay_negotiate(const assay_negotiate_in* in, assay_negotiate_out* out) { \
    return ::assay::sdk::detail::Entries<__VA_ARGS__>::Negotiate(in, out);                                       \
  }
