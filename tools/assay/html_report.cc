// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/html_report.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/base/digest.h"
#include "tools/assay/html_sections.h"
#include "tools/assay/html_style.h"
#include "tools/assay/html_text.h"
#include "tools/assay/report_lead.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

struct Part {
  const char* id;
  const char* title;
  // In the list at the top; shorter.
  const char* name;
  std::string body;
};

std::vector<Part> Parts(const v1::EvaluationReport& report, bool for_candidate) {
  const v1::Readiness& readiness = report.readiness();
  std::vector<Part> parts;
  parts.push_back({"tried", "What was tried, and what happened", "Tried", TriedHtml(report)});
  parts.push_back({"areas", "Areas", "Areas", AreasHtml(readiness)});
  parts.push_back({"gates", "Gates", "Gates", GatesHtml(readiness)});
  parts.push_back({"contradictions", "What does not fit together", "Does not fit", ContradictionsHtml(readiness)});
  if (for_candidate) {
    parts.push_back({"tips", "What to try next", "Try next", TipsHtml(report)});
  } else {
    parts.push_back({"next", "What would help most next", "Next", NextEvidenceHtml(readiness)});
    parts.push_back({"questions", "Questions for the interview", "Questions", QuestionsHtml(report)});
  }
  parts.push_back({"runs", "The runs", "Runs", RunsHtml(report)});
  parts.push_back({"findings", "Places worth a look", "Places", FindingsHtml(report)});
  parts.push_back({"people", "In people's words", "Words", PeopleHtml(report)});
  parts.push_back({"routes", "Routes", "Routes", RoutesHtml(report)});
  parts.push_back({"limits", "Not observable here", "Limits", LimitsHtml(report)});
  parts.push_back({"observations", "Everything observed", "Observed", ObservationsHtml(report)});
  parts.push_back({"provenance", "Where this comes from", "Origin", ProvenanceHtml(report)});
  return parts;
}

std::string Header(const v1::EvaluationReport& report) {
  const v1::Readiness& readiness = report.readiness();
  const char* kind = readiness.status() == v1::Readiness::READY     ? "ready"
                     : readiness.status() == v1::Readiness::NOT_YET ? "not-yet"
                                                                    : "undecided";
  std::string out = absl::StrCat("<header><p class=\"quiet\">Assay readiness report · ", HtmlEscape(report.framework()),
                                 " · ", HtmlEscape(report.assessment()), "</p><h1>", HtmlEscape(report.candidate()),
                                 "</h1><p class=\"answer\"><span class=\"status ", kind, "\">",
                                 StatusInWords(readiness.status()), "</span> ");
  absl::StrAppendFormat(&out, "%.0f %% of the behaviours have evidence</p>", 100 * readiness.coverage());
  const std::string service = ServiceInWords(report);
  if (!service.empty()) absl::StrAppend(&out, "<p>The service: ", HtmlEscape(service), ".</p>");
  if (readiness.undecided_because_size() > 0) {
    out += "<ul class=\"quiet\">";
    for (const std::string& line : readiness.undecided_because())
      absl::StrAppend(&out, "<li>", HtmlEscape(line), "</li>");
    out += "</ul>";
  }
  return out + "<p class=\"quiet\">Assay shows evidence; a named person decides.</p></header>\n";
}

// Only the style sheet below may apply, and nothing may load or run: whatever a submission brings into the page stays
// text.
std::string Policy() {
  const std::string hash = absl::Base64Escape(Digest::Of(kStyleSheet).bytes());
  return absl::StrCat("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-",
                      hash, "'; base-uri 'none'; form-action 'none'\">");
}

}  // namespace

std::string RenderHtml(const v1::EvaluationReport& report, bool for_candidate) {
  std::string menu, sections;
  for (const Part& part : Parts(report, for_candidate)) {
    if (part.body.empty()) continue;
    absl::StrAppend(&menu, "<a href=\"#", part.id, "\">", part.name, "</a> ");
    absl::StrAppend(&sections, SectionHtml(part.id, part.title, part.body));
  }
  return absl::StrCat("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">", Policy(),
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>",
                      HtmlEscape(report.candidate()), " · Assay</title><style>", kStyleSheet,
                      "</style></head><body>\n<a class=\"skip\" href=\"#content\">To the content</a>\n", Header(report),
                      "<nav aria-label=\"Sections\">", menu, "</nav>\n<main id=\"content\">\n", sections,
                      "</main>\n</body></html>\n");
}

}  // namespace assay::cli
