// SPDX-License-Identifier: Apache-2.0
// Cutting a report down to what one area, competency, behaviour or gate rests on.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/gateway/answers.h"

namespace assay::gateway {
namespace {

// "3" holds "3.1" and "3.1.1", but not "31".
bool Holds(absl::string_view id, absl::string_view member) {
  return id.empty() || member == id || absl::StartsWith(member, absl::StrCat(id, "."));
}

bool Touches(absl::string_view id, absl::string_view member) { return Holds(id, member) || Holds(member, id); }

// Cuts the areas to `id`; the behaviours left.
std::set<std::string> CutAreas(absl::string_view id, v1::Readiness& readiness) {
  std::set<std::string> behaviours;
  google::protobuf::RepeatedPtrField<v1::AreaReadiness> areas;
  for (v1::AreaReadiness& area : *readiness.mutable_areas()) {
    if (!Touches(id, area.id())) continue;
    v1::AreaReadiness& kept = *areas.Add();
    kept = area;
    kept.clear_competencies();
    for (v1::CompetencyReadiness& competency : *area.mutable_competencies()) {
      if (!Touches(id, competency.id())) continue;
      v1::CompetencyReadiness& kept_competency = *kept.add_competencies();
      kept_competency = competency;
      kept_competency.clear_behaviours();
      for (v1::BehaviourReadiness& behaviour : *competency.mutable_behaviours()) {
        if (!Touches(id, behaviour.id())) continue;
        behaviours.insert(behaviour.id());
        *kept_competency.add_behaviours() = std::move(behaviour);
      }
    }
  }
  *readiness.mutable_areas() = std::move(areas);
  return behaviours;
}

template <typename List>
bool AnyOf(const List& ids, const std::set<std::string>& wanted) {
  return std::any_of(ids.begin(), ids.end(), [&](const std::string& id) { return wanted.count(id) > 0; });
}

// Contradictions and efforts about none of these behaviours are another answer's.
void KeepWhatTouches(const std::set<std::string>& behaviours, v1::Readiness& readiness) {
  google::protobuf::RepeatedPtrField<v1::Contradiction> contradictions;
  for (v1::Contradiction& contradiction : *readiness.mutable_contradictions()) {
    if (AnyOf(contradiction.behaviours(), behaviours)) *contradictions.Add() = std::move(contradiction);
  }
  *readiness.mutable_contradictions() = std::move(contradictions);
  google::protobuf::RepeatedPtrField<v1::NextEvidence> efforts;
  for (v1::NextEvidence& effort : *readiness.mutable_next_evidence()) {
    if (AnyOf(effort.behaviours(), behaviours)) *efforts.Add() = std::move(effort);
  }
  *readiness.mutable_next_evidence() = std::move(efforts);
}

}  // namespace

absl::StatusOr<v1::ExplainReadinessResponse> CutToId(v1::EvaluationReport report, absl::string_view id) {
  v1::ExplainReadinessResponse response;
  v1::Readiness& readiness = *response.mutable_readiness();
  readiness = std::move(*report.mutable_readiness());
  // A gate stands for the competencies that belong to it.
  std::set<std::string> ids, behaviours;
  for (const v1::GateReadiness& gate : readiness.gates()) {
    if (gate.id() != id) continue;
    for (const v1::AreaReadiness& area : readiness.areas()) {
      for (const v1::CompetencyReadiness& competency : area.competencies()) {
        if (competency.gate() == id) ids.insert(competency.id());
      }
    }
  }
  if (ids.empty()) ids.insert(std::string(id));
  v1::Readiness kept = readiness;
  kept.clear_areas();
  for (const std::string& wanted : ids) {
    v1::Readiness part = readiness;
    const std::set<std::string> found = CutAreas(wanted, part);
    behaviours.insert(found.begin(), found.end());
    for (v1::AreaReadiness& area : *part.mutable_areas()) *kept.add_areas() = std::move(area);
  }
  if (kept.areas().empty()) {
    return absl::NotFoundError(
        absl::StrCat("id: the framework has no area, competency, behaviour or gate \"", id, "\""));
  }
  readiness = std::move(kept);
  if (!id.empty()) {
    google::protobuf::RepeatedPtrField<v1::GateReadiness> gates;
    for (v1::GateReadiness& gate : *readiness.mutable_gates()) {
      const auto belongs = [&](const v1::AreaReadiness& area) {
        const auto& competencies = area.competencies();
        return std::any_of(competencies.begin(), competencies.end(),
                           [&](const v1::CompetencyReadiness& competency) { return competency.gate() == gate.id(); });
      };
      const auto& areas = readiness.areas();
      if (std::any_of(areas.begin(), areas.end(), belongs)) *gates.Add() = std::move(gate);
    }
    *readiness.mutable_gates() = std::move(gates);
  }

  if (!id.empty()) KeepWhatTouches(behaviours, readiness);

  std::set<std::string> criteria, digests;
  for (v1::Observation& observation : *report.mutable_observations()) {
    if (!id.empty() && !AnyOf(observation.behaviours(), behaviours)) continue;
    criteria.insert(observation.criterion());
    digests.insert(observation.evidence().begin(), observation.evidence().end());
    *response.add_observations() = std::move(observation);
  }
  for (v1::Claim& claim : *report.mutable_claims()) {
    if (!id.empty() && criteria.count(claim.id()) == 0) continue;
    digests.insert(claim.evidence().begin(), claim.evidence().end());
    *response.add_claims() = std::move(claim);
  }
  for (v1::Finding& finding : *report.mutable_findings()) {
    if (!id.empty() && !AnyOf(finding.behaviours(), behaviours) && criteria.count(finding.criterion()) == 0) continue;
    digests.insert(finding.evidence());
    *response.add_findings() = std::move(finding);
  }
  for (v1::Evidence& evidence : *report.mutable_evidence()) {
    if (digests.count(evidence.digest()) > 0) *response.add_evidence() = std::move(evidence);
  }
  for (auto& [digest, run] : *report.mutable_load_runs()) {
    if (digests.count(digest) > 0) (*response.mutable_load_runs())[digest] = std::move(run);
  }
  return response;
}

}  // namespace assay::gateway
