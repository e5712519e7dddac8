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
  explicit Ranking(const Appraisal& appraisal) : appraisal_(appraisal), model_(appraisal.framework->proto().model()) {
    for (const std::string& id : MustHaves(*appraisal.profile)) must_haves_.push_back(PlaceOf(appraisal, id));
  }

  std::vector<v1::NextEvidence> Run(bool coverage_needed, const std::vector<double>& coverage) {
    std::vector<v1::NextEvidence> ranked;
    for (const Effort& effort : Efforts()) {
      const double drop = Drop(effort);
      if (drop < kLeastDrop) continue;
      ranked.push_back(ToProto(effort, drop));
    }
    std::sort(ranked.begin(), ranked.end(), [](const v1::NextEvidence& a, const v1::NextEvidence& b) {
      const double left = a.interval_drop() * b.minutes();
      const double right = b.interval_drop() * a.minutes();
      return left != right ? left > right : a.what() < b.what();
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
        for (const Place& place : must_haves_) AddHuman(mapping, place, efforts);
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

  double Drop(const Effort& effort) const {
    std::map<size_t, std::vector<Piece>> added;
    for (const NewPiece& piece : effort.pieces) added[piece.competency].push_back(piece.piece);
    double drop = 0;
    for (const auto& [competency, pieces] : added) {
      const bool matters = std::any_of(must_haves_.begin(), must_haves_.end(),
                                       [c = competency](const Place& place) { return place.competency == c; });
      if (!matters) continue;
      const CompetencyEvidence& known = appraisal_.evidence.competencies[competency];
      std::vector<Piece> all;
      for (const SourcedPiece& piece : known.pieces) all.push_back(piece.piece);
      all.insert(all.end(), pieces.begin(), pieces.end());
      const Posterior after = Solve(model_, static_cast<size_t>(known.competency->behaviours_size()),
                                    appraisal_.evidence.sessions.size() + 1, all);
      for (const Place& place : must_haves_) {
        if (place.competency != competency) continue;
        drop += Width(appraisal_.posteriors[competency], place.node) - Width(after, place.node);
      }
    }
    return drop;
  }

  v1::NextEvidence ToProto(const Effort& effort, double drop) const {
    v1::NextEvidence result;
    result.set_what(effort.what);
    for (const std::string& id : effort.behaviours) result.add_behaviours(id);
    result.set_interval_drop(Round9(drop));
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
      ranked.push_back(ToProto(effort, 0));
      ++added;
    }
  }

  const Appraisal& appraisal_;
  const v1::MeasurementModel& model_;
  std::vector<Place> must_haves_;
};

}  // namespace

std::vector<v1::NextEvidence> RankNextEvidence(const Appraisal& appraisal, bool coverage_needed,
                                               const std::vector<double>& coverage) {
  return Ranking(appraisal).Run(coverage_needed, coverage);
}

}  // namespace assay::readiness
