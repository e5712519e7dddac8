// SPDX-License-Identifier: Apache-2.0
// What the conclusions rest on: what was tried, people's words, runs, places in the code, everything observed.
#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "tools/assay/html_charts.h"
#include "tools/assay/html_sections.h"
#include "tools/assay/html_text.h"
#include "tools/assay/report_lead.h"

namespace assay::cli {
namespace {

using EvidenceByDigest = std::map<std::string, const v1::Evidence*>;

EvidenceByDigest IndexOf(const v1::EvaluationReport& report) {
  EvidenceByDigest evidence;
  for (const auto& item : report.evidence()) evidence[item.digest()] = &item;
  return evidence;
}

// The anchor of a run, from its digest.
std::string RunId(const std::string& digest) {
  const std::string hex(absl::StripPrefix(digest, "sha256:"));
  return absl::StrCat("run-", HtmlEscape(hex.substr(0, 12)));
}

int Rank(const v1::Claim& claim) {
  switch (claim.verdict()) {
    case v1::Claim::REFUTED:
      return 0;
    case v1::Claim::CONFIRMED:
      return 1;
    case v1::Claim::INCONCLUSIVE:
      return 2;
    default:
      return 3;
  }
}

std::string ClaimHtml(const v1::EvaluationReport& report, const v1::Claim& claim, const EvidenceByDigest& evidence) {
  static constexpr const char* kKinds[] = {"other", "same", "open", "untried"};
  static constexpr const char* kWords[] = {"The run showed otherwise", "The run showed the same",
                                           "The run left it open", "Not tried yet"};
  const int rank = Rank(claim);
  std::string out =
      absl::StrCat("<article class=\"card ", kKinds[rank], "\"><h3><span class=\"quiet\">The code suggests:</span> ",
                   HtmlEscape(claim.statement()), "</h3>", PlaceHtml(claim.file(), claim.line()));
  for (const std::string& digest : claim.evidence()) {
    const auto found = evidence.find(digest);
    if (found == evidence.end() || found->second->kind() != v1::Evidence::SPAN) continue;
    out += CodeHtml(found->second->quote(), found->second->line());
    break;
  }
  absl::StrAppend(&out, "<p><span class=\"verdict\">", kWords[rank], "</span>", claim.reason().empty() ? "" : ": ",
                  HtmlEscape(claim.reason()), "</p>");
  for (const std::string& digest : claim.evidence()) {
    const auto run = report.load_runs().find(digest);
    if (run != report.load_runs().end()) {
      absl::StrAppend(&out, SignalBar(ParseLoadRun(run->second)), "<p><a href=\"#", RunId(digest),
                      "\">See the run</a></p>");
    }
  }
  return out + "</article>\n";
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

const char* SeverityInWords(v1::Finding::Severity severity) {
  return severity == v1::Finding::ERROR ? "weighty" : severity == v1::Finding::WARNING ? "worth a look" : "remark";
}

// "run.drains_on_sigterm" is "Drains on SIGTERM".
std::string CriterionInWords(const std::string& criterion) {
  std::string words(absl::StripPrefix(criterion, "run."));
  std::replace(words.begin(), words.end(), '_', ' ');
  words = absl::StrReplaceAll(words, {{"sigterm", "SIGTERM"}});
  if (!words.empty()) words[0] = absl::ascii_toupper(static_cast<unsigned char>(words[0]));
  return words;
}

// What a run was for: what the observations that cite it say of it.
std::string RunTitle(const v1::EvaluationReport& report, const std::string& digest) {
  std::string first;
  for (const auto& observation : report.observations()) {
    const auto& cited = observation.evidence();
    if (std::find(cited.begin(), cited.end(), digest) == cited.end()) continue;
    if (absl::StartsWith(observation.criterion(), "run."))
      return absl::StrCat(CriterionInWords(observation.criterion()), ": ", observation.rationale());
    if (first.empty()) first = absl::StrCat(CriterionInWords(observation.criterion()), ": ", observation.rationale());
  }
  return first.empty() ? "Load run" : first;
}

}  // namespace

std::string TriedHtml(const v1::EvaluationReport& report) {
  const EvidenceByDigest evidence = IndexOf(report);
  std::vector<const v1::Claim*> claims;
  for (const auto& claim : report.claims()) claims.push_back(&claim);
  std::stable_sort(claims.begin(), claims.end(),
                   [](const v1::Claim* a, const v1::Claim* b) { return Rank(*a) < Rank(*b); });
  std::string out, untried;
  int count = 0;
  for (const v1::Claim* claim : claims) {
    if (Rank(*claim) == 3) ++count;
    (Rank(*claim) == 3 ? untried : out) += ClaimHtml(report, *claim, evidence);
  }
  if (untried.empty()) return out;
  return absl::StrCat(out, "<details><summary>", count, " more that the code suggests, not tried yet</summary>",
                      untried, "</details>");
}

std::string PeopleHtml(const v1::EvaluationReport& report) {
  const EvidenceByDigest evidence = IndexOf(report);
  std::string out;
  for (const auto& observation : report.observations()) {
    if (observation.method() != v1::Observation::HUMAN && observation.method() != v1::Observation::DOCUMENT) continue;
    for (const std::string& digest : observation.evidence()) {
      const auto found = evidence.find(digest);
      if (found == evidence.end() || found->second->quote().empty()) continue;
      const v1::Evidence& item = *found->second;
      if (item.kind() != v1::Evidence::RATING && item.kind() != v1::Evidence::PORTFOLIO_ITEM) continue;
      const std::string about(absl::StripPrefix(absl::StripPrefix(observation.criterion(), "rating/"), "behaviour/"));
      std::string head = HtmlEscape(about);
      if (absl::StartsWith(observation.criterion(), "rating/")) {
        absl::StrAppendFormat(&head, " <b>%.2g of 4</b>", 4 * observation.value());
      } else if (absl::StartsWith(observation.criterion(), "behaviour/")) {
        absl::StrAppend(&head, observation.value() >= 0.5 ? " <b>present</b>" : " <b>missing</b>");
      }
      absl::StrAppend(&out, "<figure class=\"quote\"><blockquote>", HtmlEscape(item.quote()),
                      "</blockquote><figcaption>", head,
                      item.rater().empty() ? "" : absl::StrCat(" by ", HtmlEscape(item.rater())),
                      observation.unscored() ? " <span class=\"tag\">shown, not counted</span>" : "",
                      " <span class=\"quiet\">", HtmlEscape(PlaceInWords(item)), "</span></figcaption></figure>\n");
    }
  }
  return out.empty() ? "" : absl::StrCat("<div class=\"quotes\">", out, "</div>");
}

std::string RunsHtml(const v1::EvaluationReport& report) {
  // Maps of protobuf have no order of their own.
  const std::map<std::string, std::string> runs(report.load_runs().begin(), report.load_runs().end());
  // Those with the most to see first.
  std::vector<std::tuple<int, std::string, std::string>> parts;
  for (const auto& [digest, json] : runs) {
    const LoadRun run = ParseLoadRun(json);
    const std::string charts = LoadRunCharts(run);
    if (charts.empty()) continue;
    const std::string title = RunTitle(report, digest);
    parts.emplace_back(
        !run.signals.empty() ? 0
        : run.capacity > 0   ? 1
                             : 2,
        title,
        absl::StrCat("<article class=\"run\" id=\"", RunId(digest), "\"><h3>", HtmlEscape(title), "</h3>", charts,
                     "<p class=\"digest\"><code>", HtmlEscape(digest), "</code></p></article>\n"));
  }
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (const auto& [rank, title, html] : parts) out += html;
  return out;
}

std::string FindingsHtml(const v1::EvaluationReport& report) {
  std::string out;
  for (const v1::Finding* finding : SortedFindings(report)) {
    const bool given = finding->authorship() == v1::GIVEN;
    absl::StrAppend(&out, "<article class=\"finding s", static_cast<int>(finding->severity()), given ? " given" : "",
                    "\"><h3><span class=\"tag\">", HtmlEscape(finding->check()), " ",
                    SeverityInWords(finding->severity()), "</span> ", PlaceHtml(finding->file(), finding->line()),
                    given ? " <span class=\"tag\">given, weighs nothing</span>" : "", "</h3><p>",
                    HtmlEscape(finding->message()), "</p>", CodeHtml(finding->excerpt(), finding->line()));
    if (!finding->help().empty())
      absl::StrAppend(&out, "<p><b>What would help</b> ", HtmlEscape(finding->help()), "</p>");
    if (!finding->behaviours().empty()) {
      absl::StrAppend(&out, "<p class=\"quiet\">Speaks for ", HtmlEscape(absl::StrJoin(finding->behaviours(), ", ")),
                      "</p>");
    }
    out += "</article>\n";
  }
  return out;
}

std::string QuestionsHtml(const v1::EvaluationReport& report) {
  std::string out;
  std::set<std::string> asked;
  for (const v1::Finding* finding : SortedFindings(report)) {
    if (finding->question().empty() || finding->authorship() == v1::GIVEN) continue;
    if (!asked.insert(absl::StrCat(finding->file(), ":", finding->line(), finding->question())).second) continue;
    absl::StrAppend(&out, "<li><p>", HtmlEscape(finding->question()), " ", PlaceHtml(finding->file(), finding->line()),
                    "</p>");
    if (!finding->good_answer().empty()) {
      absl::StrAppend(&out, "<details><summary>A good answer contains</summary><p>", HtmlEscape(finding->good_answer()),
                      "</p></details>");
    }
    out += "</li>";
  }
  return out.empty() ? "" : absl::StrCat("<ol class=\"questions\">", out, "</ol>");
}

std::string TipsHtml(const v1::EvaluationReport& report) {
  std::string out;
  std::set<std::string> shown;
  for (const v1::Finding* finding : SortedFindings(report)) {
    if (finding->help().empty() || finding->authorship() == v1::GIVEN || !shown.insert(finding->help()).second)
      continue;
    absl::StrAppend(&out, "<li>", HtmlEscape(finding->help()), " ", PlaceHtml(finding->file(), finding->line()),
                    "</li>");
  }
  return out.empty() ? "" : absl::StrCat("<ol>", out, "</ol>");
}

std::string RoutesHtml(const v1::EvaluationReport& report) {
  std::string rows;
  for (const auto& route : report.routes()) {
    std::vector<std::string> handlers;
    for (const auto& handler : route.handlers())
      handlers.push_back(HtmlEscape(handler.name().empty() ? "(unnamed)" : handler.name()));
    absl::StrAppend(&rows, "<tr><td><code>", HtmlEscape(route.method()), "</code></td><td><code>",
                    HtmlEscape(route.path()), "</code>",
                    route.path_exact() ? "" : " <span class=\"tag\">prefix set at run time</span>", "</td><td>",
                    PlaceHtml(route.file(), route.line()), "</td><td class=\"quiet\">", absl::StrJoin(handlers, " → "),
                    "</td></tr>");
  }
  if (rows.empty()) return "";
  return absl::StrCat(
      "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Routes\"><table><thead><tr><th "
      "scope=\"col\">method</th>"
      "<th scope=\"col\">path</th><th scope=\"col\">registered at</th><th scope=\"col\">handled "
      "by</th></tr></thead><tbody>",
      rows, "</tbody></table></div>");
}

std::string ObservationsHtml(const v1::EvaluationReport& report) {
  const EvidenceByDigest evidence = IndexOf(report);
  std::string rows;
  for (const auto& observation : report.observations()) {
    std::string value = "not observed yet";
    if (observation.state() == v1::Observation::OBSERVED) {
      value = absl::StrFormat("%.2f ± %.2f", observation.value(), observation.standard_error());
    } else if (observation.state() == v1::Observation::NOT_OBSERVABLE) {
      value = "not observable here";
    } else if (observation.state() == v1::Observation::NOT_ASKED) {
      value = "not asked for";
    }
    absl::StrAppend(&rows, "<tr><td><code>", HtmlEscape(observation.criterion()), "</code></td><td class=\"n\">", value,
                    "</td><td>",
                    observation.method() == v1::Observation::METHOD_UNSPECIFIED
                        ? ""
                        : absl::AsciiStrToLower(v1::Observation::Method_Name(observation.method())),
                    "</td><td>", HtmlEscape(observation.rationale()),
                    observation.authorship() == v1::GIVEN ? " <span class=\"tag\">given, weighs nothing</span>" : "");
    for (const std::string& digest : observation.evidence()) {
      const auto found = evidence.find(digest);
      if (found == evidence.end() || found->second->kind() != v1::Evidence::SPAN) continue;
      absl::StrAppend(&rows, " ", PlaceHtml(found->second->file(), found->second->line()));
    }
    rows += "</td></tr>";
  }
  if (rows.empty()) return "";
  return absl::StrCat("<details><summary>All ", report.observations_size(),
                      " observations</summary><div class=\"scroll\" tabindex=\"0\" role=\"group\" "
                      "aria-label=\"Observations\"><table><thead><tr>"
                      "<th scope=\"col\">criterion</th><th scope=\"col\">value, 0 to 1</th><th "
                      "scope=\"col\">by</th><th scope=\"col\">why</th>"
                      "</tr></thead><tbody>",
                      rows, "</tbody></table></div></details>");
}

std::string LimitsHtml(const v1::EvaluationReport& report) {
  std::string out;
  for (const auto& limits : {WithoutResult(report), NotObservableHere(report)}) {
    for (const Limit& limit : limits) {
      absl::StrAppend(&out, "<li>", HtmlEscape(limit.what),
                      limit.mend.empty() ? "" : absl::StrCat(". <b>To mend it</b> ", HtmlEscape(limit.mend)), "</li>");
    }
  }
  return out.empty() ? "" : absl::StrCat("<ul>", out, "</ul>");
}

std::string ProvenanceHtml(const v1::EvaluationReport& report) {
  const v1::Provenance& provenance = report.readiness().provenance();
  const std::map<std::string, std::string> plugins(provenance.plugins().begin(), provenance.plugins().end());
  std::string rows;
  const auto row = [&rows](const std::string& what, const std::string& name, const std::string& digest) {
    absl::StrAppend(&rows, "<tr><td>", HtmlEscape(what), "</td><td>", HtmlEscape(name),
                    "</td><td class=\"digest\"><code>", HtmlEscape(digest), "</code></td></tr>");
  };
  for (const auto& submission : report.submissions()) {
    std::string kind = absl::AsciiStrToLower(v1::Submission::Kind_Name(submission.kind()));
    if (!submission.superseded_by().empty()) absl::StrAppend(&kind, " (a later one speaks)");
    if (submission.withdrawn()) absl::StrAppend(&kind, " (withdrawn)");
    row(kind, submission.origin(), submission.digest());
  }
  row("framework", report.framework(), provenance.framework_digest());
  row("profile", provenance.profile(), "");
  row("calibration", provenance.calibration(), "");
  for (const auto& [evaluator, digest] : plugins) row("plugin", evaluator, digest);
  return absl::StrCat(
      "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Provenance\"><table><thead><tr><th "
      "scope=\"col\">what</th>"
      "<th scope=\"col\">name</th><th scope=\"col\">digest</th></tr></thead><tbody>",
      rows, "</tbody></table></div>",
      WithoutBase(report)
          ? "<p class=\"quiet\">Nothing says what the candidate was given, so everything in the repository "
            "counts as their own.</p>"
          : "");
}

}  // namespace assay::cli
