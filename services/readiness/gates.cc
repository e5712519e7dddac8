// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/gates.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/readiness/normal.h"

namespace assay::readiness {
namespace {

constexpr double kTolerance = 1e-9;

struct Member {
  Place place;
  double probability = 0;
  // The same by people's view alone: machines and documents may strengthen it, never turn it round.
  double probability_by_people = 0;
  bool seen_by_person = false;
  bool reliable = false;
};

double Reached(const Posterior& posterior, size_t node, double minimum) {
  return NormalCdf((posterior.mean[node] - minimum) / std::sqrt(posterior.variance[node]));
}

double PriorVariance(const v1::MeasurementModel& model, size_t node) {
  return model.prior_variance() + (node == 0 ? 0 : model.behaviour_variance());
}

// Pieces of persons that speak to a member: of a competency, ratings and marks within; of a behaviour, its marks and
// ratings of the competency.
bool SpeaksTo(const SourcedPiece& piece, size_t node) {
  return piece.piece.channel == Channel::kHuman && (node == 0 || piece.piece.node == 0 || piece.piece.node == node);
}

Member Judge(const Appraisal& appraisal, const std::string& id, double minimum) {
  const v1::MeasurementModel& model = appraisal.framework->proto().model();
  Member member;
  member.place = PlaceOf(appraisal, id);
  const CompetencyEvidence& evidence = appraisal.evidence.competencies[member.place.competency];
  const Posterior& posterior = appraisal.posteriors[member.place.competency];
  const double variance = posterior.variance[member.place.node];
  member.probability = Reached(posterior, member.place.node, minimum);
  std::vector<Piece> pieces;
  for (const SourcedPiece& piece : evidence.pieces) {
    member.seen_by_person = member.seen_by_person || SpeaksTo(piece, member.place.node);
    pieces.push_back(piece.piece);
  }
  const Posterior people =
      Solve(model, static_cast<size_t>(evidence.competency->behaviours_size()), appraisal.evidence.sessions.size(),
            pieces, {.human = true, .machine = false, .document = false, .capped = false});
  member.probability_by_people = Reached(people, member.place.node, minimum);
  member.reliable =
      1 - variance / PriorVariance(model, member.place.node) + kTolerance >= appraisal.profile->minimum_reliability();
  return member;
}

// Raters of a gate: distinct persons with a role that counts, over all its members.
struct Raters {
  std::set<std::string> persons;
  std::set<std::string> roles;
};

Raters RatersOf(const Appraisal& appraisal, const v1::RoleProfile::Gate& gate) {
  Raters raters;
  for (const std::string& id : gate.members()) {
    const Place place = PlaceOf(appraisal, id);
    for (const SourcedPiece& piece : appraisal.evidence.competencies[place.competency].pieces) {
      if (!SpeaksTo(piece, place.node)) continue;
      const SessionKey& session = appraisal.evidence.sessions[piece.piece.session];
      const auto& roles = gate.rater_roles();
      const bool counts = roles.empty() || std::find(roles.begin(), roles.end(), session.rater_role) != roles.end();
      if (!counts || session.rater_key.empty()) continue;
      raters.persons.insert(session.rater_key);
      raters.roles.insert(session.rater_role);
    }
  }
  return raters;
}

// What a gate lacks of persons, in words; empty: nothing.
std::vector<std::string> MissingPersons(const v1::RoleProfile::Gate& gate, const Raters& raters) {
  std::vector<std::string> missing;
  std::set<std::string> required(gate.required_roles().begin(), gate.required_roles().end());
  if (gate.every_role()) required.insert(gate.rater_roles().begin(), gate.rater_roles().end());
  size_t absent_roles = 0;
  for (const std::string& role : required) {
    if (raters.roles.contains(role)) continue;
    ++absent_roles;
    missing.push_back(absl::StrCat("ratings by a ", role));
  }
  const size_t heard = raters.persons.size() + absent_roles;
  if (heard < gate.raters()) {
    const size_t count = gate.raters() - heard;
    const std::string role = gate.rater_roles_size() == 1 ? gate.rater_roles(0) : "person";
    missing.push_back(absl::StrCat("ratings by ", count, raters.persons.empty() && absent_roles == 0 ? " " : " more ",
                                   role, count == 1 ? "" : "s"));
  }
  return missing;
}

std::vector<std::string> MissingOnMembers(const std::vector<Member>& members) {
  std::vector<std::string> unseen;
  std::vector<std::string> vague;
  std::vector<std::string> disputed;
  for (const Member& member : members) {
    if (!member.seen_by_person) {
      unseen.push_back(member.place.name);
    } else if (!member.reliable) {
      vague.push_back(member.place.name);
    } else if ((member.probability >= 0.5) != (member.probability_by_people >= 0.5)) {
      disputed.push_back(member.place.name);
    }
  }
  std::vector<std::string> missing;
  if (!unseen.empty()) missing.push_back(absl::StrCat("a person's view of ", absl::StrJoin(unseen, ", ")));
  if (!vague.empty()) missing.push_back(absl::StrCat("more evidence on ", absl::StrJoin(vague, ", ")));
  if (!disputed.empty()) {
    missing.push_back(absl::StrCat("a talk about ", absl::StrJoin(disputed, ", "),
                                   ", where people's view and the other evidence point to different sides"));
  }
  return missing;
}

// P(all members) without knowing how members of one competency hang together: Fréchet's lower bound inside a
// competency; across competencies independence, which is below the truth since shared raters tie them together.
double LowBound(const std::map<size_t, std::vector<double>>& by_competency) {
  double product = 1;
  for (const auto& [competency, probabilities] : by_competency) {
    double sum = 1 - static_cast<double>(probabilities.size());
    for (const double p : probabilities) sum += p;
    product *= std::max(0.0, sum);
  }
  return product;
}

}  // namespace

Place PlaceOf(const Appraisal& appraisal, const std::string& member) {
  const auto& competencies = appraisal.evidence.competencies;
  for (size_t i = 0; i < competencies.size(); ++i) {
    const v1::Competency& competency = *competencies[i].competency;
    if (competency.id() == member) return {i, 0, absl::StrCat(competency.id(), " ", competency.name())};
    for (int k = 0; k < competency.behaviours_size(); ++k) {
      const v1::Behaviour& behaviour = competency.behaviours(k);
      if (behaviour.id() == member) {
        return {i, static_cast<size_t>(k) + 1, absl::StrCat(behaviour.id(), " (", competency.name(), ")")};
      }
    }
  }
  return {};
}

std::vector<std::string> MustHaves(const v1::RoleProfile& profile) {
  std::vector<std::string> ids;
  for (const v1::RoleProfile::Gate& gate : profile.gates()) {
    for (const std::string& id : gate.members()) {
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
  }
  return ids;
}

GateResults DecideGates(const Appraisal& appraisal) {
  GateResults results;
  const double needed = appraisal.profile->decision_probability();
  // Of a member that stands in several gates the hardest minimum counts, once.
  std::map<std::string, std::pair<size_t, double>> everywhere;
  for (const v1::RoleProfile::Gate& gate : appraisal.profile->gates()) {
    std::vector<Member> members;
    std::map<size_t, std::vector<double>> by_competency;
    for (const std::string& id : gate.members()) {
      members.push_back(Judge(appraisal, id, gate.minimum()));
      const Member& member = members.back();
      by_competency[member.place.competency].push_back(member.probability);
      auto [known, added] = everywhere.try_emplace(id, member.place.competency, member.probability);
      if (!added) known->second.second = std::min(known->second.second, member.probability);
    }
    const double probability = LowBound(by_competency);
    const std::vector<std::string> persons = MissingPersons(gate, RatersOf(appraisal, gate));
    const std::vector<std::string> evidence = MissingOnMembers(members);
    const bool failed = std::any_of(members.begin(), members.end(), [&](const Member& member) {
      return member.seen_by_person && member.reliable && member.probability_by_people < 0.5 &&
             member.probability <= 1 - needed + kTolerance;
    });

    v1::GateReadiness& result = results.gates.emplace_back();
    result.set_id(gate.id());
    result.set_rule(gate.rule());
    result.set_probability(Round9(probability));
    if (persons.empty() && failed) {
      result.set_state(v1::GateReadiness::NOT_MET);
    } else if (persons.empty() && evidence.empty() && probability + kTolerance >= needed) {
      result.set_state(v1::GateReadiness::MET);
    } else {
      result.set_state(v1::GateReadiness::UNDECIDED);
      std::vector<std::string> missing = persons;
      missing.insert(missing.end(), evidence.begin(), evidence.end());
      if (missing.empty()) missing.push_back("evidence that moves the estimate away from the line");
      result.set_needs(absl::StrJoin(missing, "; "));
    }
  }
  std::map<size_t, std::vector<double>> by_competency;
  for (const auto& [id, member] : everywhere) by_competency[member.first].push_back(member.second);
  results.together = LowBound(by_competency);
  return results;
}

}  // namespace assay::readiness
