// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/evaluation_runner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "assay/plugin.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/plugin_host/limits.h"

namespace assay::plugin_host {
namespace {

using Finished = event::v1::EvaluationFinished;

constexpr absl::Duration kEndPatience = absl::Milliseconds(500);

SteadyClock::time_point After(absl::Duration duration) {
  return SteadyClock::now() + absl::ToChronoNanoseconds(std::min(duration, absl::Hours(1000)));
}

// What a DONE, or an ended process, means.
struct Verdict {
  Finished::Outcome outcome;
  std::string reason;
};

Verdict FromEnd(const HostEnd& end) {
  switch (end.kind) {
    case HostEnd::Kind::kPlatform:
      return {Finished::PLATFORM_FAULT, end.reason};
    case HostEnd::Kind::kCrashed:
      return {Finished::PLUGIN_CRASHED, end.reason};
    case HostEnd::Kind::kHung:
      return {Finished::PLUGIN_HUNG, end.reason};
    case HostEnd::Kind::kProtocol:
      return {Finished::PLUGIN_PROTOCOL_FAULT, end.reason};
    case HostEnd::Kind::kOutOfMemory:
      return {Finished::PLUGIN_OUT_OF_MEMORY, end.reason};
  }
  return {Finished::PLATFORM_FAULT, end.reason};
}

absl::StatusOr<UniqueFd> SealedMessage(const google::protobuf::Message& message) {
  const std::string bytes = message.SerializeAsString();
  UniqueFd fd(::memfd_create("assay-evaluate", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.is_open()) return ErrnoStatus(errno, "memfd_create");
  size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t written = ::pwrite(fd.get(), bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return ErrnoStatus(errno, "writing an evaluation's memory file");
    at += static_cast<size_t>(written);
  }
  ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return fd;
}

std::vector<EvaluationInput> Inputs(const EvaluationRequest& request) {
  std::vector<EvaluationInput> inputs;
  if (request.pack != nullptr) {
    for (const archive::PackEntry& entry : request.pack->entries()) {
      const archive::PackEntry* given = request.base == nullptr ? nullptr : request.base->Find(entry.path);
      inputs.push_back({entry.path, request.pack->Content(entry), entry.sha256, false,
                        CompareWithBase(entry, request.base),
                        given == nullptr ? absl::string_view() : request.base->Content(*given)});
    }
  }
  for (const Document& document : request.documents) {
    inputs.push_back({document.name, document.content, Digest::Of(document.content), true, v1::CANDIDATE, {}});
  }
  return inputs;
}

std::vector<v1::Claim> PriorClaims(const EvaluationRequest& request) {
  std::vector<v1::Claim> claims;
  for (const PriorResult& prior : request.prior) claims.insert(claims.end(), prior.claims.begin(), prior.claims.end());
  return claims;
}

plugin::v1::Evaluate Message(const EvaluationRequest& request, const std::vector<EvaluationInput>& inputs,
                             SteadyClock::time_point deadline) {
  plugin::v1::Evaluate message;
  message.set_evaluation_id(request.evaluation_id);
  message.set_attempt(request.attempt);
  message.set_seed(request.seed);
  message.set_parameters_json(request.parameters_json);
  // The steady clock is the machine's monotonic clock, which the plugin reads too.
  message.set_deadline_nanoseconds(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count()));
  message.set_has_pack(request.pack != nullptr);
  for (const EvaluationInput& input : inputs) {
    if (!input.is_document) message.mutable_authorship()->push_back(static_cast<char>(input.authorship));
  }
  for (const Document& document : request.documents) {
    plugin::v1::PlatformInput& out = *message.add_documents();
    out.set_name(document.name);
    out.set_media_type(document.media_type);
    out.set_content(document.content);
    out.set_sha256(std::string(Digest::Of(document.content).bytes()));
  }
  for (const PriorResult& prior : request.prior) {
    plugin::v1::PriorResult& out = *message.add_prior();
    out.set_evaluator(prior.evaluator);
    for (const v1::Claim& claim : prior.claims) *out.add_claims() = claim;
    for (const Artifact& artifact : prior.artifacts) {
      plugin::v1::PriorArtifact& kept = *out.add_artifacts();
      kept.set_name(artifact.name);
      kept.set_media_type(artifact.media_type);
      kept.set_content(artifact.content);
    }
  }
  return message;
}

// Carries out one call at a time on a thread of its own, so that supervision never waits for the platform.
class CallThread {
 public:
  explicit CallThread(PlatformCalls& calls)
      : calls_(calls), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { Loop(); }) {}
  ~CallThread() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    calls_.Stop();
    thread_.join();
  }

  // False: one is being carried out already.
  bool Begin(uint64_t request, plugin::v1::Call call) {
    absl::MutexLock lock(&mutex_);
    if (pending_.has_value() || busy_) return false;
    pending_.emplace(request, std::move(call));
    return true;
  }
  // Whether its descriptor is worth waiting for.
  bool busy() {
    absl::MutexLock lock(&mutex_);
    return pending_.has_value() || busy_ || done_.has_value();
  }
  // Readable when Take has something.
  int fd() const { return event_.get(); }
  std::optional<std::pair<uint64_t, CallOutcome>> Take() {
    uint64_t count = 0;
    if (::read(event_.get(), &count, sizeof count) < 0 && errno != EAGAIN) return std::nullopt;
    absl::MutexLock lock(&mutex_);
    return std::exchange(done_, std::nullopt);
  }

 private:
  void Loop() {
    for (;;) {
      std::pair<uint64_t, plugin::v1::Call> next;
      {
        absl::MutexLock lock(&mutex_);
        const auto has_work = [this]()
                                  ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || pending_.has_value(); };
        mutex_.Await(absl::Condition(&has_work));
        if (stopping_) return;
        next = *std::exchange(pending_, std::nullopt);
        busy_ = true;
      }
      CallOutcome outcome = calls_.Execute(next.second);
      {
        absl::MutexLock lock(&mutex_);
        busy_ = false;
        done_.emplace(next.first, std::move(outcome));
      }
      const uint64_t one = 1;
      if (::write(event_.get(), &one, sizeof one) < 0) return;
    }
  }

  PlatformCalls& calls_;
  const UniqueFd event_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<std::pair<uint64_t, plugin::v1::Call>> pending_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::pair<uint64_t, CallOutcome>> done_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // last: it uses everything above
};

// Supervises one evaluation in one process, from Evaluate to its end. All of it runs on the caller's thread.
class Attempt {
 public:
  Attempt(const EvaluationRequest& request, PlatformCalls& calls, const ProgressCallback& progress,
          const Cancellation& cancellation, const RunnerOptions& options, HostProcess& host)
      : request_(request),
        progress_(progress),
        cancellation_(cancellation),
        options_(options),
        host_(host),
        inputs_(Inputs(request)),
        prior_claims_(PriorClaims(request)),
        evidence_(inputs_, request.document_evidence, request.base != nullptr),
        collector_(*request.package->Find(request.evaluator), inputs_, prior_claims_, evidence_),
        calls_(calls),
        deadline_(After(request.time_limit)),
        silence_(After(options.silence)) {}

  // Returns how it ended; `clean`: the process may serve again.
  Verdict Run(EvaluationResult& result, bool& clean) {
    clean = false;
    if (const absl::Status sent = SendEvaluate(); !sent.ok()) return Ended();
    for (;;) {
      if (std::optional<Verdict> verdict = Escalate()) return *verdict;
      auto frame = host_.Next(NextTimer(), Wake());
      if (!frame.ok()) {
        return absl::IsInvalidArgument(frame.status()) ? Fault(std::string(frame.status().message())) : Ended();
      }
      if (auto outcome = calls_.Take()) {
        if (absl::Status sent = Answer(outcome->first, std::move(outcome->second)); !sent.ok())
          return Fault(std::string(sent.message()));
      }
      if (!frame->has_value()) continue;
      if ((*frame)->has_done()) return Judge((*frame)->done(), result, clean);
      if (const absl::Status taken = Take(**std::move(frame)); !taken.ok()) return Fault(std::string(taken.message()));
    }
  }

  std::vector<std::string> TakeLog() { return std::move(log_); }
  // As the plugin's own process counted them; what the launcher measures comes at the process's end only.
  absl::Duration cpu() const { return cpu_; }
  uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  enum class Step { kNone, kCancelled, kAborted, kKilled };

  absl::Status SendEvaluate() {
    ASSAY_ASSIGN_OR_RETURN(const UniqueFd body, SealedMessage(Message(request_, inputs_, deadline_)));
    plugin::v1::Frame frame;
    frame.set_request_id(1);
    frame.mutable_evaluate()->set_in_memory_file(true);
    std::vector<int> descriptors = {body.get()};
    if (request_.pack != nullptr) descriptors.push_back(request_.pack->fd());
    return host_.Send(frame, descriptors);
  }

  // What wakes supervision besides frames: a finished call, or a cancellation that is not yet acted upon.
  int Wake() { return step_ == Step::kNone && !calls_.busy() ? cancellation_.fd() : calls_.fd(); }

  SteadyClock::time_point NextTimer() const {
    SteadyClock::time_point next = step_ == Step::kNone ? std::min(deadline_, silence_) : step_until_;
    // A call keeps the wake descriptor; a cancellation is then seen by looking.
    return std::min(next, After(absl::Milliseconds(100)));
  }

  // Cancel, then SIGABRT for a stack, then the kill; nothing a plugin does moves these times.
  std::optional<Verdict> Escalate() {
    const auto now = SteadyClock::now();
    if (step_ == Step::kNone) {
      if (cancellation_.cancelled()) {
        return Stop({Finished::CANCELLED, "cancelled as asked"});
      }
      if (now >= deadline_) {
        return Stop({Finished::PLUGIN_HUNG, absl::StrCat("no result within ", absl::FormatDuration(request_.time_limit),
                                                         " (last call: ", host_.breadcrumb(), ")")});
      }
      if (now >= silence_) return Stop({Finished::PLUGIN_HUNG, "the plugin's process stopped answering"});
      return std::nullopt;
    }
    if (now < step_until_) return std::nullopt;
    if (step_ == Step::kCancelled) {
      host_.Signal(SIGABRT);
      step_ = Step::kAborted;
      step_until_ = After(options_.grace);
      return std::nullopt;
    }
    host_.Kill();
    host_.Explain(kEndPatience);
    return why_;
  }

  std::optional<Verdict> Stop(Verdict why) {
    why_ = std::move(why);
    step_ = Step::kCancelled;
    step_until_ = After(options_.grace);
    plugin::v1::Frame frame;
    frame.mutable_cancel();
    if (host_.Send(frame).ok()) return std::nullopt;
    host_.Explain(absl::ZeroDuration());
    return why_;
  }

  Verdict Fault(std::string reason) {
    host_.Kill();
    host_.Explain(kEndPatience);
    if (step_ != Step::kNone) return why_;
    return {Finished::PLUGIN_PROTOCOL_FAULT, std::move(reason)};
  }

  Verdict Ended() {
    const HostEnd end = host_.Explain(kEndPatience);
    return step_ != Step::kNone ? why_ : FromEnd(end);
  }

  absl::Status Take(plugin::v1::Frame frame) {
    using Body = plugin::v1::Frame;
    switch (frame.body_case()) {
      case Body::kHeartbeat:
        silence_ = After(options_.silence);
        if (progress_) progress_(last_progress_);
        return absl::OkStatus();
      case Body::kLog:
        if (log_.size() < kMaxLogLines) log_.push_back(frame.log().text().substr(0, kMaxLogBytes));
        return absl::OkStatus();
      case Body::kProgress:
        last_progress_ = std::move(*frame.mutable_progress());
        if (progress_) progress_(last_progress_);
        return absl::OkStatus();
      case Body::kCall:
        return BeginCall(frame.request_id(), std::move(*frame.mutable_call()));
      case Body::kHello:
      case Body::kReady:
        return absl::InvalidArgumentError("a frame that has no place in an evaluation");
      default:
        return collector_.Take(std::move(frame));
    }
  }

  absl::Status BeginCall(uint64_t request, plugin::v1::Call call) {
    if (call.has_span()) {
      if (++spans_ > kMaxSpans) return absl::ResourceExhaustedError("too many spans");
      return evidence_.AddSpan(request, call.span());
    }
    if (call.has_artifact()) return TakeArtifact(request, call.artifact());
    if (call.request_case() == plugin::v1::Call::REQUEST_NOT_SET)
      return absl::InvalidArgumentError("a call without a request");
    if (calls_.Begin(request, std::move(call))) return absl::OkStatus();
    return absl::InvalidArgumentError("a call while another one is being carried out");
  }

  absl::Status TakeArtifact(uint64_t request, const plugin::v1::ArtifactCall& call) {
    plugin::v1::Frame frame;
    frame.set_request_id(request);
    plugin::v1::Reply& reply = *frame.mutable_reply();
    const absl::Status taken = collector_.TakeArtifact(call, Digest::Of(call.content()).ToString());
    if (taken.ok()) {
      ASSAY_ASSIGN_OR_RETURN(
          *reply.mutable_evidence(),
          evidence_.Add(request, {v1::Evidence::ARTIFACT, call.media_type(), call.name(), call.content()}, "artifact"));
    } else {
      reply.set_status(absl::IsResourceExhausted(taken) ? ASSAY_E_LIMIT : ASSAY_E_ARGUMENT);
      reply.set_message(std::string(taken.message()));
    }
    return host_.Send(frame);
  }

  absl::Status Answer(uint64_t request, CallOutcome outcome) {
    plugin::v1::Frame frame;
    frame.set_request_id(request);
    *frame.mutable_reply() = std::move(outcome.reply);
    frame.mutable_reply()->clear_evidence();
    if (outcome.evidence.has_value()) {
      const bool load = outcome.evidence->kind == v1::Evidence::LOAD_RUN;
      ASSAY_ASSIGN_OR_RETURN(*frame.mutable_reply()->mutable_evidence(),
                             evidence_.Add(request, *outcome.evidence, load ? "loadgen" : "exec"));
    }
    const absl::Status sent = host_.Send(frame);
    if (!absl::IsResourceExhausted(sent)) return sent;
    plugin::v1::Frame refused;
    refused.set_request_id(request);
    refused.mutable_reply()->set_status(ASSAY_E_LIMIT);
    refused.mutable_reply()->set_message("the platform's answer is larger than 4 MiB");
    return host_.Send(refused);
  }

  Verdict Judge(const plugin::v1::Done& done, EvaluationResult& result, bool& clean) {
    cpu_ = absl::Nanoseconds(static_cast<int64_t>(std::min<uint64_t>(done.cpu_nanoseconds(), INT64_MAX)));
    peak_bytes_ = done.peak_bytes();
    if (step_ != Step::kNone && why_.outcome == Finished::CANCELLED) return why_;
    const std::string said = done.message().empty() ? "" : absl::StrCat(": ", done.message());
    switch (done.status()) {
      case ASSAY_OK: {
        auto finished = collector_.Finish(done);
        if (!finished.ok()) return {Finished::PLUGIN_INVALID_RESULT, std::string(finished.status().message())};
        result = *std::move(finished);
        clean = step_ == Step::kNone;
        return {Finished::SUCCEEDED, ""};
      }
      case ASSAY_E_SUBMISSION:
        return {Finished::SUBMISSION_FAULT, done.message().empty() ? "the plugin gave no reason" : done.message()};
      case ASSAY_E_TRANSIENT:
        return {Finished::TRANSIENT, absl::StrCat("the plugin asks to try again", said)};
      case ASSAY_E_STOPPED:
        if (step_ != Step::kNone) return why_;
        if (SteadyClock::now() >= deadline_)
          return {Finished::PLUGIN_HUNG, "the plugin stopped at its deadline without a result"};
        return {Finished::PLUGIN_INVALID_RESULT, absl::StrCat("the plugin stopped without being asked", said)};
      case ASSAY_E_PLUGIN:
        return {Finished::PLUGIN_CRASHED, absl::StrCat("the plugin failed", said)};
      default:
        return {Finished::PLUGIN_INVALID_RESULT, absl::StrCat("the plugin ended with status ", done.status(), said)};
    }
  }

  const EvaluationRequest& request_;
  const ProgressCallback& progress_;
  const Cancellation& cancellation_;
  const RunnerOptions& options_;
  HostProcess& host_;
  const std::vector<EvaluationInput> inputs_;
  const std::vector<v1::Claim> prior_claims_;
  EvidenceTable evidence_;
  ResultCollector collector_;
  CallThread calls_;
  const SteadyClock::time_point deadline_;
  SteadyClock::time_point silence_;
  Step step_ = Step::kNone;
  SteadyClock::time_point step_until_;
  Verdict why_;
  uint64_t spans_ = 0;
  std::vector<std::string> log_;
  plugin::v1::Progress last_progress_;
  absl::Duration cpu_;
  uint64_t peak_bytes_ = 0;
};

}  // namespace

CallOutcome NoPlatformCalls::Execute(const plugin::v1::Call& call) {
  CallOutcome outcome;
  if (call.has_platform()) {
    outcome.reply.mutable_platform()->set_reason(reason_);
  } else {
    outcome.reply.set_status(ASSAY_E_UNSUPPORTED);
    outcome.reply.set_message(reason_);
  }
  return outcome;
}

Cancellation::Cancellation() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Cancellation::Cancel() {
  cancelled_.store(true);
  const uint64_t one = 1;
  // A counter at its maximum is readable as well.
  if (::write(event_.get(), &one, sizeof one) < 0) return;
}

EvaluationOutcome EvaluationRunner::RunOnce(const EvaluationRequest& request, const PlatformFactory& platform,
                                            const ProgressCallback& progress, const Cancellation& cancellation,
                                            bool fresh) {
  EvaluationOutcome outcome;
  const auto start = SteadyClock::now();
  const auto finish = [&](Verdict verdict) {
    outcome.outcome = verdict.outcome;
    outcome.reason = std::move(verdict.reason);
    outcome.wall = absl::FromChrono(SteadyClock::now() - start);
    return std::move(outcome);
  };
  if (cancellation.cancelled()) return finish({Finished::CANCELLED, "cancelled as asked"});
  if (request.package->Find(request.evaluator) == nullptr) {
    return finish({Finished::PLATFORM_FAULT, absl::StrCat("the plugin has no evaluator ", request.evaluator)});
  }
  HostEnd end;
  std::unique_ptr<HostProcess> host = pool_.Acquire(request.package, request.evaluator, fresh, &end);
  if (host == nullptr) return finish(FromEnd(end));
  bool clean = false;
  Verdict verdict;
  {
    const std::unique_ptr<PlatformCalls> calls = platform();
    Attempt attempt(request, *calls, progress, cancellation, options_, *host);
    verdict = attempt.Run(outcome.result, clean);
    outcome.log = attempt.TakeLog();
    outcome.cpu = std::max(host->exit().cpu, attempt.cpu());
    outcome.peak_bytes = std::max(host->exit().peak_bytes, attempt.peak_bytes());
  }
  if (!clean) host->Kill();
  outcome.output = host->output();
  pool_.Release(std::move(host), clean);
  return finish(std::move(verdict));
}

EvaluationOutcome EvaluationRunner::Run(const EvaluationRequest& request, const PlatformFactory& platform,
                                        const ProgressCallback& progress, const Cancellation& cancellation) {
  EvaluationOutcome outcome = RunOnce(request, platform, progress, cancellation, false);
  if (outcome.outcome != Finished::SUBMISSION_FAULT) return outcome;
  EvaluationOutcome repeated = RunOnce(request, platform, progress, cancellation, true);
  repeated.wall += outcome.wall;
  repeated.cpu += outcome.cpu;
  return repeated;
}

}  // namespace assay::plugin_host
