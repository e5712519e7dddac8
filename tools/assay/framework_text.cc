// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/framework_text.h"

#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace assay::cli {
namespace {

const char* InWords(v1::Behaviour::Observability observability) {
  switch (observability) {
    case v1::Behaviour::STRONG:
      return "a machine can see it";
    case v1::Behaviour::PARTIAL:
      return "a machine can see a part of it; a person confirms";
    case v1::Behaviour::ARTEFACT:
      return "a machine can see that a document exists; a person judges it";
    default:
      return "only a person can see it";
  }
}

bool Contains(const std::string& outer, const std::string& inner) {
  return inner == outer || absl::StartsWith(inner, outer + ".");
}

class FrameworkText {
 public:
  FrameworkText(const v1::Framework& framework, std::string id, const TerminalStyle& style)
      : framework_(framework), id_(std::move(id)), style_(style), paint_(style_) {
    for (const v1::CriterionMapping& mapping : framework.criteria()) {
      for (const std::string& behaviour : mapping.behaviours()) criteria_[behaviour].push_back(&mapping);
    }
  }

  std::string Render() {
    for (const v1::Area& area : framework_.areas()) {
      if (IsWanted(area.id())) RenderArea(area);
    }
    if (out_.empty() || !id_.empty()) return std::move(out_);
    out_ += paint_.Bold("Profiles") + "\n";
    for (const v1::RoleProfile& profile : framework_.profiles()) RenderProfile(profile);
    out_ += "\n" + paint_.Bold("Questions of the source") + "\n";
    for (const v1::FaqAnswer& answer : framework_.faq()) RenderAnswer(answer);
    return std::move(out_);
  }

 private:
  // What was asked for, with what it stands in and what stands in it.
  bool IsWanted(const std::string& id) const { return id_.empty() || Contains(id, id_) || Contains(id_, id); }

  void Line(const std::string& first, const std::string& text) { out_ += Wrap(Printable(text), style_.width, first); }

  void RenderArea(const v1::Area& area) {
    const size_t before = out_.size();
    absl::StrAppend(&out_, paint_.Bold(absl::StrCat(area.id(), " ", Printable(area.name()))), "\n");
    Line("    ", area.summary());
    bool holds = id_ == area.id() || id_.empty();
    for (const v1::Competency& competency : area.competencies()) {
      if (IsWanted(competency.id())) holds = RenderCompetency(competency) || holds;
    }
    if (!holds) out_.resize(before);
  }

  // False: it does not hold the behaviour that was asked for.
  bool RenderCompetency(const v1::Competency& competency) {
    const size_t before = out_.size();
    const double weight = competency.weight() > 0 ? competency.weight() : 1;
    absl::StrAppend(&out_, "\n  ", paint_.Bold(absl::StrCat(competency.id(), " ", Printable(competency.name()))),
                    absl::StrFormat("  weight %g in its area", weight), "\n");
    Line("      ", competency.summary());
    for (const auto& anchor : competency.anchors()) Line(absl::StrCat("      ", anchor.level(), "  "), anchor.text());
    bool holds = !Contains(competency.id(), id_) || id_ == competency.id();
    for (const v1::Behaviour& behaviour : competency.behaviours()) {
      if (!id_.empty() && !Contains(id_, behaviour.id())) continue;
      RenderBehaviour(behaviour);
      holds = true;
    }
    if (!holds) out_.resize(before);
    return holds;
  }

  void RenderBehaviour(const v1::Behaviour& behaviour) {
    Line(absl::StrCat("    ", behaviour.id(), " "), behaviour.text());
    Line("        ", InWords(behaviour.observability()));
    for (const v1::CriterionMapping* mapping : criteria_[behaviour.id()]) {
      Line("        ", absl::StrFormat("seen by %s (%s, strength %g)", mapping->criterion(),
                                       absl::AsciiStrToLower(v1::Observation::Method_Name(mapping->method())),
                                       mapping->strength()));
    }
    if (!behaviour.look_for().empty()) Line("        look for: ", behaviour.look_for());
    if (!behaviour.ask().empty()) Line("        ask: ", behaviour.ask());
  }

  void RenderProfile(const v1::RoleProfile& profile) {
    Line("  ",
         absl::StrFormat("%s: evidence on %.0f %% of the behaviours, every gate decided with probability %g, each "
                         "area at %g or more, must-haves known with reliability %g",
                         profile.id(), 100 * profile.minimum_coverage(), profile.decision_probability(),
                         profile.area_minimum(), profile.minimum_reliability()));
    for (const auto& gate : profile.gates()) {
      Line("      ", absl::StrFormat("gate %s (%s at %g): %s", gate.id(), absl::StrJoin(gate.members(), ", "),
                                     gate.minimum(), gate.rule()));
    }
    // Maps of protobuf have no order of their own.
    std::vector<std::string> weights;
    for (const auto& [id, weight] :
         std::map<std::string, double>(profile.competency_weights().begin(), profile.competency_weights().end())) {
      if (weight != 1) weights.push_back(absl::StrFormat("%s: %g", id, weight));
    }
    Line("      ", weights.empty() ? "weights: every competency 1 in its area"
                                   : absl::StrCat("weights: ", absl::StrJoin(weights, ", "), "; all others 1"));
  }

  void RenderAnswer(const v1::FaqAnswer& answer) {
    Line(absl::StrCat("  ", answer.id(), " "), answer.question());
    Line("      ", answer.guidance());
    Line("      see ", absl::StrJoin(answer.covered_by(), ", "));
  }

  const v1::Framework& framework_;
  const std::string id_;
  const TerminalStyle style_;
  const Painter paint_;
  std::map<std::string, std::vector<const v1::CriterionMapping*>> criteria_;
  std::string out_;
};

}  // namespace

std::string RenderFramework(const v1::Framework& framework, const std::string& id, const TerminalStyle& style) {
  return FrameworkText(framework, id, style).Render();
}

}  // namespace assay::cli
