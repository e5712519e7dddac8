// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "services/readiness/evidence.h"
#include "services/readiness/posterior.h"

namespace assay::readiness {

// The evidence with what it amounts to; the common ground of gates, contradictions and next evidence.
struct Appraisal {
  const CompiledFramework* framework = nullptr;
  const v1::RoleProfile* profile = nullptr;
  Evidence evidence;
  std::vector<Posterior> posteriors;  // by competency, as in evidence
};

// Where a gate's member stands in an appraisal.
struct Place {
  size_t competency = 0;
  size_t node = 0;
  std::string name;  // "3.1 Load shedding and backpressure"
};
// The member must exist: the framework was validated.
Place PlaceOf(const Appraisal& appraisal, const std::string& member);

// Every distinct member of the profile's gates, in order of first mention.
std::vector<std::string> MustHaves(const v1::RoleProfile& profile);

struct GateResults {
  std::vector<v1::GateReadiness> gates;  // in the order of the profile
  // P(all gates are met), from below: competencies taken as independent.
  double together = 1;
};

// A gate is MET when all its members reach their minimum with the profile's probability, NOT_MET when one of them fails
// with that probability; and only if the persons it needs were heard, and what they saw of each member that decides
// points the same way by itself. Else UNDECIDED, with what is missing. So machines and documents may settle what people
// lean to; they never decide alone, nor against people.
GateResults DecideGates(const Appraisal& appraisal);

}  // namespace assay::readiness
