// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "assay/event/v1/event.pb.h"
#include "assay/v1/readiness.pb.h"
#include "assay/v1/submission.pb.h"
#include "services/readiness/framework.h"

namespace assay::readiness {

// What the fold needs of one submission that speaks: not superseded, not withdrawn, not erased.
struct CountedSubmission {
  // Any text that is unique within the inputs.
  std::string id;
  v1::Submission::Kind kind = v1::Submission::KIND_UNSPECIFIED;
  // Of every evaluation of it that succeeded, in any order.
  std::vector<event::v1::FoldObservation> observations;
  std::vector<event::v1::FoldClaim> claims;
};

struct FoldInputs {
  std::vector<CountedSubmission> submissions;  // in any order
  // Evaluator → plugin digest, for the provenance.
  std::map<std::string, std::string> plugins;
  // Behaviours the task asked for; empty: all. What a repository shows of others is NOT_ASKED and weighs nothing.
  std::vector<std::string> asked_behaviours;
  // Name of the calibration whose severities were applied to the ratings; empty: "none".
  std::string calibration;
};

// Folds everything counted about one assessment into a readiness signal. Pure; equal inputs in any order, and with any
// ids and keys of submissions, raters and occasions, give equal bytes. `profile` must be one of `framework`'s. The model, with sources: README.md beside this file.
//
// Total: never fails, whatever the observations hold. Values outside their ranges are brought into them; criteria that
// the framework does not name are listed as unmapped. Time grows with the number of observations times their logarithm.
v1::Readiness Fold(const CompiledFramework& framework, const v1::RoleProfile& profile, const FoldInputs& inputs);

}  // namespace assay::readiness
