// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/html_report.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/assay/html_charts.h"
#include "tools/assay/html_style.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

using EvidenceByDigest = std::map<std::string, const v1::Evidence*>;

std::string Place(const std::string& file, uint32_t line) {
  if (file.empty()) return "";
  return absl::StrCat("<code class=\"place\">", HtmlEscape(file), line > 0 ? absl::StrCat(":", line) : "", "</code>");
}

std::string Section(const std::string& id, const std::string& title, const std::string& body) {
  if (body.empty()) return "";
  return absl::StrCat("<section id=\"", id, "\"><h2>", title, "</h2>\n", body, "</section>\n");
}

std::string Header(const v1::EvaluationReport& report) {
  const v1::Readiness& readiness = report.readiness();
  const char* kind = readiness.status() == v1::Readiness::READY     ? "ready"
                     : readiness.status() == v1::Readiness::NOT_YET ? "not-yet"
                                                                    : "undecided";
  std::string out = absl::StrCat("<header><p class=\"quiet\">", HtmlEscape(report.framework()), " &middot; ",
                                 HtmlEscape(report.assessment()), "</p><h1>", HtmlEscape(report.candidate()),
                                 "</h1><p><span class=\"status ", kind, "\">", StatusInWords(readiness.status()), "</span> ");
  absl::StrAppendFormat(&out, "%.0f %% of the behaviours have evidence</p>", 100 * readiness.coverage());
  if (readiness.undecided_because_size() > 0) {
    absl::StrAppend(&out, "<ul class=\"quiet\">");
    for (const std::string& line : readiness.undecided_because()) absl::StrAppend(&out, "<li>", HtmlEscape(line), "</li>");
    absl::StrAppend(&out, "</ul>");
  }
  return out + "<p class=\"quiet\">Assay shows evidence; a named person decides.</p></header>\n";
}

std::string Tried(const v1::EvaluationReport& report, const EvidenceByDigest& evidence) {
  std::string out;
  for (const auto& claim : report.claims()) {
    const char* kind = claim.verdict() == v1::Claim::CONFIRMED      ? "same"
                       : claim.verdict() == v1::Claim::REFUTED      ? "other"
                       : claim.verdict() == v1::Claim::INCONCLUSIVE ? "open"
                                                                    : "untried";
    const char* words = claim.verdict() == v1::Claim::CONFIRMED      ? "the run showed the same"
                        : claim.verdict() == v1::Claim::REFUTED      ? "the run showed otherwise"
                        : claim.verdict() == v1::Claim::INCONCLUSIVE ? "the run was not conclusive"
                                                                     : "not tried";
    absl::StrAppend(&out, "<article class=\"claim ", kind, "\"><p>The code suggests: <b>", HtmlEscape(claim.statement()),
                    "</b> ", Place(claim.file(), claim.line()), "</p><p><span class=\"verdict\">", words, "</span> ",
                    HtmlEscape(claim.reason()), "</p>");
    for (const std::string& digest : claim.evidence()) {
      const auto found = evidence.find(digest);
      const bool has_run = report.load_runs().count(digest) > 0;
      absl::StrAppend(&out, "<p class=\"quiet\">", has_run ? absl::StrCat("<a href=\"#run-", digest.substr(7, 12), "\">") : "",
                      found != evidence.end() && !found->second->title().empty() ? HtmlEscape(found->second->title()) : "evidence",
                      has_run ? "</a>" : "", " <code>", HtmlEscape(digest.substr(0, 19)), "…</code></p>");
    }
    absl::StrAppend(&out, "</article>\n");
  }
  return out;
}

std::string InWords(v1::Observation::State state) {
  switch (state) {
    case v1::Observation::OBSERVED:
      return "";
    case v1::Observation::NOT_OBSERVABLE:
      return "not observable here";
    case v1::Observation::NOT_ASKED:
      return "not asked for";
    default:
      return "not observed yet";
  }
}

std::string Areas(const v1::Readiness& readiness) {
  std::string out = "<p class=\"quiet\">Scores are on 0..4; the bar covers 90 % of what the evidence allows. Dashed: nothing seen yet.</p>";
  for (const auto& area : readiness.areas()) {
    absl::StrAppend(&out, "<details class=\"area\"><summary><span class=\"name\">", area.id(), " ", HtmlEscape(area.name()),
                    "</span>", IntervalChart(area.score(), area.interval(), area.coverage() > 0));
    absl::StrAppendFormat(&out, "<span class=\"n\">%s</span><span class=\"n quiet\">%.0f %% seen</span></summary><table>",
                          area.coverage() > 0 ? absl::StrFormat("%.1f", area.score()) : "&ndash;", 100 * area.coverage());
    for (const auto& competency : area.competencies()) {
      absl::StrAppend(&out, "<tr class=\"competency\"><td>", competency.id(), " ", HtmlEscape(competency.name()),
                      competency.gate().empty() ? "" : " <span class=\"tag\">gate</span>",
                      competency.views_differ() ? " <span class=\"tag\">people and machines differ</span>" : "", "</td><td>",
                      IntervalChart(competency.score(), competency.interval(), competency.coverage() > 0), "</td></tr>");
      for (const auto& behaviour : competency.behaviours()) {
        absl::StrAppend(&out, "<tr class=\"behaviour\"><td>", behaviour.id(), " ", HtmlEscape(behaviour.text()), "</td><td>",
                        behaviour.state() == v1::Observation::OBSERVED
                            ? absl::StrFormat("%.1f <span class=\"quiet\">%.1f&ndash;%.1f, %s</span>", behaviour.score(),
                                              behaviour.interval().low(), behaviour.interval().high(),
                                              HtmlEscape(absl::StrJoin(behaviour.criteria(), ", ")))
                            : absl::StrCat("<span class=\"quiet\">", InWords(behaviour.state()), "</span>"),
                        "</td></tr>");
      }
    }
    absl::StrAppend(&out, "</table></details>\n");
  }
  return out;
}

std::string Gates(const v1::Readiness& readiness) {
  std::string rows;
  for (const auto& gate : readiness.gates()) {
    const char* words = gate.state() == v1::GateReadiness::MET       ? "met"
                        : gate.state() == v1::GateReadiness::NOT_MET ? "not met"
                                                                     : "undecided";
    absl::StrAppend(&rows, "<tr><td>", HtmlEscape(gate.id()), "</td><td>", words, "</td>");
    absl::StrAppendFormat(&rows, "<td class=\"n\">%.2f</td>", gate.probability());
    absl::StrAppend(&rows, "<td>", HtmlEscape(gate.rule()), "</td><td class=\"quiet\">", HtmlEscape(gate.needs()), "</td></tr>");
  }
  if (rows.empty()) return "";
  return absl::StrCat("<table><thead><tr><th>gate</th><th></th><th>probability</th><th>rule</th><th>what it needs</th></tr></thead><tbody>",
                      rows, "</tbody></table>");
}

std::string NextEvidence(const v1::Readiness& readiness) {
  std::string out;
  for (const auto& next : readiness.next_evidence()) {
    absl::StrAppend(&out, "<li>", HtmlEscape(next.what()));
    absl::StrAppendFormat(&out, " <span class=\"quiet\">about %.0f minutes</span>", next.minutes());
    if (!next.command().empty()) absl::StrAppend(&out, "<br><code>", HtmlEscape(next.command()), "</code>");
    absl::StrAppend(&out, "</li>");
  }
  return out.empty() ? "" : absl::StrCat("<ol>", out, "</ol>");
}

std::string Contradictions(const v1::Readiness& readiness) {
  std::string out;
  for (const auto& contradiction : readiness.contradictions()) {
    absl::StrAppend(&out, "<article class=\"claim open\"><ul>");
    for (const auto& statement : contradiction.statements()) {
      absl::StrAppend(&out, "<li><b>", HtmlEscape(statement.source()), "</b>: ", HtmlEscape(statement.text()), " ",
                      Place(statement.file(), statement.line()), "</li>");
    }
    absl::StrAppend(&out, "</ul><p>Ask: ", HtmlEscape(contradiction.question()), "</p></article>");
  }
  return out;
}

std::string Runs(const v1::EvaluationReport& report, const EvidenceByDigest& evidence) {
  // Maps of protobuf have no order of their own.
  const std::map<std::string, std::string> runs(report.load_runs().begin(), report.load_runs().end());
  std::string out;
  for (const auto& [digest, json] : runs) {
    const std::string charts = LoadRunCharts(json);
    if (charts.empty()) continue;
    const auto found = evidence.find(digest);
    absl::StrAppend(&out, "<details id=\"run-", HtmlEscape(digest.substr(std::min<size_t>(7, digest.size()), 12)),
                    "\" open><summary>",
                    found != evidence.end() && !found->second->title().empty() ? HtmlEscape(found->second->title()) : "Load run",
                    " <code class=\"quiet\">", HtmlEscape(digest), "</code></summary>", charts, "</details>\n");
  }
  return out;
}

std::string Routes(const v1::EvaluationReport& report) {
  std::string rows;
  for (const auto& route : report.routes()) {
    std::vector<std::string> handlers;
    for (const auto& handler : route.handlers()) handlers.push_back(HtmlEscape(handler.name()));
    absl::StrAppend(&rows, "<tr><td><code>", HtmlEscape(route.method()), "</code></td><td><code>", HtmlEscape(route.path()),
                    "</code>", route.path_exact() ? "" : " <span class=\"tag\">prefix set at run time</span>", "</td><td>",
                    Place(route.file(), route.line()), "</td><td class=\"quiet\">", absl::StrJoin(handlers, " &rarr; "),
                    "</td></tr>");
  }
  if (rows.empty()) return "";
  return absl::StrCat("<details><summary>", report.routes_size(), " routes</summary><table>", rows, "</table></details>");
}

std::vector<const v1::Finding*> SortedFindings(const v1::EvaluationReport& report) {
  std::vector<const v1::Finding*> findings;
  for (const auto& finding : report.findings()) findings.push_back(&finding);
  std::stable_sort(findings.begin(), findings.end(), [](const v1::Finding* a, const v1::Finding* b) {
    const bool a_given = a->authorship() == v1::GIVEN, b_given = b->authorship() == v1::GIVEN;
    if (a_given != b_given) return b_given;
    return a->severity() > b->severity();
  });
  return findings;
}

std::string Findings(const v1::EvaluationReport& report) {
  std::string out;
  for (const v1::Finding* finding : SortedFindings(report)) {
    absl::StrAppend(&out, "<details class=\"finding s", static_cast<int>(finding->severity()), "\"><summary><span class=\"tag\">",
                    HtmlEscape(finding->check()), "</span> ", HtmlEscape(finding->message()), " ",
                    Place(finding->file(), finding->line()),
                    finding->authorship() == v1::GIVEN ? " <span class=\"tag\">given, weighs nothing</span>" : "", "</summary>");
    if (!finding->excerpt().empty()) absl::StrAppend(&out, "<pre>", HtmlEscape(finding->excerpt()), "</pre>");
    if (!finding->help().empty()) absl::StrAppend(&out, "<p>", HtmlEscape(finding->help()), "</p>");
    if (!finding->behaviours().empty()) {
      absl::StrAppend(&out, "<p class=\"quiet\">speaks for ", HtmlEscape(absl::StrJoin(finding->behaviours(), ", ")), "</p>");
    }
    absl::StrAppend(&out, "</details>\n");
  }
  return out;
}

std::string Questions(const v1::EvaluationReport& report) {
  std::string out;
  for (const v1::Finding* finding : SortedFindings(report)) {
    if (finding->question().empty() || finding->authorship() == v1::GIVEN) continue;
    absl::StrAppend(&out, "<li>", HtmlEscape(finding->question()), " ", Place(finding->file(), finding->line()));
    if (!finding->good_answer().empty()) {
      absl::StrAppend(&out, "<details><summary class=\"quiet\">a good answer contains</summary><p>",
                      HtmlEscape(finding->good_answer()), "</p></details>");
    }
    absl::StrAppend(&out, "</li>");
  }
  return out.empty() ? "" : absl::StrCat("<ol>", out, "</ol>");
}

std::string Observations(const v1::EvaluationReport& report, const EvidenceByDigest& evidence) {
  std::string rows;
  for (const auto& observation : report.observations()) {
    absl::StrAppend(&rows, "<tr><td><code>", HtmlEscape(observation.criterion()), "</code></td><td class=\"n\">",
                    observation.state() == v1::Observation::OBSERVED
                        ? absl::StrFormat("%.2f &plusmn; %.2f", observation.value(), observation.standard_error())
                        : InWords(observation.state()),
                    "</td><td>", absl::AsciiStrToLower(v1::Observation::Method_Name(observation.method())), "</td><td>",
                    HtmlEscape(observation.rationale()));
    for (const std::string& digest : observation.evidence()) {
      const auto found = evidence.find(digest);
      if (found == evidence.end()) continue;
      absl::StrAppend(&rows, " ", Place(found->second->file(), found->second->line()));
      if (!found->second->quote().empty()) absl::StrAppend(&rows, "<blockquote>", HtmlEscape(found->second->quote()), "</blockquote>");
    }
    absl::StrAppend(&rows, "</td></tr>");
  }
  if (rows.empty()) return "";
  return absl::StrCat("<details><summary>", report.observations_size(), " observations</summary><table>", rows, "</table></details>");
}

std::string Limits(const v1::EvaluationReport& report) {
  std::string out;
  for (const auto& limit : report.platform_limits()) {
    absl::StrAppend(&out, "<li>", HtmlEscape(limit.what()), ". <span class=\"quiet\">", HtmlEscape(limit.mend()), "</span></li>");
  }
  for (const auto& evaluation : report.evaluations()) {
    if (evaluation.state() == v1::Evaluation::SUCCEEDED) continue;
    absl::StrAppend(&out, "<li>", HtmlEscape(evaluation.evaluator()), ": ", HtmlEscape(evaluation.reason()), "</li>");
  }
  return out.empty() ? "" : absl::StrCat("<ul>", out, "</ul>");
}

std::string ProvenanceLines(const v1::EvaluationReport& report) {
  const v1::Provenance& provenance = report.readiness().provenance();
  const std::map<std::string, std::string> plugins(provenance.plugins().begin(), provenance.plugins().end());
  std::string out = absl::StrCat("<ul class=\"quiet\"><li>framework ", HtmlEscape(report.framework()), " <code>",
                                 HtmlEscape(provenance.framework_digest()), "</code></li><li>profile ",
                                 HtmlEscape(provenance.profile()), "</li><li>calibration ",
                                 HtmlEscape(provenance.calibration()), "</li>");
  for (const auto& [evaluator, digest] : plugins) {
    absl::StrAppend(&out, "<li>", HtmlEscape(evaluator), " <code>", HtmlEscape(digest), "</code></li>");
  }
  for (const auto& submission : report.submissions()) {
    absl::StrAppend(&out, "<li>", absl::AsciiStrToLower(v1::Submission::Kind_Name(submission.kind())), " ",
                    HtmlEscape(submission.origin()), " <code>", HtmlEscape(submission.digest()), "</code></li>");
  }
  return out + "</ul>";
}

}  // namespace

std::string HtmlEscape(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        // Control characters have no place in a page, but for line ends and tabs.
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

std::string RenderHtml(const v1::EvaluationReport& report) {
  EvidenceByDigest evidence;
  for (const auto& item : report.evidence()) evidence[item.digest()] = &item;
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>",
      HtmlEscape(report.candidate()), " &middot; Assay</title><style>", kStyleSheet, "</style></head><body>\n", Header(report),
      Section("tried", "What was tried, and what happened", Tried(report, evidence)),
      Section("areas", "Areas", Areas(report.readiness())), Section("gates", "Gates", Gates(report.readiness())),
      Section("contradictions", "What does not fit together", Contradictions(report.readiness())),
      Section("next", "What would help most next", NextEvidence(report.readiness())),
      Section("questions", "Questions for the interview", Questions(report)),
      Section("runs", "The runs", Runs(report, evidence)), Section("findings", "Places worth a look", Findings(report)),
      Section("routes", "Routes", Routes(report)),
      Section("observations", "Everything observed", Observations(report, evidence)),
      Section("limits", "Not observable here", Limits(report)), Section("provenance", "Where this comes from", ProvenanceLines(report)),
      "</body></html>\n");
}

}  // namespace assay::cli
