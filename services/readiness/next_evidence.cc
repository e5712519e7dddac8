// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/next_evidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/readiness/normal.h"

namespace assay::readiness {
namespace {

// Error of an observation nobody has made yet, on 0..1.
constexpr double kTypicalError = 0.15;
// A drop below this is not worth a line.
constexpr double kLeastDrop = 0.001;

// A member of the profile's gates.
struct MustHave {
  Place place;
  // Of its undecided gates, the hardest; 0: every gate it stands in is decided.
  double open_minimum = 0;
};

struct Drop {
  double risk = 0;
  double width = 0;
};

// The chance that a member with this posterior lies on the other side of `minimum` than its mean does.
double RiskOf(double mean, double variance, double minimum) {
  return NormalCdf(-std::abs(mean - minimum) / std::sqrt(variance));
}

// The same once an observation has narrowed `variance` to `after`, over all it might say: the mean moves by a normal
// with the variance that is lost. A sum over cells of a quarter of its deviation, from -4 to 4.
double ExpectedRisk(double mean, double variance, double after, double minimum) {
  constexpr double kCell = 0.25;
  const double move = std::sqrt(std::max(0.0, variance - after));
  double risk = 0;
  for (int i = -16; i <= 16; ++i) {
    const double z = kCell * i;
    const double share = NormalCdf(z + kCell / 2) - NormalCdf(z - kCell / 2);
    risk += share * RiskOf(mean + move * z, after, minimum);
  }
  return risk;
}

struct NewPiece {
  size_t competency = 0;
  Piece piece;
};

// One thing a person can do, and what it would bring.
struct Effort {
  std::string what;
  std::string command;
  double minutes = 0;
  std::set<std::string> behaviours;
  std::vector<NewPiece> pieces;
};

class Ranking {
 public:
  Ranking(const Appraisal& appraisal, const GateResults& gates)
      : appraisal_(appraisal), model_(appraisal.framework->proto().model()) {
    for (const std::string& id : MustHaves(*appraisal.profile)) {
      MustHave& member = must_haves_.emplace_back(MustHave{PlaceOf(appraisal, id)});
      for (size_t i = 0; i < gates.gates.size(); ++i) {
        const v1::RoleProfile::Gate& gate = appraisal.profile->gates(static_cast<int>(i));
        const bool is_member = std::find(gate.members().begin(), gate.members().end(), id) != gate.members().end();
        if (!is_member || gates.gates[i].state() != v1::GateReadiness::UNDECIDED) continue;
        member.open_minimum = std::max(member.open_minimum, gate.minimum());
      }
    }
  }

  std::vector<v1::NextEvidence> Run(bool coverage_needed, const std::vector<double>& coverage) {
    std::vector<v1::NextEvidence> ranked;
    for (const Effort& effort : Efforts()) {
      const Drop drop = DropOf(effort);
      if (drop.risk < kLeastDrop && drop.width < kLeastDrop) continue;
      ranked.push_back(ToProto(effort, drop));
    }
    std::sort(ranked.begin(), ranked.end(), [](const v1::NextEvidence& a, const v1::NextEvidence& b) {
      const double risk_a = a.risk_drop() * b.minutes(), risk_b = b.risk_drop() * a.minutes();
      if (risk_a != risk_b) return risk_a > risk_b;
      const double width_a = a.interval_drop() * b.minutes(), width_b = b.interval_drop() * a.minutes();
      return width_a != width_b ? width_a > width_b : a.what() < b.what();
    });
    if (ranked.size() > kMaxNextEvidence) ranked.resize(kMaxNextEvidence);
    if (coverage_needed) AddForCoverage(coverage, ranked);
    return ranked;
  }

 private:
  // Efforts by the words that say how to obtain them; ratings and marks by what they are about.
  std::vector<Effort> Efforts() const {
    std::map<std::string, Effort> machine;
    std::vector<Effort> efforts;
    for (const v1::CriterionMapping& mapping : appraisal_.framework->proto().criteria()) {
      if (mapping.method() == v1::Observation::HUMAN) {
        for (const MustHave& member : must_haves_) AddHuman(mapping, member.place, efforts);
      } else if (!appraisal_.evidence.seen.contains(mapping.criterion())) {
        AddAutomatic(mapping, machine[mapping.obtain()]);
      }
    }
    for (auto& [words, effort] : machine) efforts.push_back(std::move(effort));
    return efforts;
  }

  void AddHuman(const v1::CriterionMapping& mapping, const Place& place, std::vector<Effort>& efforts) const {
    const bool rates_competencies = mapping.criterion() == "rating/*";
    if (rates_competencies != (place.node == 0)) return;
    efforts.push_back(HumanEffort(mapping, place));
  }

  Effort HumanEffort(const v1::CriterionMapping& mapping, const Place& place) const {
    const v1::Competency& competency = *appraisal_.evidence.competencies[place.competency].competency;
    Effort effort;
    effort.what = absl::StrCat(place.name, ": ", mapping.obtain());
    effort.command = mapping.command();
    effort.minutes = mapping.minutes();
    for (int k = 0; k < competency.behaviours_size(); ++k) {
      if (place.node == 0 || place.node == static_cast<size_t>(k) + 1) {
        effort.behaviours.insert(competency.behaviours(k).id());
      }
    }
    Piece piece;
    piece.channel = Channel::kHuman;
    piece.node = place.node;
    piece.y = model_.prior_mean();
    piece.variance = model_.rating_variance();
    piece.session = appraisal_.evidence.sessions.size();  // a session of its own
    effort.pieces.push_back({place.competency, piece});
    return effort;
  }

  void AddAutomatic(const v1::CriterionMapping& mapping, Effort& effort) const {
    effort.what = mapping.obtain();
    effort.command = mapping.command();
    effort.minutes = std::max(effort.minutes, mapping.minutes());
    std::map<size_t, std::vector<size_t>> nodes;
    for (const std::string& id : mapping.behaviours()) {
      const Place place = PlaceOf(appraisal_, id);
      nodes[place.competency].push_back(place.node);
      effort.behaviours.insert(id);
    }
    const auto method = model_.method_variance().find(v1::Observation::Method_Name(mapping.method()));
    const double table = method == model_.method_variance().end() ? 1 : method->second;
    for (const auto& [competency, list] : nodes) {
      for (const size_t node : list) {
        Piece piece;
        piece.channel = mapping.method() == v1::Observation::DOCUMENT ? Channel::kDocument : Channel::kMachine;
        piece.node = node;
        piece.y = model_.prior_mean();
        piece.variance =
            (16 * kTypicalError * kTypicalError + table / mapping.strength()) * static_cast<double>(list.size());
        effort.pieces.push_back({competency, piece});
      }
    }
  }

  double Width(const Posterior& posterior, size_t node) const {
    return 2 * kInterval90 * std::sqrt(posterior.variance[node]);
  }

  Drop DropOf(const Effort& effort) const {
    std::map<size_t, std::vector<Piece>> added;
    for (const NewPiece& piece : effort.pieces) added[piece.competency].push_back(piece.piece);
    Drop drop;
    for (const auto& [competency, pieces] : added) {
      const bool matters =
          std::any_of(must_haves_.begin(), must_haves_.end(),
                      [c = competency](const MustHave& member) { return member.place.competency == c; });
      if (!matters) continue;
      const CompetencyEvidence& known = appraisal_.evidence.competencies[competency];
      std::vector<Piece> all;
      for (const SourcedPiece& piece : known.pieces) all.push_back(piece.piece);
      all.insert(all.end(), pieces.begin(), pieces.end());
      const Posterior after = Solve(model_, static_cast<size_t>(known.competency->behaviours_size()),
                                    appraisal_.evidence.sessions.size() + 1, all);
      for (const MustHave& member : must_haves_) {
        if (member.place.competency == competency) AddDrop(member, after, drop);
      }
    }
    return drop;
  }

  void AddDrop(const MustHave& member, const Posterior& after, Drop& drop) const {
    const size_t node = member.place.node;
    const Posterior& now = appraisal_.posteriors[member.place.competency];
    drop.width += Width(now, node) - Width(after, node);
    if (member.open_minimum == 0) return;
    const double risk = RiskOf(now.mean[node], now.variance[node], member.open_minimum);
    const double expected = ExpectedRisk(now.mean[node], now.variance[node], after.variance[node], member.open_minimum);
    drop.risk += std::max(0.0, risk - expected);
  }

  v1::NextEvidence ToProto(const Effort& effort, const Drop& drop) const {
    v1::NextEvidence result;
    result.set_what(effort.what);
    for (const std::string& id : effort.behaviours) result.add_behaviours(id);
    result.set_risk_drop(Round9(drop.risk));
    result.set_interval_drop(Round9(drop.width));
    result.set_minutes(effort.minutes);
    result.set_command(effort.command);
    return result;
  }

  void AddForCoverage(const std::vector<double>& coverage, std::vector<v1::NextEvidence>& ranked) const {
    const CompiledFramework::Target rating = appraisal_.framework->Resolve(absl::StrCat(
        "rating/",
        appraisal_.evidence.competencies.empty() ? "" : appraisal_.evidence.competencies[0].competency->id()));
    if (rating.mapping == nullptr) return;
    std::vector<size_t> order(coverage.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return coverage[a] < coverage[b]; });
    size_t added = 0;
    for (const size_t i : order) {
      if (added == 3 || coverage[i] >= model_.rating_coverage()) break;
      const v1::Competency& competency = *appraisal_.evidence.competencies[i].competency;
      const Effort effort = HumanEffort(*rating.mapping, {i, 0, absl::StrCat(competency.id(), " ", competency.name())});
      const bool listed = std::any_of(ranked.begin(), ranked.end(),
                                      [&](const v1::NextEvidence& known) { return known.what() == effort.what; });
      if (listed) continue;
      ranked.push_back(ToProto(effort, Drop()));
      ++added;
    }
  }

  const Appraisal& appraisal_;
  const v1::MeasurementModel& model_;
  std::vector<MustHave> must_haves_;
};

}  // namespace

std::vector<v1::NextEvidence> RankNextEvidence(const Appraisal& appraisal, const GateResults& gates,
                                               bool coverage_needed, const std::vector<double>& coverage) {
  return Ranking(appraisal, gates).Run(coverage_needed, coverage);
}

}  // namespace assay::readiness
