// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/host/host_side.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "services/archive/entry_path.h"
#include "services/plugin_host/limits.h"

namespace assay::plugin_host {
namespace {

constexpr size_t kBreadcrumbBytes = 64;
// Evidence numbers up to this are whole inputs; above it they are calls.
constexpr uint64_t kFirstCallEvidence = 1ull << 32;

// Text as protobuf wants it: valid UTF-8, at most `max_bytes`.
std::string Text(assay_str raw, size_t max_bytes = kMaxTextBytes) {
  if (raw.data == nullptr) return "";
  std::string text(raw.data, std::min<uint64_t>(raw.size, max_bytes));
  if (archive::IsUtf8(text)) return text;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

assay_str View(const std::string& text) { return {text.data(), text.size()}; }

// Bytes of the lines [line, end_line]; false: there is no such line.
bool HasLines(absl::string_view content, uint32_t line, uint32_t end_line) {
  if (line == 0 || end_line < line) return false;
  uint64_t at = 1;
  size_t position = 0;
  while (at < line) {
    position = content.find('\n', position);
    if (position == absl::string_view::npos) return false;
    ++position;
    ++at;
  }
  return position < content.size() || line == 1;
}

uint64_t CpuNanoseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

uint64_t PeakBytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

uint64_t MonotonicNanoseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

void HostSide::Mark(const char* call) {
  if (breadcrumb_ == nullptr) return;
  std::strncpy(breadcrumb_, call, kBreadcrumbBytes - 1);
}

assay_handle HostSide::Begin(EvaluationInputs inputs) {
  absl::MutexLock lock(&mutex_);
  inputs_ = std::move(inputs);
  prior_claims_.clear();
  for (const plugin::v1::PriorResult& prior : inputs_.body.prior()) {
    for (const v1::Claim& claim : prior.claims()) prior_claims_.emplace_back(&prior, &claim);
  }
  evidence_.clear();
  objects_.clear();
  next_object_ = kFirstObject;
  kept_.clear();
  counts_.Clear();
  counts_.set_cpu_nanoseconds(CpuNanoseconds());
  artifacts_ = spans_ = logged_ = 0;
  error_.clear();
  refusal_.clear();
  running_ = true;
  return (uint64_t{++generation_} << 32) | kEvaluationSlot;
}

void HostSide::End(assay_status status, plugin::v1::Done& done) {
  absl::MutexLock lock(&mutex_);
  running_ = false;
  done = counts_;
  done.set_status(status);
  if (status != ASSAY_OK) done.set_message(error_.empty() ? refusal_ : error_);
  if (status != ASSAY_OK && !error_.empty() && !refusal_.empty() && error_ != refusal_) {
    done.set_message(absl::StrCat(error_, " (", refusal_, ")"));
  }
  done.set_cpu_nanoseconds(CpuNanoseconds() - counts_.cpu_nanoseconds());
  done.set_peak_bytes(PeakBytes());
}

std::string HostSide::TakeError() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(error_, "");
}

assay_status HostSide::Refuse(assay_status code, std::string why) {
  refusal_ = std::move(why);
  return code;
}

int32_t HostSide::ShouldStop(assay_handle handle) {
  absl::MutexLock lock(&mutex_);
  if (!Alive(handle)) return ASSAY_GONE;
  if (connection_.cancelled()) return ASSAY_CANCELLED;
  return MonotonicNanoseconds() >= inputs_.body.deadline_nanoseconds() ? ASSAY_DEADLINE : ASSAY_RUN;
}

void HostSide::Log(assay_handle, uint32_t level, const char* text, uint64_t size) {
  {
    absl::MutexLock lock(&mutex_);
    if (++logged_ > kMaxLogLines) return;
  }
  plugin::v1::Frame frame;
  frame.mutable_log()->set_level(level);
  frame.mutable_log()->set_text(Text({text, size}, kMaxLogBytes));
  SendResult(frame);
}

void HostSide::SetError(assay_status, const char* text, uint64_t size) {
  absl::MutexLock lock(&mutex_);
  error_ = Text({text, size});
}

// ---- results ----

bool HostSide::EvidenceText(assay_evidence evidence, std::string& out) {
  if (evidence >= kFirstCallEvidence) {
    if (evidence_.count(evidence - kFirstCallEvidence) == 0) return false;
    out = absl::StrCat("c:", evidence - kFirstCallEvidence);
    return true;
  }
  if (evidence == 0 || evidence > inputs_.inputs.size()) return false;
  out = absl::StrCat("i:", evidence - 1);
  return true;
}

template <typename Field>
assay_status HostSide::EvidenceList(const assay_evidence* raw, uint64_t count, Field* out) {
  if (count > kMaxEvidencePerResult || (count > 0 && raw == nullptr)) {
    return Refuse(ASSAY_E_ARGUMENT, absl::StrCat(count, " pieces of evidence; at most ", kMaxEvidencePerResult));
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (!EvidenceText(raw[i], *out->Add())) {
      return Refuse(ASSAY_E_ARGUMENT, absl::StrCat("evidence ", raw[i], " was not recorded in this evaluation"));
    }
  }
  return ASSAY_OK;
}

assay_status HostSide::Observation(assay_handle handle, const assay_observation* raw) {
  Mark("result.observation");
  plugin::v1::Frame frame;
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (raw == nullptr || !ASSAY_HAS(raw, assay_observation, rationale)) {
      return Refuse(ASSAY_E_ARGUMENT, "observation: struct_size does not reach `rationale`");
    }
    if (counts_.observations() >= kMaxObservations) {
      return Refuse(ASSAY_E_LIMIT, absl::StrCat("more than ", kMaxObservations, " observations"));
    }
    v1::Observation& out = *frame.mutable_observation();
    out.set_criterion(Text(raw->criterion));
    out.set_state(static_cast<v1::Observation::State>(raw->state));
    out.set_method(static_cast<v1::Observation::Method>(raw->method));
    out.set_authorship(static_cast<v1::Authorship>(raw->authorship));
    out.set_unscored(raw->unscored != 0);
    out.set_value(raw->value);
    out.set_standard_error(raw->standard_error);
    out.set_rationale(Text(raw->rationale));
    const assay_status status = EvidenceList(raw->evidence, raw->evidence_count, out.mutable_evidence());
    if (status != ASSAY_OK) return status;
    counts_.set_observations(counts_.observations() + 1);
  }
  SendResult(frame);
  return ASSAY_OK;
}

assay_status HostSide::Claim(assay_handle handle, const assay_claim* raw) {
  Mark("result.claim");
  plugin::v1::Frame frame;
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (raw == nullptr || !ASSAY_HAS(raw, assay_claim, evidence)) {
      return Refuse(ASSAY_E_ARGUMENT, "claim: struct_size does not reach `evidence`");
    }
    if (counts_.claims() >= kMaxClaims) return Refuse(ASSAY_E_LIMIT, absl::StrCat("more than ", kMaxClaims, " claims"));
    v1::Claim& out = *frame.mutable_claim();
    out.set_id(Text(raw->id));
    out.set_criterion(Text(raw->criterion));
    out.set_statement(Text(raw->statement));
    out.set_file(Text(raw->path));
    out.set_line(raw->line);
    if (raw->evidence != 0 && !EvidenceText(raw->evidence, *out.add_evidence())) {
      return Refuse(ASSAY_E_ARGUMENT, "claim: its evidence was not recorded in this evaluation");
    }
    counts_.set_claims(counts_.claims() + 1);
  }
  SendResult(frame);
  return ASSAY_OK;
}

assay_status HostSide::Experiment(assay_handle handle, const assay_experiment* raw) {
  Mark("result.experiment");
  plugin::v1::Frame frame;
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (raw == nullptr || !ASSAY_HAS(raw, assay_experiment, reason)) {
      return Refuse(ASSAY_E_ARGUMENT, "experiment: struct_size does not reach `reason`");
    }
    if (counts_.experiments() >= kMaxClaims) {
      return Refuse(ASSAY_E_LIMIT, absl::StrCat("more than ", kMaxClaims, " experiments"));
    }
    plugin::v1::Experiment& out = *frame.mutable_experiment();
    out.set_claim(Text(raw->claim));
    out.set_verdict(static_cast<v1::Claim::Verdict>(raw->verdict));
    out.set_reason(Text(raw->reason));
    const assay_status status = EvidenceList(raw->evidence, raw->evidence_count, out.mutable_evidence());
    if (status != ASSAY_OK) return status;
    counts_.set_experiments(counts_.experiments() + 1);
  }
  SendResult(frame);
  return ASSAY_OK;
}

assay_status HostSide::Finding(assay_handle handle, const assay_finding* raw) {
  Mark("result.finding");
  plugin::v1::Frame frame;
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (raw == nullptr || !ASSAY_HAS(raw, assay_finding, evidence)) {
      return Refuse(ASSAY_E_ARGUMENT, "finding: struct_size does not reach `evidence`");
    }
    if (counts_.findings() >= kMaxFindings) {
      return Refuse(ASSAY_E_LIMIT, absl::StrCat("more than ", kMaxFindings, " findings"));
    }
    v1::Finding& out = *frame.mutable_finding();
    out.set_check(Text(raw->check));
    out.set_criterion(Text(raw->criterion));
    out.set_message(Text(raw->message));
    out.set_file(Text(raw->path));
    out.set_help(Text(raw->help));
    out.set_question(Text(raw->question));
    out.set_good_answer(Text(raw->good_answer));
    out.set_severity(static_cast<v1::Finding::Severity>(raw->severity));
    out.set_line(raw->line);
    out.set_column(raw->column);
    out.set_end_line(raw->end_line);
    out.set_end_column(raw->end_column);
    out.set_authorship(static_cast<v1::Authorship>(raw->authorship));
    if (raw->evidence != 0 && !EvidenceText(raw->evidence, *out.mutable_evidence())) {
      return Refuse(ASSAY_E_ARGUMENT, "finding: its evidence was not recorded in this evaluation");
    }
    counts_.set_findings(counts_.findings() + 1);
  }
  SendResult(frame);
  return ASSAY_OK;
}

// ---- inputs ----

uint64_t HostSide::InputCount(assay_handle handle) {
  absl::MutexLock lock(&mutex_);
  return Alive(handle) ? inputs_.inputs.size() : 0;
}

assay_status HostSide::GetInput(assay_handle handle, uint64_t index, assay_input* out) {
  Mark("inputs.get");
  absl::MutexLock lock(&mutex_);
  if (!Alive(handle)) return ASSAY_E_STALE;
  if (out == nullptr || !ASSAY_HAS(out, assay_input, evidence) || index >= inputs_.inputs.size()) {
    return Refuse(ASSAY_E_ARGUMENT, "inputs.get: no such input, or struct_size does not reach `evidence`");
  }
  const EvaluationInputs::Input& input = inputs_.inputs[index];
  out->path = View(input.path);
  out->media_type = View(input.media_type);
  out->size = input.content.size();
  std::memcpy(out->sha256, input.sha256.bytes().data(), Digest::kSize);
  out->role = input.role;
  out->authorship = input.authorship;
  out->mode = input.mode;
  out->reserved0 = 0;
  out->evidence = index + 1;
  return ASSAY_OK;
}

assay_status HostSide::GetBytes(assay_handle handle, uint64_t index, assay_bytes* out) {
  Mark("inputs.bytes");
  absl::MutexLock lock(&mutex_);
  if (!Alive(handle)) return ASSAY_E_STALE;
  if (out == nullptr || index >= inputs_.inputs.size()) return Refuse(ASSAY_E_ARGUMENT, "inputs.bytes: no such input");
  const absl::string_view content = inputs_.inputs[index].content;
  *out = {reinterpret_cast<const uint8_t*>(content.data()), content.size()};
  return ASSAY_OK;
}

assay_status HostSide::Span(assay_handle handle, uint64_t index, uint32_t line, uint32_t end_line,
                            assay_evidence* out) {
  Mark("inputs.span");
  plugin::v1::Frame frame;
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (out == nullptr || index >= inputs_.inputs.size()) return Refuse(ASSAY_E_ARGUMENT, "inputs.span: no such input");
    const EvaluationInputs::Input& input = inputs_.inputs[index];
    if (!HasLines(input.content, line, end_line)) {
      return Refuse(ASSAY_E_ARGUMENT,
                    absl::StrCat("inputs.span: no lines ", line, " to ", end_line, " in ", input.path));
    }
    if (++spans_ > kMaxSpans) return Refuse(ASSAY_E_LIMIT, absl::StrCat("more than ", kMaxSpans, " spans"));
    frame.set_request_id(connection_.NextRequest());
    frame.mutable_call()->mutable_span()->set_path(absl::StrCat("i:", index));
    frame.mutable_call()->mutable_span()->set_line(line);
    frame.mutable_call()->mutable_span()->set_end_line(end_line);
    evidence_[frame.request_id()] = true;
    *out = kFirstCallEvidence + frame.request_id();
  }
  SendResult(frame);
  return ASSAY_OK;
}

// ---- artifacts, prior results, progress ----

assay_status HostSide::PutArtifact(assay_handle handle, assay_str name, assay_str type, assay_bytes content,
                                   assay_evidence* out) {
  Mark("artifacts.put");
  plugin::v1::Frame frame;
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return ASSAY_E_STALE;
    if (out == nullptr || name.size == 0 || name.size > kMaxNameBytes ||
        (content.size > 0 && content.data == nullptr)) {
      return Refuse(ASSAY_E_ARGUMENT, absl::StrCat("artifact: a name of 1 to ", kMaxNameBytes, " bytes is needed"));
    }
    if (content.size > kMaxArtifactBytes) return Refuse(ASSAY_E_LIMIT, "artifact: more than 3 MiB");
    if (++artifacts_ > kMaxArtifacts)
      return Refuse(ASSAY_E_LIMIT, absl::StrCat("more than ", kMaxArtifacts, " artifacts"));
    plugin::v1::ArtifactCall& call = *frame.mutable_call()->mutable_artifact();
    call.set_name(Text(name));
    call.set_media_type(Text(type, kMaxNameBytes));
    call.set_content(std::string(reinterpret_cast<const char*>(content.data), content.size));
  }
  return CallStatus(Call(frame, out));
}

uint64_t HostSide::PriorClaimCount(assay_handle handle) {
  absl::MutexLock lock(&mutex_);
  return Alive(handle) ? prior_claims_.size() : 0;
}

assay_status HostSide::PriorClaim(assay_handle handle, uint64_t index, assay_prior_claim* out) {
  Mark("prior.claim_at");
  absl::MutexLock lock(&mutex_);
  if (!Alive(handle)) return ASSAY_E_STALE;
  if (out == nullptr || !ASSAY_HAS(out, assay_prior_claim, verdict) || index >= prior_claims_.size()) {
    return Refuse(ASSAY_E_ARGUMENT, "prior.claim_at: no such claim, or struct_size does not reach `verdict`");
  }
  const auto& [prior, claim] = prior_claims_[index];
  out->evaluator = View(prior->evaluator());
  out->id = View(claim->id());
  out->criterion = View(claim->criterion());
  out->statement = View(claim->statement());
  out->path = View(claim->file());
  out->line = claim->line();
  out->verdict = static_cast<uint32_t>(claim->verdict());
  return ASSAY_OK;
}

assay_status HostSide::PriorArtifact(assay_handle handle, assay_str evaluator, assay_str name, assay_bytes* out) {
  Mark("prior.artifact");
  absl::MutexLock lock(&mutex_);
  if (!Alive(handle)) return ASSAY_E_STALE;
  if (out == nullptr) return Refuse(ASSAY_E_ARGUMENT, "prior.artifact: no room for the answer");
  for (const plugin::v1::PriorResult& prior : inputs_.body.prior()) {
    if (prior.evaluator() != Text(evaluator)) continue;
    for (const plugin::v1::PriorArtifact& artifact : prior.artifacts()) {
      if (artifact.name() != Text(name)) continue;
      *out = {reinterpret_cast<const uint8_t*>(artifact.content().data()), artifact.content().size()};
      return ASSAY_OK;
    }
  }
  return Refuse(ASSAY_E_UNSUPPORTED, absl::StrCat("no artifact ", Text(name), " of ", Text(evaluator)));
}

void HostSide::Progress(assay_handle handle, assay_str phase, uint64_t done, uint64_t total) {
  {
    absl::MutexLock lock(&mutex_);
    if (!Alive(handle)) return;
  }
  plugin::v1::Frame frame;
  frame.mutable_progress()->set_phase(Text(phase, kMaxNameBytes));
  frame.mutable_progress()->set_done(done);
  frame.mutable_progress()->set_total(total);
  connection_.Send(frame);
}

const std::string& HostSide::Keep(std::string text) {
  kept_.push_back(std::make_unique<std::string>(std::move(text)));
  return *kept_.back();
}

plugin::v1::Reply HostSide::Call(plugin::v1::Frame& frame, assay_evidence* evidence) {
  frame.set_request_id(connection_.NextRequest());
  plugin::v1::Reply reply = connection_.Call(frame);
  if (!reply.evidence().empty()) {
    absl::MutexLock lock(&mutex_);
    evidence_[frame.request_id()] = true;
    if (evidence != nullptr) *evidence = kFirstCallEvidence + frame.request_id();
  }
  return reply;
}

assay_status HostSide::CallStatus(const plugin::v1::Reply& reply) {
  if (reply.status() == ASSAY_OK) return ASSAY_OK;
  absl::MutexLock lock(&mutex_);
  return Refuse(reply.status(), reply.message());
}

uint64_t HostSide::Object(assay_handle handle) {
  absl::MutexLock lock(&mutex_);
  if (!running_ || handle >> 32 != generation_) return 0;
  const auto found = objects_.find(static_cast<uint32_t>(handle));
  return found == objects_.end() ? 0 : found->second;
}

assay_handle HostSide::NewObject(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  objects_[next_object_] = number;
  return (uint64_t{generation_} << 32) | next_object_++;
}

}  // namespace assay::plugin_host
