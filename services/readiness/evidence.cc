// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/evidence.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace assay::readiness {
namespace {

using event::v1::FoldClaim;
using event::v1::FoldObservation;
using v1::Observation;

// Values arrive from plugins: bring what is outside, NaN included, into the range. Ordering uses clamped values too,
// because a NaN would break it.
double Clamp(double x, double low, double high) { return x >= low ? (x <= high ? x : high) : low; }

std::string FirstEvidence(const google::protobuf::RepeatedPtrField<std::string>& digests) {
  if (digests.empty()) return "";
  const absl::StatusOr<Digest> digest = Digest::FromBytes(digests.Get(0));
  return digest.ok() ? digest->ToString() : "";
}

auto OrderOf(const FoldObservation& o) {
  return std::make_tuple(o.criterion(), static_cast<int>(o.method()), static_cast<int>(o.state()),
                         static_cast<int>(o.authorship()), o.rater_role(), o.rater_key(), o.occasion_key(),
                         o.unscored(), Clamp(o.value(), 0, 1), Clamp(o.standard_error(), 0, 0.5),
                         FirstEvidence(o.evidence()));
}
auto OrderOf(const FoldClaim& c) {
  return std::make_tuple(c.criterion(), c.claim(), static_cast<int>(c.verdict()), static_cast<int>(c.authorship()),
                         FirstEvidence(c.evidence()));
}

template <typename T>
std::vector<const T*> Sorted(const std::vector<T>& items) {
  std::vector<const T*> sorted;
  sorted.reserve(items.size());
  for (const T& item : items) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(), [](const T* a, const T* b) { return OrderOf(*a) < OrderOf(*b); });
  return sorted;
}

// The state that says most about why nothing was observed.
int Rank(Observation::State state) {
  switch (state) {
    case Observation::OBSERVED:
      return 4;
    case Observation::NOT_ASKED:
      return 3;
    case Observation::NOT_OBSERVABLE:
      return 2;
    case Observation::NOT_OBSERVED_YET:
      return 1;
    default:
      return 0;
  }
}

// Of a criterion's claims the least favourable verdict speaks.
int Weight(v1::Claim::Verdict verdict) {
  switch (verdict) {
    case v1::Claim::REFUTED:
      return 3;
    case v1::Claim::CONFIRMED:
      return 2;
    case v1::Claim::INCONCLUSIVE:
      return 1;
    default:
      return 0;
  }
}

v1::ExperimentValue Lookup(const google::protobuf::Map<std::string, v1::ExperimentValue>& table,
                           const std::string& key) {
  const auto found = table.find(key);
  return found == table.end() ? v1::ExperimentValue() : found->second;
}

double LookupNumber(const google::protobuf::Map<std::string, double>& table, const std::string& key, double otherwise) {
  const auto found = table.find(key);
  return found == table.end() ? otherwise : found->second;
}

// What one submission's machines say about one criterion.
struct MachineView {
  std::vector<const FoldObservation*> code;         // OBSERVED, not by experiment, not given
  std::vector<const FoldObservation*> experiments;  // OBSERVED, by experiment, not given
  bool given = false;                               // something was observed that the candidate did not write
  Observation::State state = Observation::STATE_UNSPECIFIED;
  const FoldClaim* claim = nullptr;  // the one whose verdict speaks
};

class Collector {
 public:
  Collector(const CompiledFramework& framework, const FoldInputs& inputs)
      : framework_(framework), model_(framework.proto().model()), inputs_(inputs) {
    for (const v1::Area& area : framework.proto().areas()) {
      for (const v1::Competency& competency : area.competencies()) {
        for (int k = 0; k < competency.behaviours_size(); ++k) {
          places_[&competency.behaviours(k)] = {evidence_.competencies.size(), static_cast<size_t>(k) + 1};
        }
        place_of_competency_[&competency] = evidence_.competencies.size();
        evidence_.competencies.push_back(
            {&competency,
             {},
             std::vector<Observation::State>(static_cast<size_t>(competency.behaviours_size()) + 1,
                                             Observation::NOT_OBSERVED_YET)});
      }
    }
    asked_.insert(inputs.asked_behaviours.begin(), inputs.asked_behaviours.end());
  }

  Evidence Run() {
    CollectSessions();
    std::vector<const CountedSubmission*> submissions;
    for (const CountedSubmission& submission : inputs_.submissions) submissions.push_back(&submission);
    std::sort(submissions.begin(), submissions.end(), [](const CountedSubmission* a, const CountedSubmission* b) {
      return std::tie(a->id, a->kind) < std::tie(b->id, b->kind);
    });
    for (const CountedSubmission* submission : submissions) AddSubmission(*submission);
    std::sort(evidence_.opposed.begin(), evidence_.opposed.end(), [](const OpposedClaim& a, const OpposedClaim& b) {
      return std::tie(a.criterion, a.code_evidence, a.run_evidence) <
             std::tie(b.criterion, b.code_evidence, b.run_evidence);
    });
    return std::move(evidence_);
  }

 private:
  static SessionKey KeyOf(const FoldObservation& o) { return {o.rater_key(), o.rater_role(), o.occasion_key()}; }

  static bool Scored(const FoldObservation& o) {
    return !o.unscored() && o.rater_role() != "self" && o.state() == Observation::OBSERVED;
  }

  bool IsHuman(const CompiledFramework::Target& target) const {
    return target.mapping != nullptr && target.mapping->method() == Observation::HUMAN;
  }

  void CollectSessions() {
    std::set<SessionKey> keys;
    for (const CountedSubmission& submission : inputs_.submissions) {
      for (const FoldObservation& o : submission.observations) {
        if (Scored(o) && IsHuman(framework_.Resolve(o.criterion()))) keys.insert(KeyOf(o));
      }
    }
    evidence_.sessions.assign(keys.begin(), keys.end());
  }

  void AddSubmission(const CountedSubmission& submission) {
    only_asked_ = submission.kind == v1::Submission::REPOSITORY && !asked_.empty();
    std::map<std::string, MachineView> machine;
    for (const FoldObservation* o : Sorted(submission.observations)) {
      const CompiledFramework::Target target = framework_.Resolve(o->criterion());
      evidence_.seen.insert(o->criterion());
      if (target.mapping == nullptr) {
        evidence_.unmapped.insert(o->criterion());
      } else if (target.mapping->method() == Observation::HUMAN) {
        AddHuman(*o, target);
      } else if (target.mapping->method() == Observation::DOCUMENT) {
        AddDocument(*o, target);
      } else {
        AddToView(*o, machine[o->criterion()]);
      }
    }
    for (const FoldClaim* claim : Sorted(submission.claims)) {
      const std::string& criterion = claim->criterion().empty() ? claim->claim() : claim->criterion();
      const CompiledFramework::Target target = framework_.Resolve(criterion);
      evidence_.seen.insert(criterion);
      if (target.mapping == nullptr) {
        evidence_.unmapped.insert(criterion);
        continue;
      }
      MachineView& view = machine[criterion];
      if (view.claim == nullptr || Weight(claim->verdict()) > Weight(view.claim->verdict())) view.claim = claim;
    }
    // One run may speak as the verdict on a claim and as an observation of its own. Verdicts come first, the least
    // favourable of them before the others; what the same run says of the same behaviour after that counts no more.
    counted_runs_.clear();
    std::vector<const std::pair<const std::string, MachineView>*> views;
    for (const auto& entry : machine) views.push_back(&entry);
    std::stable_sort(views.begin(), views.end(),
                     [](const auto* a, const auto* b) { return VerdictWeight(a->second) > VerdictWeight(b->second); });
    for (const auto* entry : views) AddMachine(entry->first, entry->second);
  }

  // 0: no verdict that takes the place of an observation.
  static int VerdictWeight(const MachineView& view) {
    const v1::Claim::Verdict verdict = view.claim == nullptr ? v1::Claim::UNTESTED : view.claim->verdict();
    return verdict == v1::Claim::CONFIRMED || verdict == v1::Claim::REFUTED ? Weight(verdict) : 0;
  }

  static void AddToView(const FoldObservation& o, MachineView& view) {
    if (o.state() == Observation::OBSERVED) {
      if (o.authorship() == v1::GIVEN) {
        view.given = true;
      } else {
        (o.method() == Observation::EXPERIMENT ? view.experiments : view.code).push_back(&o);
      }
    } else if (Rank(o.state()) > Rank(view.state)) {
      view.state = o.state();
    }
  }

  void AddHuman(const FoldObservation& o, const CompiledFramework::Target& target) {
    if (!Scored(o)) return;
    const auto at = std::lower_bound(evidence_.sessions.begin(), evidence_.sessions.end(), KeyOf(o));
    const double error = 4 * Clamp(o.standard_error(), 0, 0.5);
    Piece piece;
    piece.channel = Channel::kHuman;
    piece.y = 4 * Clamp(o.value(), 0, 1);
    // A person is never surer than the model allows, whatever error was reported.
    piece.variance = std::max(error * error, model_.rating_variance());
    piece.session = static_cast<size_t>(at - evidence_.sessions.begin());
    const std::string evidence = FirstEvidence(o.evidence());
    if (target.competency != nullptr) {
      const size_t place = place_of_competency_.at(target.competency);
      evidence_.competencies[place].pieces.push_back({piece, o.criterion(), Observation::HUMAN, evidence});
    }
    for (const v1::Behaviour* behaviour : target.behaviours) {
      const auto [place, node] = places_.at(behaviour);
      piece.node = node;
      evidence_.competencies[place].states[node] = Observation::OBSERVED;
      evidence_.competencies[place].pieces.push_back({piece, o.criterion(), Observation::HUMAN, evidence});
    }
  }

  void AddDocument(const FoldObservation& o, const CompiledFramework::Target& target) {
    if (o.state() != Observation::OBSERVED) {
      NoteState(target, o.state());
    } else if (!o.unscored() && o.authorship() != v1::GIVEN) {
      AddPieces(target, Channel::kDocument, Observation::DOCUMENT, Clamp(o.value(), 0, 1),
                Clamp(o.standard_error(), 0, 0.5), Factor(o.authorship()), FirstEvidence(o.evidence()), o.criterion());
    }
  }

  void AddMachine(const std::string& criterion, const MachineView& view) {
    const CompiledFramework::Target target = framework_.Resolve(criterion);
    if (target.mapping->method() == Observation::HUMAN || target.mapping->method() == Observation::DOCUMENT) return;
    NoteState(target, view.state);
    // A run of what was given says nothing about the candidate either.
    const bool given = view.given || (view.claim != nullptr && view.claim->authorship() == v1::GIVEN);
    if (given && view.code.empty() && view.experiments.empty()) return;
    double factor = view.claim == nullptr ? 1 : Factor(view.claim->authorship());
    for (const auto* list : {&view.code, &view.experiments}) {
      for (const FoldObservation* o : *list) factor = std::max(factor, Factor(o->authorship()));
    }
    const v1::Claim::Verdict verdict = view.claim == nullptr ? v1::Claim::UNTESTED : view.claim->verdict();
    if (VerdictWeight(view) > 0) {
      const std::string run_evidence = FirstEvidence(view.claim->evidence());
      const v1::ExperimentValue value = Lookup(model_.experiment_values(), v1::Claim::Verdict_Name(verdict));
      AddPieces(target, Channel::kMachine, Observation::EXPERIMENT, value.value(), value.standard_error(), factor,
                run_evidence, criterion, Runs(view.claim->evidence()));
      if (verdict == v1::Claim::REFUTED) {
        evidence_.opposed.push_back({criterion, framework_.BehavioursOf(criterion),
                                     view.code.empty() ? "" : FirstEvidence(view.code[0]->evidence()), run_evidence});
      }
    } else if (!view.experiments.empty()) {
      const v1::ExperimentValue value = Banded(Mean(view.experiments));
      std::set<std::string> runs;
      for (const FoldObservation* o : view.experiments) runs.merge(Runs(o->evidence()));
      AddPieces(target, Channel::kMachine, Observation::EXPERIMENT, value.value(), value.standard_error(), factor,
                FirstEvidence(view.experiments[0]->evidence()), criterion, runs);
    } else if (!view.code.empty()) {
      double error = 0;
      for (const FoldObservation* o : view.code) error = std::max(error, Clamp(o->standard_error(), 0, 0.5));
      if (verdict == v1::Claim::INCONCLUSIVE) {
        error = std::max(error, Lookup(model_.experiment_values(), "INCONCLUSIVE").standard_error());
      }
      AddPieces(target, Channel::kMachine, Weakest(view.code, target.mapping->method()), Mean(view.code), error, factor,
                FirstEvidence(view.code[0]->evidence()), criterion);
    }
  }

  static std::set<std::string> Runs(const google::protobuf::RepeatedPtrField<std::string>& digests) {
    return {digests.begin(), digests.end()};
  }

  // Whether one of these runs was counted for the behaviour already; remembers them as counted.
  bool CountedAlready(const std::set<std::string>& runs, const v1::Behaviour* behaviour) {
    bool counted = false;
    for (const std::string& run : runs) counted |= counted_runs_.contains({run, behaviour});
    for (const std::string& run : runs) counted_runs_.insert({run, behaviour});
    return counted;
  }

  static double Mean(const std::vector<const FoldObservation*>& observations) {
    double sum = 0;
    for (const FoldObservation* o : observations) sum += Clamp(o->value(), 0, 1);
    return sum / static_cast<double>(observations.size());
  }

  // Raw numbers of a run are evidence only; the verdict they amount to counts.
  v1::ExperimentValue Banded(double value) const {
    return Lookup(model_.experiment_values(), value >= 0.75 ? "CONFIRMED" : value <= 0.25 ? "REFUTED" : "INCONCLUSIVE");
  }

  double MethodVariance(Observation::Method method) const {
    return LookupNumber(model_.method_variance(), Observation::Method_Name(method), 1);
  }

  // A plugin cannot claim a stronger method than the framework grants its criterion.
  Observation::Method Weakest(const std::vector<const FoldObservation*>& observations,
                              Observation::Method granted) const {
    Observation::Method weakest = granted;
    for (const FoldObservation* o : observations) {
      if (o->method() != Observation::METHOD_UNSPECIFIED && o->method() != Observation::HUMAN &&
          MethodVariance(o->method()) > MethodVariance(weakest)) {
        weakest = o->method();
      }
    }
    return weakest;
  }

  double Factor(v1::Authorship authorship) const {
    if (authorship != v1::SHARED && authorship != v1::UNKNOWN) return 1;
    return std::max(1.0, LookupNumber(model_.authorship_factor(), v1::Authorship_Name(authorship), 2));
  }

  bool Asked(const v1::Behaviour* behaviour) const { return !only_asked_ || asked_.contains(behaviour->id()); }

  void NoteState(const CompiledFramework::Target& target, Observation::State state) {
    for (const v1::Behaviour* behaviour : target.behaviours) {
      const auto [place, node] = places_.at(behaviour);
      Note(place, node, Asked(behaviour) ? state : Observation::NOT_ASKED);
    }
  }

  void Note(size_t place, size_t node, Observation::State state) {
    Observation::State& known = evidence_.competencies[place].states[node];
    if (Rank(state) > Rank(known)) known = state;
  }

  // `runs`: the digests of the runs an experiment rests on.
  void AddPieces(const CompiledFramework::Target& target, Channel channel, Observation::Method method, double value,
                 double error, double factor, const std::string& evidence, const std::string& criterion,
                 const std::set<std::string>& runs = {}) {
    std::map<size_t, std::vector<std::pair<size_t, bool>>> nodes;  // by competency: node, and whether it counts
    for (const v1::Behaviour* behaviour : target.behaviours) {
      const auto [place, node] = places_.at(behaviour);
      if (Asked(behaviour)) {
        nodes[place].emplace_back(node, !CountedAlready(runs, behaviour));
        Note(place, node, Observation::OBSERVED);
      } else {
        Note(place, node, Observation::NOT_ASKED);
      }
    }
    const double own = (4 * error) * (4 * error) + MethodVariance(method) / target.mapping->strength();
    for (const auto& [place, list] : nodes) {
      Piece piece;
      piece.channel = channel;
      piece.y = 4 * value;
      piece.variance = std::max(own * factor * static_cast<double>(list.size()), 1e-6);
      for (const auto& [node, counts] : list) {
        if (!counts) continue;
        piece.node = node;
        evidence_.competencies[place].pieces.push_back({piece, criterion, method, evidence});
      }
    }
  }

  const CompiledFramework& framework_;
  const v1::MeasurementModel& model_;
  const FoldInputs& inputs_;
  Evidence evidence_;
  std::map<const v1::Behaviour*, std::pair<size_t, size_t>> places_;  // looked up only, never walked
  // Of the submission at hand: (digest of a run, behaviour it was counted for); looked up only.
  std::set<std::pair<std::string, const v1::Behaviour*>> counted_runs_;
  std::map<const v1::Competency*, size_t> place_of_competency_;
  std::set<std::string, std::less<>> asked_;
  bool only_asked_ = false;
};

}  // namespace

Evidence Collect(const CompiledFramework& framework, const FoldInputs& inputs) {
  return Collector(framework, inputs).Run();
}

}  // namespace assay::readiness
