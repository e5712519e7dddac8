// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/readiness.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/readiness/canonical_inputs.h"
#include "services/readiness/contradictions.h"
#include "services/readiness/evidence.h"
#include "services/readiness/gates.h"
#include "services/readiness/next_evidence.h"
#include "services/readiness/normal.h"
#include "services/readiness/posterior.h"

namespace assay::readiness {
namespace {

constexpr double kTolerance = 1e-9;

double OnScale(double x) { return Round9(std::clamp(x, 0.0, 4.0)); }

// Interval is a message of two numbers on the scale.
void SetInterval(double mean, double variance, v1::Interval& interval) {
  const double half = kInterval90 * std::sqrt(variance);
  interval.set_low(OnScale(mean - half));
  interval.set_high(OnScale(mean + half));
}

double WeightOr1(double weight) { return weight > 0 ? weight : 1; }

// Shares of behaviour weight with evidence.
struct Coverage {
  double covered = 0;
  double weight = 0;
  double share() const { return weight > 0 ? covered / weight : 0; }
};

Coverage CoverageOf(const CompetencyEvidence& evidence, double rating_coverage) {
  bool rated = false;
  std::vector<bool> direct(evidence.states.size(), false);
  for (const SourcedPiece& piece : evidence.pieces) {
    direct[piece.piece.node] = true;
    rated = rated || piece.piece.node == 0;
  }
  Coverage coverage;
  for (int k = 0; k < evidence.competency->behaviours_size(); ++k) {
    const double weight = WeightOr1(evidence.competency->behaviours(k).weight());
    coverage.weight += weight;
    coverage.covered += weight * (direct[static_cast<size_t>(k) + 1] ? 1 : rated ? rating_coverage : 0);
  }
  return coverage;
}

// Criteria that speak for a node, the strongest first, each once.
std::vector<std::string> CriteriaOf(const CompetencyEvidence& evidence, size_t node) {
  std::vector<const SourcedPiece*> pieces;
  for (const SourcedPiece& piece : evidence.pieces) {
    if (piece.piece.node == node) pieces.push_back(&piece);
  }
  std::sort(pieces.begin(), pieces.end(), [](const SourcedPiece* a, const SourcedPiece* b) {
    return a->piece.variance != b->piece.variance ? a->piece.variance < b->piece.variance : a->criterion < b->criterion;
  });
  std::vector<std::string> criteria;
  for (const SourcedPiece* piece : pieces) {
    if (std::find(criteria.begin(), criteria.end(), piece->criterion) == criteria.end()) {
      criteria.push_back(piece->criterion);
    }
  }
  return criteria;
}

class Folder {
 public:
  Folder(const CompiledFramework& framework, const v1::RoleProfile& profile, const FoldInputs& inputs)
      : framework_(framework), profile_(profile), model_(framework.proto().model()), inputs_(inputs) {}

  v1::Readiness Run() {
    appraisal_.framework = &framework_;
    appraisal_.profile = &profile_;
    appraisal_.evidence = Collect(framework_, inputs_);
    for (const CompetencyEvidence& evidence : appraisal_.evidence.competencies) {
      std::vector<Piece> pieces;
      for (const SourcedPiece& piece : evidence.pieces) pieces.push_back(piece.piece);
      appraisal_.posteriors.push_back(Solve(model_, static_cast<size_t>(evidence.competency->behaviours_size()),
                                            appraisal_.evidence.sessions.size(), pieces));
      coverage_.push_back(CoverageOf(evidence, model_.rating_coverage()));
    }
    views_differ_ = ViewsDiffer(appraisal_);

    AddAreas();
    const GateResults gates = DecideGates(appraisal_);
    for (const v1::GateReadiness& gate : gates.gates) *readiness_.add_gates() = gate;
    readiness_.set_gates_probability(Round9(gates.together));
    const double coverage = TotalCoverage();
    readiness_.set_coverage(Round9(coverage));
    Decide(gates, coverage);
    for (v1::Contradiction& c : FindContradictions(appraisal_, views_differ_)) {
      *readiness_.add_contradictions() = std::move(c);
    }
    AddNextEvidence(gates, coverage);
    for (const std::string& criterion : appraisal_.evidence.unmapped) readiness_.add_unmapped_criteria(criterion);
    SetProvenance();
    return std::move(readiness_);
  }

 private:
  double CompetencyWeight(const v1::Competency& competency) const {
    const auto found = profile_.competency_weights().find(competency.id());
    return WeightOr1(found == profile_.competency_weights().end() ? competency.weight() : found->second);
  }

  std::string GateOf(const v1::Competency& competency) const {
    for (const v1::RoleProfile::Gate& gate : profile_.gates()) {
      for (const std::string& member : gate.members()) {
        const v1::Competency* owner = framework_.CompetencyOf(member);
        if (member == competency.id() || owner == &competency) return gate.id();
      }
    }
    return "";
  }

  void AddAreas() {
    size_t next = 0;
    for (const v1::Area& area : framework_.proto().areas()) {
      const size_t first = next;
      v1::AreaReadiness& result = *readiness_.add_areas();
      result.set_id(area.id());
      result.set_name(area.name());
      Coverage covered;
      for (const v1::Competency& competency : area.competencies()) {
        AddCompetency(competency, next, *result.add_competencies());
        covered.covered += coverage_[next].covered;
        covered.weight += coverage_[next].weight;
        ++next;
      }
      double mean = 0;
      double variance = 0;
      AreaMoments(first, next, mean, variance);
      area_moments_.push_back({mean, variance});
      result.set_score(OnScale(mean));
      SetInterval(mean, variance, *result.mutable_interval());
      result.set_coverage(Round9(covered.share()));
    }
  }

  // Weighted mean of the competencies [first, last). Their errors are tied where one rater rated several of them in one
  // session: what that session is off by moves them together.
  void AreaMoments(size_t first, size_t last, double& mean, double& variance) const {
    double total = 0;
    for (size_t i = first; i < last; ++i) total += CompetencyWeight(*appraisal_.evidence.competencies[i].competency);
    if (total <= 0) return;
    std::vector<double> together(appraisal_.evidence.sessions.size(), 0.0);
    double alone = 0;
    for (size_t i = first; i < last; ++i) {
      const double weight = CompetencyWeight(*appraisal_.evidence.competencies[i].competency) / total;
      const Posterior& posterior = appraisal_.posteriors[i];
      mean += weight * posterior.mean[0];
      alone += weight * weight * posterior.variance[0];
      for (size_t s = 0; s < together.size(); ++s) {
        const double move = weight * posterior.session_gain[s];
        together[s] += move;
        alone -= move * move * model_.session_variance();
      }
    }
    for (const double move : together) alone += move * move * model_.session_variance();
    variance = alone;
  }

  void AddCompetency(const v1::Competency& competency, size_t index, v1::CompetencyReadiness& result) const {
    const CompetencyEvidence& evidence = appraisal_.evidence.competencies[index];
    const Posterior& posterior = appraisal_.posteriors[index];
    result.set_id(competency.id());
    result.set_name(competency.name());
    result.set_score(OnScale(posterior.mean[0]));
    SetInterval(posterior.mean[0], posterior.variance[0], *result.mutable_interval());
    result.set_coverage(Round9(coverage_[index].share()));
    result.set_gate(GateOf(competency));
    result.set_machine_information(Round9(posterior.machine_information));
    result.set_human_information(Round9(posterior.human_information));
    result.set_views_differ(views_differ_[index]);
    for (int k = 0; k < competency.behaviours_size(); ++k) {
      const size_t node = static_cast<size_t>(k) + 1;
      v1::BehaviourReadiness& behaviour = *result.add_behaviours();
      behaviour.set_id(competency.behaviours(k).id());
      behaviour.set_text(competency.behaviours(k).text());
      behaviour.set_score(OnScale(posterior.mean[node]));
      SetInterval(posterior.mean[node], posterior.variance[node], *behaviour.mutable_interval());
      behaviour.set_state(evidence.states[node]);
      behaviour.set_needs_person(!framework_.IsSeenByMachines(behaviour.id()));
      for (std::string& criterion : CriteriaOf(evidence, node)) behaviour.add_criteria(std::move(criterion));
    }
  }

  double TotalCoverage() const {
    Coverage total;
    for (const Coverage& coverage : coverage_) {
      total.covered += coverage.covered;
      total.weight += coverage.weight;
    }
    return total.share();
  }

  void Decide(const GateResults& gates, double coverage) {
    const bool covered = coverage + kTolerance >= profile_.minimum_coverage();
    bool all_met = true;
    bool one_failed = false;
    for (const v1::GateReadiness& gate : gates.gates) {
      all_met = all_met && gate.state() == v1::GateReadiness::MET;
      one_failed = one_failed || gate.state() == v1::GateReadiness::NOT_MET;
    }
    const bool likely_together = gates.together + kTolerance >= profile_.decision_probability();
    std::vector<std::string> low_areas;
    const bool area_failed = AreasBelow(low_areas);
    if (covered && (one_failed || (all_met && area_failed))) {
      readiness_.set_status(v1::Readiness::NOT_YET);
      return;
    }
    if (covered && all_met && likely_together && low_areas.empty()) {
      readiness_.set_status(v1::Readiness::READY);
      return;
    }
    readiness_.set_status(v1::Readiness::NOT_ENOUGH_EVIDENCE);
    if (!covered) {
      readiness_.add_undecided_because(
          absl::StrFormat("Evidence covers %.0f %% of the behaviours; a statement needs %.0f %%.", coverage * 100,
                          profile_.minimum_coverage() * 100));
    }
    for (const v1::GateReadiness& gate : gates.gates) {
      if (gate.state() == v1::GateReadiness::UNDECIDED) {
        readiness_.add_undecided_because(absl::StrCat("Gate ", gate.id(), " is open; it needs ", gate.needs(), "."));
      }
    }
    if (all_met && !likely_together) {
      readiness_.add_undecided_because(absl::StrFormat(
          "Each gate is met by itself, all of them together with a probability of %.2f; %.2f is needed.",
          gates.together, profile_.decision_probability()));
    }
    for (const std::string& line : low_areas) readiness_.add_undecided_because(line);
  }

  // Areas whose mean lies below the profile's minimum, one line each; true if one of them surely does.
  bool AreasBelow(std::vector<std::string>& lines) const {
    bool surely = false;
    for (size_t i = 0; i < area_moments_.size(); ++i) {
      const auto& [mean, variance] = area_moments_[i];
      if (mean + kTolerance >= profile_.area_minimum()) continue;
      const v1::Area& area = framework_.proto().areas(static_cast<int>(i));
      lines.push_back(absl::StrFormat("Area %s (%s) is at %.2f; %.2f is needed.", area.id(), area.name(), mean,
                                      profile_.area_minimum()));
      const double reached = NormalCdf((mean - profile_.area_minimum()) / std::sqrt(variance));
      surely = surely || reached <= 1 - profile_.decision_probability() + kTolerance;
    }
    return surely;
  }

  void AddNextEvidence(const GateResults& gates, double coverage) {
    std::vector<double> shares;
    for (const Coverage& c : coverage_) shares.push_back(c.share());
    const bool needed = coverage + kTolerance < profile_.minimum_coverage();
    for (v1::NextEvidence& next : RankNextEvidence(appraisal_, gates, needed, shares)) {
      *readiness_.add_next_evidence() = std::move(next);
    }
  }

  void SetProvenance() {
    v1::Provenance& provenance = *readiness_.mutable_provenance();
    provenance.set_framework_digest(framework_.digest_text());
    provenance.set_calibration(inputs_.calibration.empty() ? "none" : inputs_.calibration);
    for (const auto& [evaluator, digest] : inputs_.plugins) (*provenance.mutable_plugins())[evaluator] = digest;
    provenance.set_profile(profile_.id());
  }

  struct Moments {
    double mean = 0;
    double variance = 1;
  };

  const CompiledFramework& framework_;
  const v1::RoleProfile& profile_;
  const v1::MeasurementModel& model_;
  const FoldInputs& inputs_;
  Appraisal appraisal_;
  std::vector<Coverage> coverage_;
  std::vector<bool> views_differ_;
  std::vector<Moments> area_moments_;
  v1::Readiness readiness_;
};

}  // namespace

v1::Readiness Fold(const CompiledFramework& framework, const v1::RoleProfile& profile, const FoldInputs& inputs) {
  const FoldInputs canonical = Canonical(inputs);
  return Folder(framework, profile, canonical).Run();
}

}  // namespace assay::readiness
