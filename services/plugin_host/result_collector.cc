// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/result_collector.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/plugin_host/limits.h"

namespace assay::plugin_host {
namespace {

absl::Status Invalid(absl::string_view what, absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(what, " ", JsonQuote(name.substr(0, 128)), ": ", why));
}

absl::Status TooMany(absl::string_view what, uint64_t limit) {
  return absl::ResourceExhaustedError(absl::StrCat("more than ", limit, " ", what));
}

bool InRange(double value, double high) { return std::isfinite(value) && value >= 0 && value <= high; }

}  // namespace

absl::Status ResultCollector::Take(plugin::v1::Frame frame) {
  using Body = plugin::v1::Frame;
  switch (frame.body_case()) {
    case Body::kObservation:
      if (result_.observations.size() >= kMaxObservations) return TooMany("observations", kMaxObservations);
      result_.observations.push_back(std::move(*frame.mutable_observation()));
      return absl::OkStatus();
    case Body::kClaim:
      if (result_.claims.size() >= kMaxClaims) return TooMany("claims", kMaxClaims);
      result_.claims.push_back(std::move(*frame.mutable_claim()));
      return absl::OkStatus();
    case Body::kExperiment:
      if (experiments_.size() >= kMaxClaims) return TooMany("experiments", kMaxClaims);
      experiments_.push_back(std::move(*frame.mutable_experiment()));
      return absl::OkStatus();
    case Body::kFinding:
      if (result_.findings.size() >= kMaxFindings) return TooMany("findings", kMaxFindings);
      result_.findings.push_back(std::move(*frame.mutable_finding()));
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

absl::Status ResultCollector::TakeArtifact(const plugin::v1::ArtifactCall& call, const std::string& digest) {
  if (result_.artifacts.size() >= kMaxArtifacts) return TooMany("artifacts", kMaxArtifacts);
  if (call.content().size() > kMaxArtifactBytes) return TooMany("bytes of an artifact", kMaxArtifactBytes);
  if (call.name().empty() || call.name().size() > kMaxNameBytes)
    return Invalid("artifact", call.name(), "no such name is allowed");
  for (const Artifact& artifact : result_.artifacts) {
    if (artifact.name == call.name()) return Invalid("artifact", call.name(), "put twice");
  }
  result_.artifacts.push_back({call.name(), call.media_type(), call.content(), digest});
  return absl::OkStatus();
}

const plugin::v1::Manifest::Criterion* ResultCollector::Declared(absl::string_view criterion) const {
  for (const auto& declared : evaluator_.criteria()) {
    const absl::string_view id = declared.id();
    if (id == criterion) return &declared;
    if (absl::EndsWith(id, "/*") && criterion.size() > id.size() - 1 &&
        absl::StartsWith(criterion, id.substr(0, id.size() - 1))) {
      return &declared;
    }
  }
  return nullptr;
}

// Turns references into digests, each once, in the order given.
absl::StatusOr<std::vector<EvidenceTable::Cited>> ResultCollector::Resolve(
    google::protobuf::RepeatedPtrField<std::string>* references) {
  if (references->size() > static_cast<int>(kMaxEvidencePerResult))
    return TooMany("pieces of evidence", kMaxEvidencePerResult);
  std::vector<EvidenceTable::Cited> cited;
  std::vector<std::string> digests;
  for (const std::string& reference : *references) {
    ASSAY_ASSIGN_OR_RETURN(EvidenceTable::Cited one, evidence_.Cite(reference));
    if (std::find(digests.begin(), digests.end(), one.digest) == digests.end()) digests.push_back(one.digest);
    cited.push_back(std::move(one));
  }
  references->Clear();
  for (std::string& digest : digests) *references->Add() = std::move(digest);
  return cited;
}

absl::Status ResultCollector::CheckObservation(v1::Observation& observation) {
  const std::string& name = observation.criterion();
  const auto* declared = Declared(name);
  if (declared == nullptr || name.size() > 64)
    return Invalid("observation of", name, "the manifest does not declare it");
  if (observation.method() < 1 || observation.method() > 6) return Invalid("observation of", name, "no such method");
  if (observation.rationale().size() > kMaxRationaleBytes)
    return Invalid("observation of", name, "a rationale over 2,000 bytes");
  auto cited = Resolve(observation.mutable_evidence());
  if (!cited.ok()) return Invalid("observation of", name, cited.status().message());
  if (observation.authorship() == v1::AUTHORSHIP_UNSPECIFIED) observation.set_authorship(evidence_.Derive(*cited));
  if (!v1::Authorship_IsValid(observation.authorship())) return Invalid("observation of", name, "no such authorship");
  switch (observation.state()) {
    case v1::Observation::OBSERVED:
      break;
    case v1::Observation::NOT_OBSERVABLE:
    case v1::Observation::NOT_OBSERVED_YET:
      observation.set_value(0);
      observation.set_standard_error(0);
      return observation.rationale().empty()
                 ? Invalid("observation of", name, "a state without a value needs a rationale")
                 : absl::OkStatus();
    default:
      return Invalid("observation of", name, "no such state");
  }
  if (!InRange(observation.value(), 1))
    return Invalid("observation of", name, "a value outside [0, 1] or not a number");
  if (!InRange(observation.standard_error(), 0.5)) {
    return Invalid("observation of", name, "a standard error outside [0, 0.5] or not a number");
  }
  if (cited->empty()) return Invalid("observation of", name, "a value without evidence");
  if (declared->needs_evidence().empty()) return absl::OkStatus();
  for (const EvidenceTable::Cited& one : *cited) {
    for (const std::string& kind : declared->needs_evidence()) {
      if (one.kind_word == kind) return absl::OkStatus();
    }
  }
  return Invalid("observation of", name, "no evidence of a kind that the manifest asks for");
}

absl::Status ResultCollector::CheckClaim(v1::Claim& claim) {
  if (claim.id().empty() || claim.id().size() > 64 || claim.statement().empty())
    return Invalid("claim", claim.id(), "id and statement are needed");
  if (Declared(claim.criterion()) == nullptr)
    return Invalid("claim", claim.id(), "the manifest does not declare its criterion");
  if (!claim.file().empty() && files_.count(claim.file()) == 0) return Invalid("claim", claim.id(), "no such file");
  auto cited = Resolve(claim.mutable_evidence());
  if (!cited.ok()) return Invalid("claim", claim.id(), cited.status().message());
  if (cited->empty()) return Invalid("claim", claim.id(), "it cites no evidence");
  claim.set_authorship(evidence_.Derive(*cited));
  claim.set_verdict(v1::Claim::UNTESTED);
  return absl::OkStatus();
}

absl::Status ResultCollector::CheckFinding(v1::Finding& finding) {
  const std::string& name = finding.check();
  if (name.empty() || finding.message().empty()) return Invalid("finding", name, "check and message are needed");
  if (finding.severity() < 1 || finding.severity() > 3) return Invalid("finding", name, "no such severity");
  if (!finding.criterion().empty() && Declared(finding.criterion()) == nullptr) {
    return Invalid("finding", name, "the manifest does not declare its criterion");
  }
  // A submission that is a document has no files: its places are those of the file a person wrote it in.
  if (!finding.file().empty() && !files_.empty() && files_.count(finding.file()) == 0) {
    return Invalid("finding", name, "no such file");
  }
  if (finding.end_line() != 0 && finding.end_line() < finding.line())
    return Invalid("finding", name, "lines run backwards");
  std::vector<EvidenceTable::Cited> cited;
  if (!finding.evidence().empty()) {
    auto one = evidence_.Cite(finding.evidence());
    if (!one.ok()) return Invalid("finding", name, one.status().message());
    finding.set_evidence(one->digest);
    cited.push_back(*std::move(one));
  }
  if (finding.authorship() == v1::AUTHORSHIP_UNSPECIFIED) {
    // A run is nobody's text: what it showed of a place is about whoever wrote that place.
    const auto file = files_.find(finding.file());
    const bool is_text = !cited.empty() && cited[0].has_authorship;
    const uint32_t end_line = std::max(finding.line(), finding.end_line());
    finding.set_authorship(is_text || file == files_.end()
                               ? evidence_.Derive(cited)
                               : AuthorshipOfLines(*file->second, finding.line(), end_line));
  }
  return v1::Authorship_IsValid(finding.authorship()) ? absl::OkStatus()
                                                      : Invalid("finding", name, "no such authorship");
}

absl::Status ResultCollector::ApplyExperiment(plugin::v1::Experiment& experiment, std::vector<v1::Claim>& claims) {
  const std::string& name = experiment.claim();
  const auto is_it = [&](const v1::Claim& claim) { return claim.id() == name; };
  auto claim = std::find_if(claims.begin(), claims.end(), is_it);
  if (claim == claims.end()) {
    const auto prior = std::find_if(prior_claims_.begin(), prior_claims_.end(), is_it);
    if (prior == prior_claims_.end()) return Invalid("experiment on", name, "nobody made that claim");
    claim = claims.insert(claims.end(), *prior);
    claim->clear_evidence();
    claim->set_verdict(v1::Claim::UNTESTED);
  }
  if (experiment.verdict() < 1 || experiment.verdict() > 4) return Invalid("experiment on", name, "no such verdict");
  if (experiment.reason().empty()) return Invalid("experiment on", name, "a reason is needed");
  auto cited = Resolve(experiment.mutable_evidence());
  if (!cited.ok()) return Invalid("experiment on", name, cited.status().message());
  const bool decided = experiment.verdict() == v1::Claim::CONFIRMED || experiment.verdict() == v1::Claim::REFUTED;
  if (decided && cited->empty()) return Invalid("experiment on", name, "a verdict without evidence");
  if (claim->verdict() != v1::Claim::UNTESTED) return Invalid("experiment on", name, "judged twice");
  claim->set_verdict(experiment.verdict());
  claim->set_reason(experiment.reason());
  for (const std::string& digest : experiment.evidence()) claim->add_evidence(digest);
  return absl::OkStatus();
}

absl::Status ResultCollector::CheckCounts(const plugin::v1::Done& done) const {
  const auto differ = [](absl::string_view what, uint64_t said, size_t came) {
    return absl::InvalidArgumentError(absl::StrCat("the plugin's host counted ", said, " ", what, ", ", came, " came"));
  };
  if (done.observations() != result_.observations.size())
    return differ("observations", done.observations(), result_.observations.size());
  if (done.claims() != result_.claims.size()) return differ("claims", done.claims(), result_.claims.size());
  if (done.experiments() != experiments_.size()) return differ("experiments", done.experiments(), experiments_.size());
  if (done.findings() != result_.findings.size()) return differ("findings", done.findings(), result_.findings.size());
  return absl::OkStatus();
}

absl::StatusOr<EvaluationResult> ResultCollector::Finish(const plugin::v1::Done& done) {
  ASSAY_RETURN_IF_ERROR(CheckCounts(done));
  for (const EvaluationInput& input : inputs_) {
    if (!input.is_document) files_[input.path] = &input;
  }
  for (v1::Observation& observation : result_.observations) ASSAY_RETURN_IF_ERROR(CheckObservation(observation));
  std::set<std::string> ids;
  for (v1::Claim& claim : result_.claims) {
    ASSAY_RETURN_IF_ERROR(CheckClaim(claim));
    if (!ids.insert(claim.id()).second) return Invalid("claim", claim.id(), "made twice");
  }
  for (plugin::v1::Experiment& experiment : experiments_)
    ASSAY_RETURN_IF_ERROR(ApplyExperiment(experiment, result_.claims));
  if (result_.claims.size() > kMaxClaims)
    return Invalid("claims", "", absl::StrCat("more than ", kMaxClaims, " with those tested"));
  for (v1::Finding& finding : result_.findings) ASSAY_RETURN_IF_ERROR(CheckFinding(finding));
  // The same thing reported twice for one criterion stays in the order it was reported.
  std::stable_sort(result_.observations.begin(), result_.observations.end(),
                   [](const auto& a, const auto& b) { return a.criterion() < b.criterion(); });
  std::sort(result_.claims.begin(), result_.claims.end(), [](const auto& a, const auto& b) { return a.id() < b.id(); });
  std::stable_sort(result_.findings.begin(), result_.findings.end(), [](const auto& a, const auto& b) {
    return std::forward_as_tuple(a.file(), a.line(), a.check(), a.message()) <
           std::forward_as_tuple(b.file(), b.line(), b.check(), b.message());
  });
  // Artifacts are evidence whether or not somebody cites them: other evaluators read them.
  result_.evidence = evidence_.TakeCited();
  return std::move(result_);
}

}  // namespace assay::plugin_host
