// SPDX-License-Identifier: Apache-2.0
// What is concluded: areas, gates, what does not fit together, what would help.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/assay/html_charts.h"
#include "tools/assay/html_sections.h"
#include "tools/assay/html_text.h"
#include "tools/assay/report_lead.h"

namespace assay::cli {
namespace {

std::string BehaviourRow(const v1::BehaviourReadiness& behaviour) {
  const bool observed = behaviour.state() == v1::Observation::OBSERVED;
  std::string out =
      absl::StrCat("<tr><td class=\"id\">", HtmlEscape(behaviour.id()), "</td><td>", HtmlEscape(behaviour.text()));
  if (observed && !behaviour.criteria().empty()) {
    absl::StrAppend(&out, " <span class=\"quiet criteria\">", HtmlEscape(absl::StrJoin(behaviour.criteria(), ", ")),
                    "</span>");
  }
  absl::StrAppend(&out, "</td><td class=\"n\">",
                  observed ? absl::StrFormat("%.1f <span class=\"quiet\">%.1f–%.1f</span>", behaviour.score(),
                                             behaviour.interval().low(), behaviour.interval().high())
                           : absl::StrCat("<span class=\"quiet\">", WhyUnseen(behaviour), "</span>"),
                  "</td></tr>");
  return out;
}

std::string CompetencyHtml(const v1::CompetencyReadiness& competency) {
  std::string out = absl::StrCat("<h4>", HtmlEscape(competency.id()), " ", HtmlEscape(competency.name()));
  if (!competency.gate().empty())
    absl::StrAppend(&out, " <span class=\"tag\">gate: ", HtmlEscape(competency.gate()), "</span>");
  if (competency.views_differ()) absl::StrAppend(&out, " <span class=\"tag\">people and machines differ</span>");
  const bool seen = competency.coverage() > 0;
  absl::StrAppend(&out, "</h4><div class=\"score\">", IntervalChart(competency.score(), competency.interval(), seen),
                  seen ? absl::StrFormat("<span>%.1f <span class=\"quiet\">%.1f–%.1f</span></span>", competency.score(),
                                         competency.interval().low(), competency.interval().high())
                       : "<span class=\"quiet\">nothing seen yet</span>",
                  "</div><table class=\"behaviours\"><tbody>");
  for (const auto& behaviour : competency.behaviours()) out += BehaviourRow(behaviour);
  return out + "</tbody></table>";
}

}  // namespace

std::string AreasHtml(const v1::Readiness& readiness) {
  if (readiness.areas().empty()) return "";
  std::string out = absl::StrCat(
      "<p class=\"quiet\">On a scale of 0 to 4. A bar covers 90 % of what the evidence allows; a dashed one rests on "
      "no evidence. Open "
      "an area for its competencies and behaviours.</p><div class=\"area axis-row\" aria-hidden=\"true\"><span></span>",
      IntervalAxis(), "<span></span><span></span></div>");
  for (const auto& area : readiness.areas()) {
    const bool seen = area.coverage() > 0;
    absl::StrAppend(&out, "<details class=\"fold\"><summary class=\"area\"><span class=\"name\">",
                    HtmlEscape(area.id()), " ", HtmlEscape(area.name()), "</span>",
                    IntervalChart(area.score(), area.interval(), seen));
    absl::StrAppendFormat(
        &out,
        "<span class=\"n\"><b>%s</b></span><span class=\"n quiet\">%.0f %% seen</span></summary><div class=\"inside\">",
        seen ? absl::StrFormat("%.1f", area.score()) : "–", 100 * area.coverage());
    for (const auto& competency : area.competencies()) out += CompetencyHtml(competency);
    out += "</div></details>\n";
  }
  return out;
}

std::string GatesHtml(const v1::Readiness& readiness) {
  std::string out;
  for (const auto& gate : readiness.gates()) {
    const bool met = gate.state() == v1::GateReadiness::MET, not_met = gate.state() == v1::GateReadiness::NOT_MET;
    absl::StrAppend(&out, "<article class=\"card gate ",
                    met       ? "same"
                    : not_met ? "other"
                              : "open",
                    "\"><h3>", HtmlEscape(gate.id()), "</h3><p class=\"verdict\">",
                    met       ? "met"
                    : not_met ? "not met"
                              : "undecided");
    absl::StrAppendFormat(&out, " <span class=\"quiet\">probability %.2f</span></p><p>%s</p>", gate.probability(),
                          HtmlEscape(gate.rule()));
    if (!gate.needs().empty()) absl::StrAppend(&out, "<p class=\"quiet\">Needs ", HtmlEscape(gate.needs()), ".</p>");
    out += "</article>\n";
  }
  return out.empty() ? "" : absl::StrCat("<div class=\"cards\">", out, "</div>");
}

std::string ContradictionsHtml(const v1::Readiness& readiness) {
  std::string out;
  for (const auto& contradiction : readiness.contradictions()) {
    out += "<article class=\"card open\"><ul class=\"plain\">";
    for (const auto& statement : contradiction.statements()) {
      absl::StrAppend(&out, "<li><b>", HtmlEscape(statement.source()), "</b> ", HtmlEscape(statement.text()), " ",
                      PlaceHtml(statement.file(), statement.line()), "</li>");
    }
    out += "</ul>";
    if (!contradiction.question().empty())
      absl::StrAppend(&out, "<p><b>Ask</b> ", HtmlEscape(contradiction.question()), "</p>");
    out += "</article>\n";
  }
  return out;
}

std::string NextEvidenceHtml(const v1::Readiness& readiness) {
  std::string out, command;
  for (const auto& next : readiness.next_evidence()) {
    absl::StrAppend(&out, "<li>", HtmlEscape(next.what()),
                    absl::StrFormat(" <span class=\"quiet\">about %.0f minutes</span>", next.minutes()));
    // The same command stands once above all that it obtains.
    if (!next.command().empty() && next.command() != command)
      absl::StrAppend(&out, "<br><code>", HtmlEscape(next.command()), "</code>");
    command = next.command();
    out += "</li>";
  }
  return out.empty() ? "" : absl::StrCat("<ol>", out, "</ol>");
}

}  // namespace assay::cli
