// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "assay/plugin/v1/frame.pb.h"
#include "assay/v1/evaluation.pb.h"
#include "assay/v1/evidence.pb.h"
#include "services/archive/pack.h"
#include "services/plugin_host/platform_calls.h"

namespace assay::plugin_host {

// One input as the plugin sees it: a file of the pack or a document of the platform. Views live as long as the request.
struct EvaluationInput {
  std::string path;
  absl::string_view content;
  Digest sha256;
  bool is_document = false;
  v1::Authorship authorship = v1::CANDIDATE;
  // The same file in what the candidate was given; empty when there is none.
  absl::string_view base_content;
};

// Evidence as it leaves an evaluation.
struct EvidenceRecord {
  v1::Evidence info;  // digest, kind, media type, size, place, title
  std::string content;
};

// Everything a plugin may cite, recorded by this side: inputs, spans, artifacts, runs. References are those of
// frame.proto
// ("i:3", "c:17"). Not thread-safe.
class EvidenceTable {
 public:
  // `document_kind`: what a document of the platform is evidence of (RATING, PORTFOLIO_ITEM or ARTIFACT).
  // `has_base`: whether the candidate was given something; decides whose work a run shows.
  EvidenceTable(const std::vector<EvaluationInput>& inputs, v1::Evidence::Kind document_kind, bool has_base)
      : inputs_(inputs), document_kind_(document_kind), has_base_(has_base) {}

  // Records the lines a span call names. INVALID_ARGUMENT: no such input or lines, or a number used before; the host
  // answers for that. RESOURCE_EXHAUSTED: more than 64 MiB recorded together.
  absl::Status AddSpan(uint64_t request, const plugin::v1::SpanCall& call);
  // Records bytes a run or an artifact left; returns their digest's text. `kind_word` is the manifest's word for it.
  // Errors as above.
  absl::StatusOr<std::string> Add(uint64_t request, const MadeEvidence& made, absl::string_view kind_word);

  struct Cited {
    std::string digest;
    std::string kind_word;  // input, exec, loadgen, artifact
    v1::Authorship authorship = v1::CANDIDATE;
    bool has_authorship = false;  // false: a run or an artifact, which is nobody's text
  };
  // Marks the evidence as cited. INVALID_ARGUMENT: nothing was recorded under that reference.
  absl::StatusOr<Cited> Cite(absl::string_view reference);
  // Whose work a result is about that cites these; what was given and what was changed together are SHARED.
  v1::Authorship Derive(const std::vector<Cited>& cited) const;
  // What was cited, each once, in order of digest.
  std::vector<EvidenceRecord> TakeCited();

 private:
  struct Row {
    EvidenceRecord record;
    Cited cited;
  };
  absl::StatusOr<Row*> Find(absl::string_view reference);
  absl::StatusOr<Row*> Insert(std::string reference, Row row);
  Row WholeInput(const EvaluationInput& input) const;

  const std::vector<EvaluationInput>& inputs_;
  const v1::Evidence::Kind document_kind_;
  const bool has_base_;
  std::map<std::string, Row, std::less<>> rows_;
  uint64_t bytes_ = 0;
  std::map<std::string, const Row*> cited_;
};

// Whose text `content` is, against the same file (`base`, empty: there is none) of what was given: unchanged GIVEN,
// changed SHARED, new CANDIDATE.
v1::Authorship CompareWithBase(const archive::PackEntry& entry, const archive::Pack* base);

// Whose the lines [line, end_line] of a file are: in a changed one GIVEN where the same lines stood in what was given,
// else CANDIDATE. The file's own authorship when it has no such lines (0: all of it).
v1::Authorship AuthorshipOfLines(const EvaluationInput& input, uint32_t line, uint32_t end_line);

}  // namespace assay::plugin_host
