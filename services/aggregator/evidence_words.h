// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "assay/v1/report.pb.h"
#include "services/common/blob/result_document.h"

namespace assay::aggregator {

// Whose document a piece of evidence stands in.
struct EvidenceOrigin {
  // The submission's own name for itself, for example "scorecard-system-design.yaml".
  std::string document;
  // Of a scorecard: who rated.
  std::string rater;
};

// Fills in what a reader wants to see of evidence without fetching it: the quoted words of a rating or of an item of a
// portfolio with who said them and where, and the lines of a span. Reads the recorded bytes, at most 4,000 of them;
// what cannot be read stays without words. `origins` is keyed by digest.
void QuoteEvidence(const blob::RecordedBytes& recorded, const std::map<std::string, EvidenceOrigin>& origins,
                   v1::EvaluationReport& report);

// The lines recorded for each finding become its excerpt.
void AddExcerpts(const blob::RecordedBytes& recorded, v1::EvaluationReport& report);

// File and line of each statement of a contradiction whose evidence is a span. Statements about runs have none:
// readiness names no run, so that two runs with the same verdicts give the same bytes.
void PlaceContradictions(v1::EvaluationReport& report);

// The id of the candidate in the commands of `readiness`, ready for a shell.
void AddressCommands(const std::string& candidate, v1::Readiness& readiness);

}  // namespace assay::aggregator
