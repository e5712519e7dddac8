// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "assay/v1/document.pb.h"
#include "assay/v1/submission.pb.h"
#include "services/readiness/framework.h"

// Shape, limits and ids of the documents people write. Pure. Whether what they say has substance is for the rubric
// plugin to judge; here a document is either well formed or it is not.
namespace assay::readiness {

// One rule that a document breaks.
struct Violation {
  // Path of the field, for example `ratings[2].evidence`.
  std::string field;
  // What stands there, cut to 80 bytes; "nothing" when it is missing.
  std::string found;
  // What may stand there.
  std::string allowed;
};

// At most this many violations are listed for one document.
inline constexpr size_t kMaxViolations = 100;

// All rules a document breaks, in the order of its fields; empty: it is well formed. The framework a document names is
// resolved by the caller; `framework` is what its ids are checked against.
std::vector<Violation> CheckScorecard(const v1::Scorecard& scorecard, const CompiledFramework& framework);
std::vector<Violation> CheckPortfolio(const v1::Portfolio& portfolio, const CompiledFramework& framework);
std::vector<Violation> CheckOutcome(const v1::Outcome& outcome, const CompiledFramework& framework);
std::vector<Violation> CheckDecision(const v1::DecisionDocument& decision, const CompiledFramework& framework);
std::vector<Violation> CheckTask(const v1::TaskDocument& task, const CompiledFramework& framework);

// The document a submission holds, checked by its own rules, each field prefixed with the name of the content
// ("scorecard.rater.id"). A repository has none and gives no violation.
std::vector<Violation> CheckDocument(const v1::NewSubmission& submission, const CompiledFramework& framework);

// Line of `field` in the file a document was read from; of the nearest enclosing field when it has none of its own (a
// missing key); 0 when nothing is known.
uint32_t LineOf(const v1::SourceMap& source, absl::string_view field);

// INVALID_ARGUMENT with one line for each violation, "file:line: field: found …; allowed: …" where the source map knows
// the place; OK for none.
absl::Status ToStatus(const std::vector<Violation>& violations, const v1::SourceMap& source);

}  // namespace assay::readiness
