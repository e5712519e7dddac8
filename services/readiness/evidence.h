// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "assay/v1/readiness.pb.h"
#include "services/readiness/posterior.h"
#include "services/readiness/readiness.h"

namespace assay::readiness {

// One rater on one occasion.
struct SessionKey {
  std::string rater_key;
  std::string rater_role;
  std::string occasion_key;
  friend auto operator<=>(const SessionKey&, const SessionKey&) = default;
};

// A Piece and where it comes from.
struct SourcedPiece {
  Piece piece;
  std::string criterion;
  v1::Observation::Method method = v1::Observation::METHOD_UNSPECIFIED;
  std::string evidence;  // "sha256:…", or empty
};

// Everything counted about one competency; node k is its k-th behaviour.
struct CompetencyEvidence {
  const v1::Competency* competency = nullptr;
  std::vector<SourcedPiece> pieces;
  // By node; of what was not observed, why. Index 0 is unused.
  std::vector<v1::Observation::State> states;
};

// A claim of the code that a run did not bear out.
struct OpposedClaim {
  std::string criterion;
  std::vector<std::string> behaviours;
  std::string code_evidence;
  std::string run_evidence;
};

// What the submissions say, in the model's terms and in one fixed order.
struct Evidence {
  std::vector<SessionKey> sessions;              // sorted; pieces refer to them by index
  std::vector<CompetencyEvidence> competencies;  // in the framework's order
  std::vector<OpposedClaim> opposed;             // by criterion
  std::set<std::string> unmapped;
  // Criteria anything was reported on, whatever its state.
  std::set<std::string> seen;
};

// Brings observations and claims into pieces:
//  - a verdict of a run takes the place of what the code suggests about the same criterion of the same submission;
//  - several observations of one criterion of one submission are one opinion: their mean with the largest error;
//  - one observation that speaks for several behaviours of a competency tells them together no more than one;
//  - what was given, self-ratings and unsupported ratings bring no piece; what was shared or is unknown brings less.
Evidence Collect(const CompiledFramework& framework, const FoldInputs& inputs);

}  // namespace assay::readiness
