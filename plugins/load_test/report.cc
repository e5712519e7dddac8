// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/report.h"

#include <algorithm>

namespace assay::load_test {
namespace {

// What the scenarios of this plugin can test.
constexpr const char* kTestable[] = {
    "shutdown.drains",      "limits.body_size",   "errors.handler_last", "errors.no_leak", "async.rejections_handled",
    "process.fatal_errors", "limits.rate_shared", "load.shedding",       "health.probes",  "config.validated",
    "server.timeouts"};

// A contradiction weighs more than a confirmation, and either more than not knowing.
int Weight(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRefuted:
      return 3;
    case Verdict::kConfirmed:
      return 2;
    case Verdict::kInconclusive:
      return 1;
    case Verdict::kUntested:
      return 0;
  }
  return 0;
}

sdk::Verdict ToSdk(Verdict verdict) {
  switch (verdict) {
    case Verdict::kConfirmed:
      return sdk::Verdict::kConfirmed;
    case Verdict::kRefuted:
      return sdk::Verdict::kRefuted;
    case Verdict::kInconclusive:
      return sdk::Verdict::kInconclusive;
    case Verdict::kUntested:
      break;
  }
  return sdk::Verdict::kUntested;
}

sdk::Severity ToSdk(Remark::Severity severity) {
  switch (severity) {
    case Remark::Severity::kError:
      return sdk::Severity::kError;
    case Remark::Severity::kWarning:
      return sdk::Severity::kWarning;
    case Remark::Severity::kNote:
      break;
  }
  return sdk::Severity::kNote;
}

// Of one observation; the platform takes no more.
constexpr size_t kMostEvidence = 4;

std::vector<sdk::Evidence> Known(const std::vector<sdk::Evidence>& evidence) {
  std::vector<sdk::Evidence> known;
  std::copy_if(evidence.begin(), evidence.end(), std::back_inserter(known), [](sdk::Evidence e) { return e != 0; });
  if (known.size() > kMostEvidence) known.resize(kMostEvidence);
  return known;
}

}  // namespace

const std::vector<std::string>& Report::Criteria() {
  static const std::vector<std::string> criteria = {"run.starts",
                                                    "run.survives_bad_input",
                                                    "run.error_answers",
                                                    "run.latency_under_load",
                                                    "run.drains_on_sigterm",
                                                    "run.body_limits"};
  return criteria;
}

void Report::Set(const std::string& criterion, Seen seen) {
  const auto found = seen_.find(criterion);
  if (found == seen_.end() || (found->second.state != sdk::State::kObserved && seen.state == sdk::State::kObserved)) {
    seen_.insert_or_assign(criterion, std::move(seen));
  }
}

void Report::Add(const Judgement& judgement, const std::vector<sdk::Evidence>& evidence) {
  const std::vector<sdk::Evidence> known = Known(evidence);
  for (const Judgement::Value& value : judgement.values) {
    const bool observed = value.value.has_value() && !known.empty();
    const sdk::State otherwise = value.observable ? sdk::State::kNotObservedYet : sdk::State::kNotObservable;
    Set(value.criterion, {observed ? sdk::State::kObserved : otherwise, value.value.value_or(0), value.text, known});
  }
  for (const Tested& tested : judgement.tested) {
    const auto found = claimed_.find(tested.claim);
    if (found == claimed_.end() || Weight(tested.verdict) > Weight(found->second.tested.verdict)) {
      claimed_.insert_or_assign(tested.claim, Claimed{tested, known});
    }
  }
  for (const Judgement::Note& note : judgement.notes) {
    const auto found = seen_.find(note.criterion);
    if (found == seen_.end()) continue;
    found->second.text += "; " + note.text;
    std::copy(known.begin(), known.end(), std::back_inserter(found->second.evidence));
    if (found->second.evidence.size() > kMostEvidence) found->second.evidence.resize(kMostEvidence);
  }
  for (const Remark& remark : judgement.remarks) remarks_.push_back({remark, known.empty() ? 0 : known[0]});
}

void Report::NotObservable(const std::string& criterion, const std::string& why) {
  Set(criterion, {sdk::State::kNotObservable, 0, why, {}});
}
void Report::NotObservedYet(const std::string& criterion, const std::string& why) {
  Set(criterion, {sdk::State::kNotObservedYet, 0, why, {}});
}
void Report::RestNotObservable(const std::string& why) {
  for (const std::string& criterion : Criteria()) NotObservable(criterion, why);
}
void Report::RestNotObservedYet(const std::string& why) {
  for (const std::string& criterion : Criteria()) NotObservedYet(criterion, why);
}

sdk::Status Report::EmitExperiments(sdk::Evaluation& evaluation) const {
  for (const char* id : kTestable) {
    if (facts_.FindClaim(id) == nullptr) continue;
    sdk::Experiment experiment;
    experiment.claim = id;
    const auto found = claimed_.find(id);
    if (found == claimed_.end() || found->second.evidence.empty()) {
      experiment.verdict = sdk::Verdict::kUntested;
      const auto starts = seen_.find("run.starts");
      const bool started = starts != seen_.end() && starts->second.state == sdk::State::kObserved;
      experiment.reason = started ? "no scenario of this run reached it" : "the server did not run here";
    } else {
      experiment.verdict = ToSdk(found->second.tested.verdict);
      experiment.reason = found->second.tested.reason;
      experiment.evidence = found->second.evidence;
    }
    const sdk::Status status = evaluation.AddExperiment(experiment);
    if (!status.ok()) return status;
  }
  return sdk::Ok();
}

sdk::Status Report::EmitFindings(sdk::Evaluation& evaluation, const std::string& entry) const {
  for (const Placed& placed : remarks_) {
    const Remark& remark = placed.remark;
    sdk::Finding finding;
    finding.check = remark.check;
    finding.criterion = remark.criterion;
    finding.message = remark.message;
    finding.help = remark.help;
    finding.question = remark.question;
    finding.good_answer = remark.good_answer;
    finding.severity = ToSdk(remark.severity);
    finding.evidence = placed.evidence;
    const Claim* claim = facts_.FindClaim(remark.claim);
    if (claim != nullptr && evaluation.File(claim->path) != nullptr) {
      finding.path = claim->path;
      finding.line = finding.end_line = claim->line;
    } else if (evaluation.File(entry) != nullptr) {
      finding.path = entry;
      finding.line = finding.end_line = 1;
    }
    const sdk::Status status = evaluation.AddFinding(finding);
    if (!status.ok()) return status;
  }
  return sdk::Ok();
}

sdk::Status Report::Emit(sdk::Evaluation& evaluation, const std::string& entry) const {
  for (const std::string& criterion : Criteria()) {
    const auto found = seen_.find(criterion);
    sdk::Observation observation;
    observation.criterion = criterion;
    observation.method = sdk::Method::kExperiment;
    if (found == seen_.end()) {
      observation.state = sdk::State::kNotObservedYet;
      observation.rationale = "the run ended before this was looked at";
    } else {
      const Seen& seen = found->second;
      observation.state = seen.state;
      observation.rationale = seen.text.substr(0, 1900);
      if (seen.state == sdk::State::kObserved) {
        observation.value = seen.value;
        observation.standard_error = kStandardError;
        observation.evidence = seen.evidence;
      }
    }
    const sdk::Status status = evaluation.Observe(observation);
    if (!status.ok()) return status;
  }
  const sdk::Status status = EmitExperiments(evaluation);
  return status.ok() ? EmitFindings(evaluation, entry) : status;
}

}  // namespace assay::load_test
