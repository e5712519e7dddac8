// SPDX-License-Identifier: Apache-2.0
//
// Implementation of fake_host.h; include that one.
#pragma once

namespace assay::sdk {

inline bool FakeHost::IsUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t more = lead < 0x80 ? 0 : lead >= 0xF0 && lead < 0xF5 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 9;
    if (lead >= 0xF5 || more == 9 || text.size() - i <= more) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += more + 1;
  }
  return true;
}

inline bool FakeHost::TakeText(const char* what, assay_str raw, std::string& out, size_t max_bytes) {
  if (raw.size > 0 && raw.data == nullptr) {
    Violation(std::string(what) + ": a null pointer with a size");
    return false;
  }
  out = Text(raw);
  if (out.size() > max_bytes) {
    Violation(std::string(what) + ": " + std::to_string(out.size()) + " bytes; at most " + std::to_string(max_bytes));
    return false;
  }
  if (!IsUtf8(out)) Violation(std::string(what) + ": not UTF-8");
  return true;
}

inline bool FakeHost::TakeEvidence(const std::string& what, const assay_evidence* raw, uint64_t count,
                                   std::vector<assay_evidence>& out) {
  if (count > 16 || (count > 0 && raw == nullptr)) {
    Violation(what + ": " + std::to_string(count) + " pieces of evidence; 0 to 16, with a pointer");
    return false;
  }
  out.assign(raw, raw + count);
  for (const assay_evidence id : out) {
    if (evidence(id) == nullptr) {
      Violation(what + ": evidence " + std::to_string(id) + " was not recorded in this evaluation");
      return false;
    }
  }
  return true;
}

inline const FakeHost::Declared* FakeHost::FindDeclared(std::string_view criterion) const {
  for (const Declared& declared : declared_) {
    if (declared.id == criterion) return &declared;
    const size_t size = declared.id.size();
    if (size > 2 && declared.id.compare(size - 2, 2, "/*") == 0 && criterion.size() > size - 1 &&
        criterion.substr(0, size - 1) == std::string_view(declared.id).substr(0, size - 1)) {
      return &declared;
    }
  }
  return nullptr;
}

inline bool FakeHost::CheckCriterion(const std::string& what, const std::string& criterion) {
  if (criterion.empty() || criterion.size() > 64 ||
      criterion.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_./") != std::string::npos) {
    Violation(what + ": \"" + criterion + "\" is no criterion id; 1 to 64 bytes of [a-z0-9_./]");
    return false;
  }
  if (has_manifest_ && FindDeclared(criterion) == nullptr) {
    Violation(what + ": criterion \"" + criterion + "\" is not declared in the manifest");
    return false;
  }
  return true;
}

inline bool FakeHost::CheckPlace(const std::string& what, const std::string& path, uint32_t line, uint32_t end_line) {
  if (path.empty()) return true;
  // A submission that is a document has no files: its places are those of the file a person wrote it in.
  if (files_.empty() && !documents_.empty()) return true;
  const auto file = files_.find(path);
  if (file == files_.end()) {
    Violation(what + ": no input has the path \"" + path + "\"");
    return false;
  }
  const std::string& content = file->second.content;
  uint32_t lines = content.empty() || content.back() != '\n' ? 1 : 0;
  for (const char c : content) lines += c == '\n' ? 1 : 0;
  if (line > lines || end_line > lines || (end_line != 0 && end_line < line)) {
    Violation(what + ": lines " + std::to_string(line) + " to " + std::to_string(end_line) + " of \"" + path +
              "\", which has " + std::to_string(lines));
    return false;
  }
  return true;
}

inline void FakeHost::UseManifest(std::string_view json) {
  std::string error;
  const std::optional<Json> manifest = Json::Parse(json, &error);
  has_manifest_ = true;
  declared_.clear();
  if (!manifest) return Violation("the manifest is not JSON: " + error);
  for (const Json& evaluator : (*manifest)["evaluators"].items()) {
    for (const Json& criterion : evaluator["criteria"].items()) {
      const Json& needs = criterion.has("needs_evidence") ? criterion["needs_evidence"] : criterion["needsEvidence"];
      Declared declared;
      declared.id = criterion["id"].text();
      for (const Json& kind : needs.items()) declared.needs_evidence.insert(kind.text());
      declared_.push_back(std::move(declared));
    }
  }
}

// ---- results ----

inline assay_status FakeHost::OnObservation(const assay_observation* raw) {
  if (raw == nullptr || !ASSAY_HAS(raw, assay_observation, rationale)) {
    return Refuse("observation: struct_size does not reach `rationale`");
  }
  RecordedObservation seen;
  if (!TakeText("observation.criterion", raw->criterion, seen.criterion, 64)) return ASSAY_E_ARGUMENT;
  const std::string what = "observation of " + seen.criterion;
  if (!TakeText((what + ": rationale").c_str(), raw->rationale, seen.rationale, 2000) ||
      !CheckCriterion(what, seen.criterion) || !TakeEvidence(what, raw->evidence, raw->evidence_count, seen.evidence)) {
    return ASSAY_E_ARGUMENT;
  }
  if (raw->state < 1 || raw->state > 3) return Refuse(what + ": state " + std::to_string(raw->state));
  if (raw->method < 1 || raw->method > 6) return Refuse(what + ": method " + std::to_string(raw->method));
  if (raw->authorship > 4) return Refuse(what + ": authorship " + std::to_string(raw->authorship));
  if (raw->state == ASSAY_STATE_OBSERVED) {
    if (!(raw->value >= 0 && raw->value <= 1)) return Refuse(what + ": value outside [0, 1] or not a number");
    if (!(raw->standard_error >= 0 && raw->standard_error <= 0.5)) {
      return Refuse(what + ": standard_error outside [0, 0.5] or not a number");
    }
    if (seen.evidence.empty()) return Refuse(what + ": a value without evidence");
    const Declared* declared = FindDeclared(seen.criterion);
    bool fits = declared == nullptr || declared->needs_evidence.empty();
    for (const assay_evidence id : seen.evidence) {
      const std::string& kind = evidence(id)->kind;
      fits = fits || declared->needs_evidence.count(kind == "span" ? "input" : kind) > 0;
    }
    if (!fits) return Refuse(what + ": no evidence of a kind that the manifest asks for");
  } else if (seen.rationale.empty()) {
    return Refuse(what + ": a state without a value needs a rationale");
  }
  if (result_.observations.size() >= 512) return Refuse("more than 512 observations", ASSAY_E_LIMIT);
  seen.state = raw->state;
  seen.method = raw->method;
  seen.authorship = raw->authorship;
  seen.unscored = raw->unscored != 0;
  seen.value = raw->value;
  seen.standard_error = raw->standard_error;
  result_.observations.push_back(std::move(seen));
  return ASSAY_OK;
}

inline assay_status FakeHost::OnClaim(const assay_claim* raw) {
  if (raw == nullptr || !ASSAY_HAS(raw, assay_claim, evidence)) {
    return Refuse("claim: struct_size does not reach `evidence`");
  }
  RecordedClaim claim;
  if (!TakeText("claim.id", raw->id, claim.id, 64) ||
      !TakeText("claim.criterion", raw->criterion, claim.criterion, 64) ||
      !TakeText("claim.statement", raw->statement, claim.statement, 2000) ||
      !TakeText("claim.path", raw->path, claim.path, 4096)) {
    return ASSAY_E_ARGUMENT;
  }
  const std::string what = "claim " + claim.id;
  if (claim.id.empty() || claim.statement.empty()) return Refuse(what + ": id and statement are needed");
  if (!CheckCriterion(what, claim.criterion) || !CheckPlace(what, claim.path, raw->line, 0)) return ASSAY_E_ARGUMENT;
  if (evidence(raw->evidence) == nullptr) return Refuse(what + ": it cites no evidence of this evaluation");
  if (result_.Claim(claim.id) != nullptr) return Refuse(what + ": made twice");
  if (result_.claims.size() >= 128) return Refuse("more than 128 claims", ASSAY_E_LIMIT);
  claim.line = raw->line;
  claim.evidence = raw->evidence;
  result_.claims.push_back(std::move(claim));
  return ASSAY_OK;
}

inline assay_status FakeHost::OnExperiment(const assay_experiment* raw) {
  if (raw == nullptr || !ASSAY_HAS(raw, assay_experiment, reason)) {
    return Refuse("experiment: struct_size does not reach `reason`");
  }
  RecordedExperiment experiment;
  if (!TakeText("experiment.claim", raw->claim, experiment.claim, 64) ||
      !TakeText("experiment.reason", raw->reason, experiment.reason, 2000)) {
    return ASSAY_E_ARGUMENT;
  }
  const std::string what = "experiment on " + experiment.claim;
  if (!TakeEvidence(what, raw->evidence, raw->evidence_count, experiment.evidence)) return ASSAY_E_ARGUMENT;
  bool known = result_.Claim(experiment.claim) != nullptr;
  for (const PriorClaim& prior : prior_claims_) known = known || prior.claim.id == experiment.claim;
  if (!known) return Refuse(what + ": nobody made that claim");
  if (raw->verdict < 1 || raw->verdict > 4) return Refuse(what + ": verdict " + std::to_string(raw->verdict));
  const bool decided = raw->verdict == ASSAY_VERDICT_CONFIRMED || raw->verdict == ASSAY_VERDICT_REFUTED;
  if (decided && experiment.evidence.empty()) return Refuse(what + ": a verdict without evidence");
  if (experiment.reason.empty()) return Refuse(what + ": a reason is needed");
  if (result_.experiments.size() >= 128) return Refuse("more than 128 experiments", ASSAY_E_LIMIT);
  experiment.verdict = raw->verdict;
  result_.experiments.push_back(std::move(experiment));
  return ASSAY_OK;
}

inline assay_status FakeHost::OnFinding(const assay_finding* raw) {
  if (raw == nullptr || !ASSAY_HAS(raw, assay_finding, evidence)) {
    return Refuse("finding: struct_size does not reach `evidence`");
  }
  RecordedFinding finding;
  if (!TakeText("finding.check", raw->check, finding.check, 64) ||
      !TakeText("finding.criterion", raw->criterion, finding.criterion, 64) ||
      !TakeText("finding.message", raw->message, finding.message, 2000) ||
      !TakeText("finding.path", raw->path, finding.path, 4096) ||
      !TakeText("finding.help", raw->help, finding.help, 4000) ||
      !TakeText("finding.question", raw->question, finding.question, 2000) ||
      !TakeText("finding.good_answer", raw->good_answer, finding.good_answer, 4000)) {
    return ASSAY_E_ARGUMENT;
  }
  const std::string what = "finding " + finding.check;
  if (finding.check.empty() || finding.message.empty()) return Refuse(what + ": check and message are needed");
  if (raw->severity < 1 || raw->severity > 3) return Refuse(what + ": severity " + std::to_string(raw->severity));
  if (raw->authorship > 4) return Refuse(what + ": authorship " + std::to_string(raw->authorship));
  if (!finding.criterion.empty() && !CheckCriterion(what, finding.criterion)) return ASSAY_E_ARGUMENT;
  if (!CheckPlace(what, finding.path, raw->line, raw->end_line)) return ASSAY_E_ARGUMENT;
  if (raw->evidence != 0 && evidence(raw->evidence) == nullptr) return Refuse(what + ": unknown evidence");
  if (result_.findings.size() >= 5000) return Refuse("more than 5,000 findings", ASSAY_E_LIMIT);
  finding.severity = raw->severity;
  finding.line = raw->line;
  finding.column = raw->column;
  finding.end_line = raw->end_line;
  finding.end_column = raw->end_column;
  finding.authorship = raw->authorship;
  finding.evidence = raw->evidence;
  result_.findings.push_back(std::move(finding));
  return ASSAY_OK;
}

// ---- inputs, artifacts, prior results ----

inline void FakeHost::ListInputs() {
  inputs_.clear();
  for (const auto* group : {&files_, &documents_}) {
    for (const auto& [path, stored] : *group) {
      inputs_.push_back({&path, &stored, Record({"input", path, 0, 0, stored.content})});
    }
  }
}

inline assay_status FakeHost::OnInput(uint64_t index, assay_input* out) {
  if (out == nullptr || !ASSAY_HAS(out, assay_input, evidence)) {
    return Refuse("inputs.get: the caller must set struct_size to reach `evidence`");
  }
  if (index >= inputs_.size()) return Refuse("inputs.get: index beyond the last input");
  const ListedInput& input = inputs_[static_cast<size_t>(index)];
  const uint64_t struct_size = out->struct_size;
  *out = {};
  out->struct_size = struct_size;
  out->path = {input.path->data(), input.path->size()};
  out->media_type = {input.stored->media_type.data(), input.stored->media_type.size()};
  out->size = input.stored->content.size();
  // Stands in for the SHA-256: equal content gives equal bytes, and that is all a plugin may use it for.
  uint64_t hash = 1469598103934665603ull;
  for (const char c : input.stored->content) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  for (size_t i = 0; i < 4; ++i) std::memcpy(out->sha256 + 8 * i, &hash, 8);
  out->role = input.stored->role;
  out->authorship = input.stored->authorship;
  out->mode = input.stored->mode;
  out->evidence = input.evidence;
  return ASSAY_OK;
}

inline assay_status FakeHost::OnSpan(uint64_t index, uint32_t line, uint32_t end_line, assay_evidence* out) {
  if (out == nullptr || index >= inputs_.size()) return Refuse("inputs.span: no such input, or no room for the answer");
  const ListedInput& input = inputs_[static_cast<size_t>(index)];
  const std::string& content = input.stored->content;
  if (line == 0 || end_line < line) return Refuse("inputs.span: lines count from 1 and must not run backwards");
  size_t begin = 0;
  uint32_t current_line = 1;
  while (current_line < line && begin < content.size()) current_line += content[begin++] == '\n' ? 1 : 0;
  if (current_line < line || (begin == content.size() && line > 1)) {
    return Refuse("inputs.span: \"" + *input.path + "\" has no line " + std::to_string(line));
  }
  size_t end = begin;
  while (current_line <= end_line && end < content.size()) current_line += content[end++] == '\n' ? 1 : 0;
  *out = Record({"span", *input.path, line, end_line, content.substr(begin, end - begin)});
  return ASSAY_OK;
}

inline assay_status FakeHost::OnArtifact(assay_str raw_name, assay_str raw_type, assay_bytes content,
                                         assay_evidence* out) {
  RecordedArtifact artifact;
  if (!TakeText("artifact.name", raw_name, artifact.name, 128) ||
      !TakeText("artifact.media_type", raw_type, artifact.media_type, 128)) {
    return ASSAY_E_ARGUMENT;
  }
  if (artifact.name.empty() || out == nullptr) return Refuse("artifact: a name and room for the answer are needed");
  if (content.size > (3u << 20)) return Refuse("artifact " + artifact.name + ": more than 3 MiB", ASSAY_E_LIMIT);
  if (result_.artifacts.size() >= 16) return Refuse("more than 16 artifacts", ASSAY_E_LIMIT);
  if (result_.Artifact(artifact.name) != nullptr) return Refuse("artifact " + artifact.name + ": put twice");
  if (content.size > 0) {
    artifact.content.assign(reinterpret_cast<const char*>(content.data), static_cast<size_t>(content.size));
  }
  *out = Record({"artifact", artifact.name, 0, 0, artifact.content});
  result_.artifacts.push_back(std::move(artifact));
  return ASSAY_OK;
}

inline assay_status FakeHost::OnPriorClaim(uint64_t index, assay_prior_claim* out) {
  if (out == nullptr || !ASSAY_HAS(out, assay_prior_claim, verdict) || index >= prior_claims_.size()) {
    return Refuse("prior.claim_at: index beyond the last claim, or struct_size does not reach `verdict`");
  }
  const PriorClaim& prior = prior_claims_[static_cast<size_t>(index)];
  auto view = [](const std::string& text) { return assay_str{text.data(), text.size()}; };
  out->evaluator = view(prior.evaluator);
  out->id = view(prior.claim.id);
  out->criterion = view(prior.claim.criterion);
  out->statement = view(prior.claim.statement);
  out->path = view(prior.claim.path);
  out->line = prior.claim.line;
  out->verdict = prior.verdict;
  return ASSAY_OK;
}

// ---- processes ----

inline assay_status FakeHost::OnPrepare(uint32_t node_major, assay_workspace* out) {
  if (out == nullptr || !ASSAY_HAS(out, assay_workspace, evidence)) {
    return Refuse("exec.prepare: struct_size does not reach `evidence`");
  }
  if (!platform_.start || !platform_.unavailable.empty()) return ASSAY_E_UNSUPPORTED;
  workspaces_.push_back(
      std::make_unique<FakeWorkspace>(platform_.prepare ? platform_.prepare(node_major) : FakeWorkspace()));
  const FakeWorkspace& made = *workspaces_.back();
  auto view = [](const std::string& text) { return assay_str{text.data(), text.size()}; };
  out->workspace = made.prepared ? workspaces_.size() : 0;
  out->directory = view(made.directory);
  out->node = view(made.node);
  out->node_version = view(made.node_version);
  out->lockfile_present = made.lockfile_present ? 1 : 0;
  out->packages = made.packages;
  out->fault = made.prepared ? 0 : made.fault;
  out->failure = view(made.failure);
  out->wall_ns = 1'000'000;
  out->evidence = Record({"exec", "prepare", 0, 0, made.failure});
  return ASSAY_OK;
}

inline assay_status FakeHost::OnStart(const assay_exec_spec* spec, assay_handle* out) {
  if (spec == nullptr || out == nullptr || !ASSAY_HAS(spec, assay_exec_spec, max_processes)) {
    return Refuse("exec.start: struct_size does not reach `max_processes`");
  }
  if (!platform_.start || !platform_.unavailable.empty()) return ASSAY_E_UNSUPPORTED;
  if (spec->workspace == 0 || spec->workspace > workspaces_.size()) return Refuse("exec.start: no such workspace");
  if (spec->argc == 0 || spec->argv == nullptr) return Refuse("exec.start: argv is empty");
  FakeProcess request;
  for (uint64_t i = 0; i < spec->argc; ++i) request.argv.push_back(Text(spec->argv[i]));
  for (uint64_t i = 0; i < spec->environment_count; ++i) {
    request.environment.push_back(Text(spec->environment[i]));
    if (request.environment.back().find('=') == std::string::npos) {
      return Refuse("exec.start: \"" + request.environment.back() + "\" is not NAME=value");
    }
  }
  request.directory = Text(spec->directory);
  RunningProcess process;
  process.state = platform_.start(request);
  process.state.argv = request.argv;
  process.state.environment = request.environment;
  process.state.directory = request.directory;
  const assay_handle handle = (evaluation_ << 16) + processes_.size() + 1;
  processes_.emplace(handle, std::move(process));
  *out = handle;
  return ASSAY_OK;
}

inline FakeHost::RunningProcess* FakeHost::FindProcess(assay_handle process) {
  const auto found = processes_.find(process);
  if (running_ && found != processes_.end()) return &found->second;
  Violation("a call with a stale process handle");
  return nullptr;
}

inline assay_status FakeHost::OnRead(assay_handle handle, uint32_t stream, void* buffer, uint64_t capacity,
                                     uint64_t timeout, uint64_t* got, uint32_t* end) {
  RunningProcess* process = FindProcess(handle);
  if (process == nullptr) return ASSAY_E_STALE;
  if (stream < 1 || stream > 2 || got == nullptr || end == nullptr || (buffer == nullptr && capacity > 0)) {
    return Refuse("exec.read: stream is 1 or 2, and the answers need room");
  }
  const std::string& text = stream == 1 ? process->state.output : process->state.errors;
  size_t& at = process->read[stream - 1];
  const size_t count = std::min<size_t>(static_cast<size_t>(capacity), text.size() - at);
  if (count > 0) std::memcpy(buffer, text.data() + at, count);
  at += count;
  if (count == 0 && !process->state.ended) now_ += timeout;
  *got = count;
  *end = process->state.ended && at == text.size() ? 1 : 0;
  return ASSAY_OK;
}

inline assay_status FakeHost::OnWait(assay_handle handle, uint64_t timeout, uint32_t for_listening,
                                     assay_exec_result* out) {
  RunningProcess* process = FindProcess(handle);
  if (process == nullptr) return ASSAY_E_STALE;
  if (out == nullptr || !ASSAY_HAS(out, assay_exec_result, evidence)) {
    return Refuse("exec.wait: struct_size does not reach `evidence`");
  }
  FakeProcess& state = process->state;
  if (!state.ended && !(for_listening != 0 && state.port != 0)) now_ += timeout;
  if (state.ended && process->evidence == 0) {
    process->evidence = Record({"exec", state.argv.empty() ? "" : state.argv[0], 0, 0, state.output + state.errors});
  }
  out->ended = state.ended ? 1 : 0;
  out->limit_hit = state.ended ? state.limit_hit : ASSAY_LIMIT_NONE;
  out->exit_code = state.ended ? state.exit_code : 0;
  out->term_signal = state.ended ? state.term_signal : 0;
  out->wall_ns = state.wall_ns;
  out->cpu_ns = state.cpu_ns;
  out->peak_bytes = state.peak_bytes;
  out->port = state.ended ? 0 : state.port;
  out->listener = state.ended ? 0 : state.listener;
  out->evidence = process->evidence;
  return ASSAY_OK;
}

inline assay_status FakeHost::OnSignal(assay_handle handle, int32_t number, uint32_t to_listener) {
  RunningProcess* process = FindProcess(handle);
  if (process == nullptr) return ASSAY_E_STALE;
  if (number < 1 || number > 64) return Refuse("exec.signal: no signal " + std::to_string(number));
  if (process->state.ended) return ASSAY_OK;
  if (process->state.on_signal) {
    const auto on_signal = process->state.on_signal;
    on_signal(process->state, number, to_listener != 0);
  } else {
    process->state.ended = true;
    process->state.term_signal = number;
  }
  return ASSAY_OK;
}

// ---- the tables a plugin sees ----

inline const void* FakeHost::Extension(const char* id) {
  if (id == nullptr) return nullptr;
  {
    std::lock_guard<std::mutex> lock(registry_mutex());
    if (current() != nullptr && current()->withheld_.count(id) > 0) return nullptr;
  }
  using H = FakeHost;
  static const assay_ext_result_v1 result = {
      ASSAY_SIZE_THROUGH(assay_ext_result_v1, finding),
      [](assay_handle e, const assay_observation* o) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnObservation(o); });
      },
      [](assay_handle e, const assay_claim* c) { return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnClaim(c); }); },
      [](assay_handle e, const assay_experiment* x) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnExperiment(x); });
      },
      [](assay_handle e, const assay_finding* f) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnFinding(f); });
      }};
  static const assay_ext_inputs_v1 inputs = {
      ASSAY_SIZE_THROUGH(assay_ext_inputs_v1, span),
      [](assay_handle e) { return With(e, uint64_t{0}, [](H& h) { return uint64_t{h.inputs_.size()}; }); },
      [](assay_handle e, uint64_t i, assay_input* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnInput(i, out); });
      },
      [](assay_handle e, uint64_t i, assay_bytes* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) -> assay_status {
          if (out == nullptr || i >= h.inputs_.size()) return h.Refuse("inputs.bytes: no such input");
          const std::string& content = h.inputs_[static_cast<size_t>(i)].stored->content;
          *out = {reinterpret_cast<const uint8_t*>(content.data()), content.size()};
          return ASSAY_OK;
        });
      },
      [](assay_handle e, uint64_t i, uint32_t line, uint32_t end_line, assay_evidence* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnSpan(i, line, end_line, out); });
      }};
  static const assay_ext_artifacts_v1 artifacts = {
      ASSAY_SIZE_THROUGH(assay_ext_artifacts_v1, put),
      [](assay_handle e, assay_str name, assay_str type, assay_bytes content, assay_evidence* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnArtifact(name, type, content, out); });
      }};
  static const assay_ext_prior_v1 prior = {
      ASSAY_SIZE_THROUGH(assay_ext_prior_v1, artifact),
      [](assay_handle e) { return With(e, uint64_t{0}, [](H& h) { return uint64_t{h.prior_claims_.size()}; }); },
      [](assay_handle e, uint64_t i, assay_prior_claim* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnPriorClaim(i, out); });
      },
      [](assay_handle e, assay_str evaluator, assay_str name, assay_bytes* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) -> assay_status {
          const auto found = h.prior_artifacts_.find({Text(evaluator), Text(name)});
          if (found == h.prior_artifacts_.end()) return ASSAY_E_UNSUPPORTED;
          *out = {reinterpret_cast<const uint8_t*>(found->second.data()), found->second.size()};
          return ASSAY_OK;
        });
      }};
  static const assay_ext_progress_v1 progress = {ASSAY_SIZE_THROUGH(assay_ext_progress_v1, report),
                                                 [](assay_handle e, assay_str phase, uint64_t done, uint64_t total) {
                                                   With(e, 0, [&](H& h) {
                                                     h.result_.progress.push_back({Text(phase), done, total});
                                                     return 0;
                                                   });
                                                 }};
  static const assay_ext_exec_v1 exec = {
      ASSAY_SIZE_THROUGH(assay_ext_exec_v1, signal),
      [](assay_handle e, assay_str* reason) {
        return With(e, ASSAY_E_STALE, [&](H& h) -> assay_status {
          if (h.platform_.start && h.platform_.unavailable.empty()) return ASSAY_OK;
          h.unavailable_ = h.platform_.unavailable.empty() ? "this test offers no processes" : h.platform_.unavailable;
          if (reason != nullptr) *reason = {h.unavailable_.data(), h.unavailable_.size()};
          return ASSAY_E_UNSUPPORTED;
        });
      },
      [](assay_handle e, uint32_t node_major, assay_workspace* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnPrepare(node_major, out); });
      },
      [](assay_handle e, const assay_exec_spec* spec, assay_handle* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) { return h.OnStart(spec, out); });
      },
      [](assay_handle p, uint32_t stream, void* buffer, uint64_t capacity, uint64_t timeout, uint64_t* got,
         uint32_t* end) {
        return WithProcess([&](H& h) { return h.OnRead(p, stream, buffer, capacity, timeout, got, end); });
      },
      [](assay_handle p, uint64_t timeout, uint32_t for_listening, assay_exec_result* out) {
        return WithProcess([&](H& h) { return h.OnWait(p, timeout, for_listening, out); });
      },
      [](assay_handle p, int32_t number, uint32_t to_listener) {
        return WithProcess([&](H& h) { return h.OnSignal(p, number, to_listener); });
      }};
  static const assay_ext_loadgen_v1 loadgen = {
      ASSAY_SIZE_THROUGH(assay_ext_loadgen_v1, run),
      [](assay_handle e, assay_handle p, assay_bytes plan, assay_bytes* result, assay_evidence* out) {
        return With(e, ASSAY_E_STALE, [&](H& h) -> assay_status {
          if (!h.platform_.load) return ASSAY_E_UNSUPPORTED;
          RunningProcess* process = h.FindProcess(p);
          if (process == nullptr) return ASSAY_E_STALE;
          if (result == nullptr || out == nullptr) return h.Refuse("loadgen.run: the answers need room");
          const std::string_view text(reinterpret_cast<const char*>(plan.data), static_cast<size_t>(plan.size));
          FakeLoadAnswer answer = h.platform_.load(text, process->state);
          if (answer.status != ASSAY_OK) return answer.status;
          h.load_result_ = std::move(answer.result_json);
          *result = {reinterpret_cast<const uint8_t*>(h.load_result_.data()), h.load_result_.size()};
          *out = h.Record({"loadgen", std::string(text), 0, 0, h.load_result_});
          return ASSAY_OK;
        });
      }};
  const std::pair<const char*, const void*> offered[] = {{ASSAY_EXT_RESULT, &result},       {ASSAY_EXT_INPUTS, &inputs},
                                                         {ASSAY_EXT_ARTIFACTS, &artifacts}, {ASSAY_EXT_PRIOR, &prior},
                                                         {ASSAY_EXT_PROGRESS, &progress},   {ASSAY_EXT_EXEC, &exec},
                                                         {ASSAY_EXT_LOADGEN, &loadgen}};
  for (const auto& [name, table] : offered) {
    if (std::strcmp(name, id) == 0) return table;
  }
  return nullptr;
}

inline const assay_host_v1& FakeHost::HostTable() {
  static const assay_host_v1 table = {ASSAY_SIZE_THROUGH(assay_host_v1, set_error),
                                      &FakeHost::Extension,
                                      [](assay_handle e) -> int32_t {
                                        return With(e, int32_t{ASSAY_GONE}, [](FakeHost& h) -> int32_t {
                                          ++h.stop_calls_;
                                          if (h.cancel_after_ != 0 && h.stop_calls_ >= h.cancel_after_)
                                            return ASSAY_CANCELLED;
                                          return h.now_ >= h.deadline_ ? ASSAY_DEADLINE : ASSAY_RUN;
                                        });
                                      },
                                      []() -> uint64_t {
                                        std::lock_guard<std::mutex> lock(registry_mutex());
                                        return current() == nullptr ? 0 : current()->now_;
                                      },
                                      [](assay_handle, uint32_t level, const char* text, uint64_t size) {
                                        std::lock_guard<std::mutex> lock(registry_mutex());
                                        FakeHost* host = current();
                                        if (host == nullptr) return;
                                        if (level > ASSAY_LOG_ERROR)
                                          host->Violation("log: level " + std::to_string(level));
                                        host->result_.log.emplace_back(text, static_cast<size_t>(size));
                                      },
                                      [](assay_handle, assay_status code, const char* text, uint64_t size) {
                                        std::lock_guard<std::mutex> lock(registry_mutex());
                                        FakeHost* host = current();
                                        if (host == nullptr) return;
                                        if (code >= 0) host->Violation("set_error: the code must be negative");
                                        host->result_.message.assign(text, static_cast<size_t>(size));
                                      }};
  return table;
}

// ---- running ----

inline bool FakeHost::Create(std::string_view evaluator_id, RunResult& result) {
  if (plugin_ == nullptr) {
    assay_negotiate_in in{};
    in.struct_size = ASSAY_SIZE_THROUGH(assay_negotiate_in, host_version);
    in.magic = ASSAY_MAGIC;
    in.major_min = in.major_max = ASSAY_ABI_MAJOR;
    in.minor = ASSAY_ABI_MINOR;
    in.host_name = {"fake", 4};
    in.host_version = {"1", 1};
    assay_negotiate_out out{};
    out.struct_size = ASSAY_SIZE_THROUGH(assay_negotiate_out, plugin);
    result.status = negotiate_(&in, &out);
    if (result.status != ASSAY_OK) return false;
    plugin_ = out.plugin;
  }
  if (instance_ != nullptr && instance_id_ == evaluator_id) return true;
  DestroyInstance();
  instance_id_ = std::string(evaluator_id);
  assay_create_args args{};
  args.struct_size = ASSAY_SIZE_THROUGH(assay_create_args, config_json);
  args.host = &HostTable();
  args.instance = 1;
  args.evaluator_id = {instance_id_.data(), instance_id_.size()};
  args.config_json = {reinterpret_cast<const uint8_t*>(config_.data()), config_.size()};
  result.status = plugin_->create(&args, &instance_);
  if (result.status == ASSAY_OK && instance_ == nullptr) Violation("create: ASSAY_OK without an instance");
  return result.status == ASSAY_OK && instance_ != nullptr;
}

inline RunResult FakeHost::Run(std::string_view evaluator_id) {
  {
    std::lock_guard<std::mutex> lock(registry_mutex());
    current() = this;
  }
  result_ = {};
  evidence_.clear();
  processes_.clear();
  workspaces_.clear();
  stop_calls_ = 0;
  ListInputs();
  if (!Create(evaluator_id, result_)) return result_;
  evaluation_ = (uint64_t{++generation_} << 32) | 2;
  deadline_ = now_ + deadline_after_;
  assay_evaluate_args args{};
  args.struct_size = ASSAY_SIZE_THROUGH(assay_evaluate_args, parameters_json);
  args.evaluation = evaluation_;
  args.evaluation_id = {"evaluation", 10};
  args.attempt = 1;
  args.deadline_ns = deadline_;
  args.seed = seed_;
  args.parameters_json = {reinterpret_cast<const uint8_t*>(parameters_.data()), parameters_.size()};
  running_ = true;
  const assay_status status = plugin_->evaluate(instance_, &args);
  std::lock_guard<std::mutex> lock(registry_mutex());
  running_ = false;
  result_.status = status;
  if (status == ASSAY_OK) {
    result_.message.clear();
    return result_;
  }
  if (status > 0) Violation("evaluate: a positive status");
  RunResult failed;
  failed.status = status;
  failed.message = result_.message;
  failed.log = result_.log;
  failed.progress = result_.progress;
  return failed;
}

}  // namespace assay::sdk
