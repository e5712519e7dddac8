// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/work_runner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "assay/plugin.h"
#include "assay/v1/submission.pb.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/evaluator/result_writer.h"

namespace assay::evaluator {
namespace {

using Finished = event::v1::EvaluationFinished;

constexpr absl::Duration kDefaultLimit = absl::Minutes(10);

Finished Ended(Finished::Outcome outcome, absl::string_view reason) {
  Finished finished;
  finished.set_outcome(outcome);
  finished.set_reason(std::string(reason));
  return finished;
}

std::string KindName(uint32_t kind) { return v1::Submission::Kind_Name(static_cast<v1::Submission::Kind>(kind)); }

std::string Parameters(const event::v1::Work& work) {
  return absl::StrCat("{\"quick\": ", work.quick() ? "true" : "false", ", \"kind\": \"", KindName(work.kind()), "\"}");
}

v1::Evidence::Kind DocumentEvidence(uint32_t kind) {
  switch (kind) {
    case v1::Submission::SCORECARD:
      return v1::Evidence::RATING;
    case v1::Submission::PORTFOLIO:
      return v1::Evidence::PORTFOLIO_ITEM;
    default:
      return v1::Evidence::ARTIFACT;
  }
}

bool Asks(const plugin::v1::Manifest& manifest, absl::string_view extension) {
  return absl::c_linear_search(manifest.needs().extensions(), extension) ||
         absl::c_linear_search(manifest.needs().optional(), extension);
}

// Everything a pure evaluator's result can depend on. The blob too, not its content alone: a document is cited by its
// lines. Not the candidate: equal content is equal content; the evidence is written for each owner anew.
std::string CacheKey(const event::v1::Work& work) {
  std::vector<std::string> prior;
  for (const auto& [evaluator, digest] : work.prior_results()) prior.push_back(absl::StrCat(evaluator, "=", digest));
  absl::c_sort(prior);
  return absl::StrJoin({work.digest(), work.blob_digest(), work.plugin_digest(), work.evaluator(),
                        work.framework_digest(), Parameters(work), work.base_blob_digest(), work.task_blob_digest(),
                        work.rater_key(), work.rater_role(), work.source_key(), absl::StrJoin(prior, ",")},
                       "|");
}

uint64_t ResultBytes(const plugin_host::EvaluationResult& result) {
  uint64_t bytes = 4096;
  for (const auto& record : result.evidence) bytes += record.content.size() + 512;
  for (const auto& artifact : result.artifacts) bytes += artifact.content.size() + 512;
  return bytes + 2048 * (result.observations.size() + result.claims.size() + result.findings.size());
}

}  // namespace

// Passes phase changes on, and otherwise at most one report an interval.
class WorkRunner::ProgressGate {
 public:
  ProgressGate(EvaluationJournal& journal, const event::v1::Work& work, Clock& clock, absl::Duration interval)
      : journal_(journal), work_(work), clock_(clock), interval_(interval), last_(clock.TimeNow()) {}

  void Report(const std::string& phase, uint64_t done, uint64_t total) {
    const absl::Time now = clock_.TimeNow();
    {
      absl::MutexLock lock(&mutex_);
      const bool changed = phase != phase_ && changes_ < kMaxChanges;
      if (!changed && now - last_ < interval_) return;
      changes_ += changed ? 1 : 0;
      phase_ = phase;
      last_ = now;
    }
    journal_.Progress(work_, phase, done, total);
  }

 private:
  // A plugin that invents a new phase with every call falls back to the interval.
  static constexpr int kMaxChanges = 200;

  EvaluationJournal& journal_;
  const event::v1::Work& work_;
  Clock& clock_;
  const absl::Duration interval_;
  absl::Mutex mutex_;
  std::string phase_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_ ABSL_GUARDED_BY(mutex_);
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
};

Finished WorkRunner::Run(const event::v1::Work& work, const plugin_host::Cancellation& cancellation) {
  const absl::Time start = parts_.clock.TimeNow();
  Finished finished =
      cancellation.cancelled() ? Ended(Finished::CANCELLED, "cancelled as asked") : Evaluate(work, cancellation);
  if (finished.wall_seconds() == 0) finished.set_wall_seconds(absl::ToDoubleSeconds(parts_.clock.TimeNow() - start));
  LogInfo("evaluation finished", {{"submission", work.submission_id()},
                                  {"evaluation", work.evaluation_id()},
                                  {"attempt", absl::StrCat(work.attempt())},
                                  {"evaluator", work.evaluator()},
                                  {"outcome", Finished::Outcome_Name(finished.outcome())}});
  return finished;
}

Finished WorkRunner::Evaluate(const event::v1::Work& work, const plugin_host::Cancellation& cancellation) {
  const absl::StatusOr<Digest> digest = Digest::Parse(work.plugin_digest());
  const auto package = digest.ok() ? parts_.plugins.Find(*digest) : nullptr;
  if (package == nullptr) {
    return Ended(Finished::PLATFORM_FAULT, absl::StrCat("this evaluator has no plugin ", work.plugin_digest()));
  }
  const plugin::v1::Manifest::Evaluator* declared = package->Find(work.evaluator());
  if (declared == nullptr) {
    return Ended(Finished::PLATFORM_FAULT,
                 absl::StrCat("the plugin ", package->manifest.id(), " has no evaluator ", work.evaluator()));
  }
  absl::StatusOr<SubmissionInputs> inputs = parts_.inputs.Load(work);
  if (!inputs.ok()) {
    const bool submission = inputs.status().GetPayload(InputLoader::kSubmissionFault).has_value();
    return Ended(submission ? Finished::SUBMISSION_FAULT : Finished::PLATFORM_FAULT, inputs.status().message());
  }
  if (declared->pure()) {
    if (const auto kept = results_.Find(CacheKey(work))) return Store(work, *kept, *inputs, /*pure=*/true);
  }
  ProgressGate gate(parts_.journal, work, parts_.clock, progress_interval_);
  if (!Asks(package->manifest, ASSAY_EXT_LOADGEN)) return RunPlugin(work, package, *inputs, gate, cancellation);
  const auto waiting = [&gate] { gate.Report("waiting for another measurement on this machine", 0, 0); };
  const absl::StatusOr<UniqueFd> lease = parts_.load_lease.Take(cancellation, waiting);
  if (absl::IsCancelled(lease.status())) return Ended(Finished::CANCELLED, lease.status().message());
  if (!lease.ok()) return Ended(Finished::PLATFORM_FAULT, lease.status().message());
  return RunPlugin(work, package, *inputs, gate, cancellation);
}

Finished WorkRunner::RunPlugin(const event::v1::Work& work,
                               const std::shared_ptr<const plugin_host::PluginPackage>& package,
                               const SubmissionInputs& inputs, ProgressGate& gate,
                               const plugin_host::Cancellation& cancellation) {
  // Says nothing new, and with that shows that the attempt is alive.
  const auto waiting = [&gate] { gate.Report("", 0, 0); };
  absl::StatusOr<RunSlots::Held> taken = parts_.slots.Take(work.lane(), cancellation, waiting);
  if (absl::IsCancelled(taken.status())) return Ended(Finished::CANCELLED, taken.status().message());
  if (!taken.ok()) return Ended(Finished::PLATFORM_FAULT, taken.status().message());
  std::optional<RunSlots::Held> slot(*std::move(taken));
  plugin_host::EvaluationRequest request;
  request.package = package;
  request.evaluator = work.evaluator();
  request.evaluation_id = work.evaluation_id();
  request.attempt = work.attempt();
  request.seed = work.seed();
  request.parameters_json = Parameters(work);
  const double wall = package->manifest.needs().wall_seconds();
  request.time_limit = wall > 0 ? absl::Seconds(wall) : kDefaultLimit;
  if (work.has_deadline()) {
    const absl::Time deadline =
        absl::FromUnixSeconds(work.deadline().seconds()) + absl::Nanoseconds(work.deadline().nanos());
    request.time_limit = std::min(request.time_limit, deadline - parts_.clock.TimeNow());
  }
  request.pack = inputs.archive == nullptr ? nullptr : &inputs.archive->pack;
  request.base = inputs.base == nullptr ? nullptr : &inputs.base->pack;
  request.documents = inputs.documents;
  request.document_evidence = DocumentEvidence(work.kind());
  request.prior = inputs.prior;
  const auto platform = [&]() -> std::unique_ptr<plugin_host::PlatformCalls> {
    if (request.pack == nullptr) return std::make_unique<plugin_host::NoPlatformCalls>("a document cannot be run");
    return parts_.platform.Make(*request.pack,
                                [&gate](absl::string_view phase) { gate.Report(std::string(phase), 0, 0); });
  };
  // Also called, with the last report, for each sign of life: the heartbeat of the attempt.
  const auto progress = [&gate](const plugin::v1::Progress& report) {
    gate.Report(report.phase(), report.done(), report.total());
  };
  plugin_host::EvaluationOutcome outcome = parts_.runner.Run(request, platform, progress, cancellation);
  slot.reset();
  Finished finished;
  if (outcome.outcome == Finished::SUCCEEDED) {
    auto result = std::make_shared<const plugin_host::EvaluationResult>(std::move(outcome.result));
    const bool pure = package->Find(work.evaluator())->pure();
    finished = Store(work, *result, inputs, pure);
    if (pure) results_.Insert(CacheKey(work), result, ResultBytes(*result));
  } else {
    finished = Ended(outcome.outcome, outcome.reason);
  }
  finished.set_wall_seconds(absl::ToDoubleSeconds(outcome.wall));
  finished.set_cpu_seconds(absl::ToDoubleSeconds(outcome.cpu));
  return finished;
}

Finished WorkRunner::Store(const event::v1::Work& work, const plugin_host::EvaluationResult& result,
                           const SubmissionInputs& inputs, bool pure) {
  // Said once for a submission: by the evaluators that come first.
  const bool first = inputs.prior.empty() && inputs.archive != nullptr;
  auto stored = WriteResult(parts_.blobs, work, result, first ? inputs.archive->remarks : std::vector<std::string>());
  if (stored.ok()) {
    stored->set_pure(pure);
    return *std::move(stored);
  }
  return Ended(Finished::PLATFORM_FAULT, absl::StrCat("the result could not be stored: ", stored.status().message()));
}

}  // namespace assay::evaluator
