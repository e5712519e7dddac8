// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/contradictions.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace assay::readiness {
namespace {

std::vector<Piece> PiecesOf(const CompetencyEvidence& evidence) {
  std::vector<Piece> pieces;
  pieces.reserve(evidence.pieces.size());
  for (const SourcedPiece& piece : evidence.pieces) pieces.push_back(piece.piece);
  return pieces;
}

bool Has(const CompetencyEvidence& evidence, Channel channel) {
  for (const SourcedPiece& piece : evidence.pieces) {
    if (piece.piece.channel == channel) return true;
  }
  return false;
}

// Precision-weighted mean of one channel's pieces at one node.
struct Side {
  double mean = 0;
  double variance = 0;
  const SourcedPiece* strongest = nullptr;  // null: nothing
};

Side Weigh(const CompetencyEvidence& evidence, Channel channel, size_t node, double shared_variance) {
  Side side;
  double precision = 0;
  double weighted = 0;
  for (const SourcedPiece& piece : evidence.pieces) {
    if (piece.piece.channel != channel || piece.piece.node != node) continue;
    const double p = 1 / (piece.piece.variance + shared_variance);
    precision += p;
    weighted += p * piece.piece.y;
    if (side.strongest == nullptr || piece.piece.variance < side.strongest->piece.variance) side.strongest = &piece;
  }
  if (precision > 0) {
    side.mean = weighted / precision;
    side.variance = 1 / precision;
  }
  return side;
}

bool Apart(double a, double variance_a, double b, double variance_b) {
  return std::abs(a - b) > 2 * std::sqrt(variance_a + variance_b);
}

void AddStatement(v1::Contradiction& contradiction, const std::string& source, std::string text,
                  const std::string& evidence) {
  v1::Contradiction::Statement& statement = *contradiction.add_statements();
  statement.set_source(source);
  statement.set_text(std::move(text));
  statement.set_evidence(evidence);
}

std::string QuestionFor(const v1::CriterionMapping& mapping) {
  return mapping.question().empty() ? "Which of the two describes production, and how would you find out?"
                                    : mapping.question();
}

// Every run leaves other bytes. Named here, two runs with the same verdicts would give different readiness; readers find
// a run through the claim.
std::string EvidenceNamed(const SourcedPiece& piece) {
  return piece.method == v1::Observation::EXPERIMENT ? "" : piece.evidence;
}

v1::Contradiction OfClaim(const CompiledFramework& framework, const OpposedClaim& opposed) {
  const v1::CriterionMapping& mapping = *framework.Resolve(opposed.criterion).mapping;
  v1::Contradiction contradiction;
  contradiction.set_id(absl::StrCat("claim/", opposed.criterion));
  for (const std::string& id : opposed.behaviours) contradiction.add_behaviours(id);
  const std::string title = mapping.title().empty() ? opposed.criterion : mapping.title();
  AddStatement(contradiction, "code", absl::StrCat("The code suggests that ", title, "."), opposed.code_evidence);
  AddStatement(contradiction, "run", absl::StrCat("The run did not show that ", title, "."), "");
  contradiction.set_question(QuestionFor(mapping));
  return contradiction;
}

// "The run showed that …" or "The code does not suggest that …", by which half of the scale the observation lies in.
std::string Sentence(const SourcedPiece& piece, const std::string& title) {
  const bool positive = piece.piece.y >= 2;
  if (piece.method == v1::Observation::EXPERIMENT) {
    return absl::StrCat(positive ? "The run showed that " : "The run did not show that ", title, ".");
  }
  return absl::StrCat(positive ? "The code suggests that " : "The code does not suggest that ", title, ".");
}

v1::Contradiction OfBehaviour(const Appraisal& appraisal, const v1::Behaviour& behaviour, const Side& human,
                              const Side& machine) {
  const v1::CriterionMapping& mapping = *appraisal.framework->Resolve(machine.strongest->criterion).mapping;
  const std::string role = appraisal.evidence.sessions[human.strongest->piece.session].rater_role;
  v1::Contradiction contradiction;
  contradiction.set_id(absl::StrCat("behaviour/", behaviour.id()));
  contradiction.add_behaviours(behaviour.id());
  AddStatement(contradiction, role.empty() ? "rater" : role,
               absl::StrFormat("A person's mark puts %s at %.1f of 4.", behaviour.id(), human.mean),
               human.strongest->evidence);
  const std::string title = mapping.title().empty() ? machine.strongest->criterion : mapping.title();
  AddStatement(contradiction, machine.strongest->method == v1::Observation::EXPERIMENT ? "run" : "code",
               Sentence(*machine.strongest, title), EvidenceNamed(*machine.strongest));
  contradiction.set_question(behaviour.ask().empty() ? QuestionFor(mapping) : behaviour.ask());
  return contradiction;
}

v1::Contradiction OfViews(const Appraisal& appraisal, size_t index) {
  const CompetencyEvidence& evidence = appraisal.evidence.competencies[index];
  const v1::Competency& competency = *evidence.competency;
  const v1::MeasurementModel& model = appraisal.framework->proto().model();
  const auto view = [&](bool human) {
    Parts parts{.human = human, .machine = !human, .document = false, .capped = false};
    return Solve(model, static_cast<size_t>(competency.behaviours_size()), appraisal.evidence.sessions.size(),
                 PiecesOf(evidence), parts)
        .mean[0];
  };
  v1::Contradiction contradiction;
  contradiction.set_id(absl::StrCat("views/", competency.id()));
  for (const v1::Behaviour& behaviour : competency.behaviours()) contradiction.add_behaviours(behaviour.id());
  AddStatement(
      contradiction, "people",
      absl::StrFormat("By what people saw, %s %s is at %.1f of 4.", competency.id(), competency.name(), view(true)),
      "");
  AddStatement(contradiction, "code and runs",
               absl::StrFormat("By what code and runs show, it is at %.1f of 4.", view(false)), "");
  contradiction.set_question(absl::StrCat("What did the raters see of ", competency.name(),
                                          " that this repository does not show, or the other way round?"));
  return contradiction;
}

}  // namespace

std::vector<bool> ViewsDiffer(const Appraisal& appraisal) {
  const v1::MeasurementModel& model = appraisal.framework->proto().model();
  std::vector<bool> differ;
  for (const CompetencyEvidence& evidence : appraisal.evidence.competencies) {
    if (!Has(evidence, Channel::kHuman) || !Has(evidence, Channel::kMachine)) {
      differ.push_back(false);
      continue;
    }
    const std::vector<Piece> pieces = PiecesOf(evidence);
    const auto behaviours = static_cast<size_t>(evidence.competency->behaviours_size());
    const size_t sessions = appraisal.evidence.sessions.size();
    const Posterior human = Solve(model, behaviours, sessions, pieces,
                                  {.human = true, .machine = false, .document = false, .capped = false});
    const Posterior machine = Solve(model, behaviours, sessions, pieces,
                                    {.human = false, .machine = true, .document = false, .capped = false});
    differ.push_back(Apart(human.mean[0], human.variance[0], machine.mean[0], machine.variance[0]));
  }
  return differ;
}

std::vector<v1::Contradiction> FindContradictions(const Appraisal& appraisal, const std::vector<bool>& views_differ) {
  std::vector<v1::Contradiction> found;
  for (const OpposedClaim& opposed : appraisal.evidence.opposed) {
    found.push_back(OfClaim(*appraisal.framework, opposed));
  }
  const double shared = appraisal.framework->proto().model().session_variance();
  for (const CompetencyEvidence& evidence : appraisal.evidence.competencies) {
    for (int k = 0; k < evidence.competency->behaviours_size(); ++k) {
      const size_t node = static_cast<size_t>(k) + 1;
      const Side human = Weigh(evidence, Channel::kHuman, node, shared);
      const Side machine = Weigh(evidence, Channel::kMachine, node, 0);
      if (human.strongest == nullptr || machine.strongest == nullptr) continue;
      if (!Apart(human.mean, human.variance, machine.mean, machine.variance)) continue;
      found.push_back(OfBehaviour(appraisal, evidence.competency->behaviours(k), human, machine));
    }
  }
  for (size_t i = 0; i < views_differ.size(); ++i) {
    if (views_differ[i]) found.push_back(OfViews(appraisal, i));
  }
  return found;
}

}  // namespace assay::readiness
