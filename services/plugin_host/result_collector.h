// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "assay/plugin/v1/frame.pb.h"
#include "assay/plugin/v1/manifest.pb.h"
#include "assay/v1/evaluation.pb.h"
#include "services/plugin_host/evidence_table.h"

namespace assay::plugin_host {

struct Artifact {
  std::string name;
  std::string media_type;
  std::string content;
  std::string digest;
};

// What an evaluation found, checked. Evidence fields hold digests; authorship is filled in. Everything is sorted, so
// that equal findings give equal bytes: observations by criterion, claims by id, findings by file, line, check,
// message.
struct EvaluationResult {
  std::vector<v1::Observation> observations;
  // Claims of this evaluator and, with the verdict an experiment gave, claims of others that it tested.
  std::vector<v1::Claim> claims;
  std::vector<v1::Finding> findings;
  std::vector<Artifact> artifacts;
  std::vector<EvidenceRecord> evidence;
};

// Collects the frames of one evaluation and judges them against the manifest. Nothing a host sends is believed: counts
// and sizes are bounded here too. Not thread-safe.
class ResultCollector {
 public:
  // `prior_claims`: claims of evaluators this one depends on, which experiments may test. All must outlive it.
  ResultCollector(const plugin::v1::Manifest::Evaluator& evaluator, const std::vector<EvaluationInput>& inputs,
                  const std::vector<v1::Claim>& prior_claims, EvidenceTable& evidence)
      : evaluator_(evaluator), inputs_(inputs), prior_claims_(prior_claims), evidence_(evidence) {}

  // Takes a frame that carries a result. RESOURCE_EXHAUSTED: more than is allowed, a protocol fault.
  absl::Status Take(plugin::v1::Frame frame);
  // Keeps an artifact. INVALID_ARGUMENT: twice, or no name; RESOURCE_EXHAUSTED: too many or too large.
  absl::Status TakeArtifact(const plugin::v1::ArtifactCall& call, const std::string& digest);

  // Judges all of it after Done OK. INVALID_ARGUMENT: the first thing that is wrong, with the name of the criterion,
  // claim or check: a count that differs, a value that is not finite or out of range, no evidence or none of a kind
  // that the manifest asks for, an undeclared criterion, a verdict on a claim nobody made.
  absl::StatusOr<EvaluationResult> Finish(const plugin::v1::Done& done);

 private:
  const plugin::v1::Manifest::Criterion* Declared(absl::string_view criterion) const;
  absl::StatusOr<std::vector<EvidenceTable::Cited>> Resolve(
      google::protobuf::RepeatedPtrField<std::string>* references);
  absl::Status CheckObservation(v1::Observation& observation);
  absl::Status CheckClaim(v1::Claim& claim);
  absl::Status CheckFinding(v1::Finding& finding);
  absl::Status ApplyExperiment(plugin::v1::Experiment& experiment, std::vector<v1::Claim>& claims);
  absl::Status CheckCounts(const plugin::v1::Done& done) const;

  const plugin::v1::Manifest::Evaluator& evaluator_;
  const std::vector<EvaluationInput>& inputs_;
  const std::vector<v1::Claim>& prior_claims_;
  EvidenceTable& evidence_;
  std::map<std::string, const EvaluationInput*> files_;
  std::vector<plugin::v1::Experiment> experiments_;
  EvaluationResult result_;
};

}  // namespace assay::plugin_host
