// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/submission.pb.h"

namespace assay::gateway {

// What a submission's content says about itself, whatever its kind.
struct ContentFacts {
  v1::Submission::Kind kind = v1::Submission::KIND_UNSPECIFIED;
  // "scorecard", "repository", …: the name of the field that holds it.
  std::string field;
  // As the document names them; empty where it does not.
  std::string candidate;
  std::string assessment;
  std::string framework;
  // What a later submission supersedes by: for a scorecard "rater/occasion".
  std::string source;
  std::string rater;
  std::string rater_role;
  // For a task.
  std::vector<std::string> asked_behaviours;
};

ContentFacts FactsOf(const v1::NewSubmission& submission);

// The document as protojson with proto field names, keys in a fixed order: equal documents give equal bytes. With or
// without the map of its source lines. Empty for a repository.
absl::StatusOr<std::string> CanonicalJson(const v1::NewSubmission& submission, bool with_source_map);

}  // namespace assay::gateway
