// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "assay/v1/report.pb.h"
#include "services/common/blob/result_document.h"

namespace assay::aggregator {

// Where the parts of a document stood when a person wrote it: the line, from 1, by the competency of a rating, the
// behaviour of a mark or the title of an item.
using DocumentLines = std::map<std::string, uint32_t>;

// Whose document a piece of evidence stands in.
struct EvidenceOrigin {
  // The submission's own name for itself, for example "scorecard-system-design.yaml".
  std::string document;
  // Of a scorecard: who rated.
  std::string rater;
  // Null: the document names no lines.
  std::shared_ptr<const DocumentLines> lines;
};

// The lines of a scorecard or portfolio, from the map that came with it; empty for other documents and for one that
// cannot be read. `json` is the document as it was accepted.
DocumentLines LinesOfDocument(v1::Submission::Kind kind, absl::string_view json);

// Fills in what a reader wants to see of evidence without fetching it: the quoted words of a rating or of an item of a
// portfolio with who said them and where (file and line of the document as its author wrote it), and the lines of a
// span. Reads the recorded bytes, at most 4,000 of them; what cannot be read stays without words. `origins` is keyed by
// digest.
void QuoteEvidence(const blob::RecordedBytes& recorded, const std::map<std::string, EvidenceOrigin>& origins,
                   v1::EvaluationReport& report);

// The lines recorded for each finding become its excerpt.
void AddExcerpts(const blob::RecordedBytes& recorded, v1::EvaluationReport& report);

// File and line of each statement of a contradiction whose evidence is a span or a rating. Statements about runs have
// none: readiness names no run, so that two runs with the same verdicts give the same bytes.
void PlaceContradictions(v1::EvaluationReport& report);

// The id of the candidate in the commands of `readiness`, ready for a shell.
void AddressCommands(const std::string& candidate, v1::Readiness& readiness);

}  // namespace assay::aggregator
