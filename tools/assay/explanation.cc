// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/explanation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/assay/load_run.h"
#include "tools/assay/report_lead.h"

namespace assay::cli {
namespace {

constexpr size_t kHistogramColumns = 40;

std::string InWords(v1::Observation::State state) {
  switch (state) {
    case v1::Observation::OBSERVED:
      return "observed";
    case v1::Observation::NOT_OBSERVABLE:
      return "not observable here";
    case v1::Observation::NOT_ASKED:
      return "not asked for";
    default:
      return "not observed yet";
  }
}

const char* InWords(v1::Claim::Verdict verdict) {
  switch (verdict) {
    case v1::Claim::CONFIRMED:
      return "The run showed the same: ";
    case v1::Claim::REFUTED:
      return "The run showed otherwise: ";
    case v1::Claim::INCONCLUSIVE:
      return "The run left it open: ";
    default:
      return "Not tried yet.";
  }
}

// Walks down one response; evidence that was shown once is named again, not drawn again.
class Explanation {
 public:
  Explanation(const v1::ExplainReadinessResponse& response, const TerminalStyle& style)
      : response_(response), style_(style), paint_(style_) {
    for (const auto& item : response.evidence()) evidence_[item.digest()] = &item;
    for (const auto& observation : response.observations()) {
      if (absl::StartsWith(observation.criterion(), "rating/")) {
        ratings_[observation.criterion().substr(7)].push_back(&observation);
        continue;
      }
      for (const std::string& behaviour : observation.behaviours()) by_behaviour_[behaviour].push_back(&observation);
      if (observation.behaviours().empty()) unmapped_.push_back(&observation);
    }
  }

  std::string Render() {
    for (const auto& area : response_.readiness().areas()) RenderArea(area);
    RenderClaims();
    RenderContradictions();
    RenderFindings();
    if (!unmapped_.empty()) out_ += paint_.Bold("Seen, and not part of this framework") + "\n";
    for (const v1::Observation* observation : unmapped_) RenderObservation(*observation);
    absl::StrAppend(&out_, paint_.Dim("The bytes behind a digest: assay evidence get CANDIDATE DIGEST"), "\n");
    return std::move(out_);
  }

 private:
  void Line(int indent, const std::string& text) {
    out_ += Wrap(text, style_.width, std::string(static_cast<size_t>(indent), ' '));
  }

  void RenderArea(const v1::AreaReadiness& area) {
    absl::StrAppend(&out_,
                    paint_.Bold(absl::StrFormat("%s %s  %.1f (%.1f..%.1f)", area.id(), Printable(area.name()),
                                                area.score(), area.interval().low(), area.interval().high())),
                    "\n");
    for (const auto& competency : area.competencies()) {
      absl::StrAppend(
          &out_, "\n  ",
          paint_.Bold(absl::StrFormat("%s %s  %.1f (%.1f..%.1f)", competency.id(), Printable(competency.name()),
                                      competency.score(), competency.interval().low(), competency.interval().high())),
          competency.gate().empty() ? "" : paint_.Dim(absl::StrCat("  gate: ", Printable(competency.gate()))), "\n");
      for (const v1::Observation* rating : ratings_[competency.id()]) RenderObservation(*rating);
      for (const auto& behaviour : competency.behaviours()) RenderBehaviour(behaviour);
    }
    out_ += "\n";
  }

  void RenderBehaviour(const v1::BehaviourReadiness& behaviour) {
    const std::string state = behaviour.state() == v1::Observation::OBSERVED
                                  ? absl::StrFormat("%.1f (%.1f..%.1f)", behaviour.score(), behaviour.interval().low(),
                                                    behaviour.interval().high())
                                  : WhyUnseen(behaviour);
    out_ += Wrap(absl::StrCat(Printable(behaviour.text()), " ", state), style_.width,
                 absl::StrCat("    ", behaviour.id(), "  "));
    for (const v1::Observation* observation : by_behaviour_[behaviour.id()]) RenderObservation(*observation);
  }

  void RenderObservation(const v1::Observation& observation) {
    std::string value = InWords(observation.state());
    if (observation.state() == v1::Observation::OBSERVED) {
      value = absl::StrFormat("%.2f ± %.2f by %s", observation.value(), observation.standard_error(),
                              absl::AsciiStrToLower(v1::Observation::Method_Name(observation.method())));
      if (!style_.unicode)
        value = absl::StrFormat("%.2f +- %.2f by %s", observation.value(), observation.standard_error(),
                                absl::AsciiStrToLower(v1::Observation::Method_Name(observation.method())));
    }
    if (observation.authorship() == v1::GIVEN) absl::StrAppend(&value, ", given to the candidate: weighs nothing");
    if (observation.unscored()) absl::StrAppend(&value, ", shown and not counted");
    absl::StrAppend(&out_, "      ", paint_.Blue(Printable(observation.criterion())), "  ", paint_.Dim(value), "\n");
    const bool quoted = IsQuoted(observation);
    if (!observation.rationale().empty() && !quoted) Line(8, Printable(observation.rationale()));
    for (const std::string& digest : observation.evidence()) RenderEvidence(digest);
  }

  // Whether the words of a person are about to be shown from the evidence itself.
  bool IsQuoted(const v1::Observation& observation) const {
    for (const std::string& digest : observation.evidence()) {
      const auto found = evidence_.find(digest);
      if (found != evidence_.end() && found->second->kind() == v1::Evidence::RATING && !found->second->quote().empty())
        return true;
    }
    return false;
  }

  void RenderEvidence(const std::string& digest) {
    const auto found = evidence_.find(digest);
    const bool is_new = shown_.insert(digest).second;
    if (found == evidence_.end()) {
      absl::StrAppend(&out_, "        ", paint_.Dim(digest), "\n");
      return;
    }
    const v1::Evidence& item = *found->second;
    switch (item.kind()) {
      case v1::Evidence::SPAN:
        RenderSpan(item);
        break;
      case v1::Evidence::RATING:
      case v1::Evidence::PORTFOLIO_ITEM:
        RenderQuote(item);
        break;
      case v1::Evidence::LOAD_RUN:
        if (is_new) RenderLoadRun(item);
        break;
      default:
        Line(8, Printable(item.title().empty() ? item.file() : item.title()));
    }
    absl::StrAppend(&out_, "        ", paint_.Dim(item.digest()), "\n");
  }

  void RenderSpan(const v1::Evidence& item) {
    const std::string place = Printable(PlaceOf(item.file(), item.line()));
    const size_t room = static_cast<size_t>(style_.width) - 8;
    const std::string code = Printable(FirstLine(item.quote()));
    const bool beside = Columns(place) + 2 + std::min<size_t>(Columns(code), 24) <= room;
    absl::StrAppend(&out_, "        ", paint_.Blue(Cut(place, room)), beside ? "  " : "",
                    beside ? Cut(code, room - Columns(place) - 2) : "", "\n");
  }

  void RenderQuote(const v1::Evidence& item) {
    const std::string who = Printable(item.rater());
    const std::string where = Printable(PlaceInWords(item));
    if (!item.quote().empty()) {
      Line(8, absl::StrCat(who, who.empty() ? "" : ": ", "\"", Printable(item.quote()), "\""));
    }
    if (!where.empty())
      absl::StrAppend(&out_, "        ", paint_.Blue(Cut(where, static_cast<size_t>(style_.width) - 8)), "\n");
  }

  // The histogram of each recorded phase, on a logarithmic axis.
  void RenderLoadRun(const v1::Evidence& item) {
    const auto bytes = response_.load_runs().find(item.digest());
    const LoadRun run = bytes == response_.load_runs().end() ? LoadRun() : ParseLoadRun(bytes->second);
    if (run.empty()) {
      Line(8, Printable(item.title()));
      return;
    }
    if (run.capacity > 0) Line(8, absl::StrFormat("capacity: %.0f requests a second", run.capacity));
    for (const LoadPhase& phase : run.phases) {
      if (!phase.recorded) continue;
      std::string head = absl::StrFormat("%s: %.0f/s, %.0f sent", Printable(phase.name), phase.rate_asked, phase.sent);
      if (phase.sent > phase.ok) absl::StrAppendFormat(&head, ", %.0f not as expected", phase.sent - phase.ok);
      if (!phase.has_response) {
        Line(8, absl::StrCat(head, ": ", phase.reason.empty() ? "no latency recorded" : Printable(phase.reason)));
        continue;
      }
      const Latencies& response = phase.response;
      Line(8, absl::StrCat(head, "; p50 ", InTimeUnits(response.p50), ", p90 ", InTimeUnits(response.p90), ", p99 ",
                           InTimeUnits(response.p99), ", max ", InTimeUnits(response.max)));
      if (response.buckets.empty()) continue;
      absl::StrAppendFormat(&out_, "      %9s %s %s\n", InTimeUnits(response.low()), paint_.Blue(Sparkline(response)),
                            InTimeUnits(response.high()));
    }
    for (const SignalGroup& group : run.signals) {
      const std::string need = group.up_to_seconds > 0
                                   ? absl::StrFormat("that needed up to %.1f s more", group.up_to_seconds)
                                   : "that needed longer";
      Line(8, absl::StrFormat("SIG%s: of %.0f requests %s %.0f were served, %.0f lost", Printable(group.signal),
                              group.in_flight, need, group.served, group.lost));
    }
  }

  std::string Sparkline(const Latencies& response) const {
    static constexpr const char* kBlocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static constexpr char kAscii[] = " .:-=+*#%";
    const std::vector<double> columns = response.Columns(kHistogramColumns);
    const double most = *std::max_element(columns.begin(), columns.end());
    std::string line;
    for (const double count : columns) {
      // Square roots, so that a few slow answers stay visible beside many quick ones.
      const double share = most > 0 ? std::sqrt(count / most) : 0;
      const auto level = static_cast<size_t>(count > 0 ? std::clamp(std::lround(share * 8), 1L, 8L) : 0);
      if (style_.unicode) {
        line += kBlocks[level];
      } else {
        line += kAscii[level];
      }
    }
    return line;
  }

  void RenderClaims() {
    if (response_.claims_size() > 0) out_ += paint_.Bold("What was tried") + "\n";
    for (const auto& claim : response_.claims()) {
      Line(2, absl::StrCat("The code suggests: ", Printable(claim.statement())));
      const std::string place = Printable(PlaceOf(claim.file(), claim.line()));
      const bool cited = std::any_of(claim.evidence().begin(), claim.evidence().end(), [&](const std::string& digest) {
        const auto found = evidence_.find(digest);
        return found != evidence_.end() && found->second->file() == claim.file() &&
               found->second->line() == claim.line();
      });
      if (!place.empty() && !cited) absl::StrAppend(&out_, "        ", paint_.Blue(place), "\n");
      const bool tried = claim.verdict() != v1::Claim::UNTESTED && claim.verdict() != v1::Claim::VERDICT_UNSPECIFIED;
      Line(4, absl::StrCat(InWords(claim.verdict()), tried ? Printable(claim.reason()) : ""));
      for (const std::string& digest : claim.evidence()) RenderEvidence(digest);
    }
    if (response_.claims_size() > 0) out_ += "\n";
  }

  void RenderContradictions() {
    const auto& contradictions = response_.readiness().contradictions();
    if (contradictions.empty()) return;
    out_ += paint_.Bold("What does not fit together") + "\n";
    for (const auto& contradiction : contradictions) {
      for (const auto& statement : contradiction.statements()) {
        const std::string place = Printable(PlaceOf(statement.file(), statement.line()));
        Line(2, absl::StrCat(Printable(statement.source()), ": ", Printable(statement.text()),
                             place.empty() ? "" : "  ", place));
      }
      if (!contradiction.question().empty()) Line(4, absl::StrCat("ask: ", Printable(contradiction.question())));
    }
    out_ += "\n";
  }

  void RenderFindings() {
    if (response_.findings().empty()) return;
    out_ += paint_.Bold("Places worth a look") + "\n";
    for (const auto& finding : response_.findings()) {
      absl::StrAppend(&out_, "  ", paint_.Blue(Printable(PlaceOf(finding.file(), finding.line()))), "  ",
                      paint_.Dim(Printable(finding.check())),
                      finding.authorship() == v1::GIVEN ? "  given, weighs nothing" : "", "\n");
      if (!finding.excerpt().empty()) {
        absl::StrAppend(&out_, "    ",
                        Cut(Printable(FirstLine(finding.excerpt())), static_cast<size_t>(style_.width) - 4), "\n");
      }
      Line(4, Printable(finding.message()));
      if (!finding.question().empty()) Line(4, absl::StrCat("ask: ", Printable(finding.question())));
    }
    out_ += "\n";
  }

  const v1::ExplainReadinessResponse& response_;
  const TerminalStyle style_;
  const Painter paint_;
  std::map<std::string, const v1::Evidence*> evidence_;
  std::map<std::string, std::vector<const v1::Observation*>> by_behaviour_;
  std::map<std::string, std::vector<const v1::Observation*>> ratings_;
  std::vector<const v1::Observation*> unmapped_;
  std::set<std::string> shown_;
  std::string out_;
};

}  // namespace

std::string RenderExplanation(const v1::ExplainReadinessResponse& response, const TerminalStyle& style) {
  return Explanation(response, style).Render();
}

}  // namespace assay::cli
