// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/terminal_report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "tools/assay/report_lead.h"

namespace assay::cli {
namespace {

constexpr size_t kMaximumFirst = 5;
constexpr int kMaximumNextEvidence = 3;
constexpr size_t kMaximumTips = 5;

// How wide the parts of a row of scores are.
struct Row {
  size_t name = 34;
  // Cells of the bar, a multiple of 4 and one: each point of the scale has a cell of its own.
  int cells = 33;
};

Row RowFor(int width, size_t name_wanted) {
  Row row;
  row.cells = width >= 112 ? 49 : width >= 92 ? 33 : width >= 76 ? 25 : 17;
  // Two blanks before the name and one behind; behind the bar: score, interval, share seen.
  const int rest = width - row.cells - 3 - 23;
  row.name = std::clamp<size_t>(static_cast<size_t>(std::max(rest, 12)), 12, name_wanted);
  return row;
}

std::string Bar(double score, const v1::Interval& interval, bool seen, int cells, const TerminalStyle& style,
                const Painter& paint) {
  const auto cell = [cells](double value) {
    return std::clamp(static_cast<int>(std::lround(value / 4.0 * (cells - 1))), 0, cells - 1);
  };
  const int low = cell(interval.low()), high = cell(interval.high()), at = cell(score);
  std::string before, range, after;
  for (int i = 0; i < cells; ++i) {
    std::string& part = i < low ? before : i > high ? after : range;
    if (i == at && seen) {
      part += style.unicode ? "●" : "O";
    } else if (i >= low && i <= high) {
      part += seen ? (style.unicode ? "━" : "=") : (style.unicode ? "╌" : "-");
    } else {
      part += style.unicode ? "·" : ".";
    }
  }
  return absl::StrCat(paint.Dim(before), seen ? paint.Blue(range) : paint.Dim(range), paint.Dim(after));
}

// "0   1   2   3   4" above the bars.
std::string Axis(int cells) {
  std::string axis(static_cast<size_t>(cells), ' ');
  for (int point = 0; point <= 4; ++point)
    axis[static_cast<size_t>(point * (cells - 1) / 4)] = static_cast<char>('0' + point);
  return axis;
}

std::string ScoreRow(const std::string& name, const Row& row, double score, const v1::Interval& interval,
                     double coverage, const TerminalStyle& style, const Painter& paint) {
  const bool seen = coverage > 0;
  std::string out = absl::StrCat("  ", Pad(name, row.name), " ", Bar(score, interval, seen, row.cells, style, paint));
  if (seen) {
    absl::StrAppendFormat(&out, "  %3.1f  %3.1f..%3.1f  %3.0f %%\n", score, interval.low(), interval.high(),
                          100 * coverage);
  } else {
    absl::StrAppend(&out, "    ", style.unicode ? "–" : "-", "\n");
  }
  return out;
}

std::string MarkOf(LeadEntry::Kind kind, const TerminalStyle& style, const Painter& paint) {
  switch (kind) {
    case LeadEntry::Kind::kSame:
      return paint.Green(style.unicode ? "✓" : "+");
    case LeadEntry::Kind::kOtherwise:
      return paint.Red(style.unicode ? "✗" : "x");
    case LeadEntry::Kind::kOpen:
      return paint.Yellow("?");
    case LeadEntry::Kind::kLook:
      return paint.Yellow("!");
    default:
      return paint.Blue(style.unicode ? "›" : ">");
  }
}

// Cuts text for a screen at a word, about three lines long.
std::string Brief(const std::string& text, int width) {
  const size_t room = static_cast<size_t>(3 * (width - 8));
  if (Columns(text) <= room) return text;
  const std::string cut = Cut(text, room - 4);
  return absl::StrCat(cut.substr(0, cut.rfind(' ')), " ...");
}

std::string RenderEntry(const LeadEntry& entry, const TerminalStyle& style, const Painter& paint) {
  const std::string place = Printable(PlaceOf(entry.file, entry.line));
  const std::string quote = Printable(entry.quote);
  const std::string statement = Printable(entry.statement);
  const size_t room = static_cast<size_t>(style.width) - 6;
  std::string out = absl::StrCat("  ", MarkOf(entry.kind, style, paint), " ");
  const auto add_line = [&] {
    if (place.empty()) return;
    const bool fits = !quote.empty() && Columns(place) + 12 < room;
    absl::StrAppend(&out, "      ", paint.Blue(Cut(place, room)),
                    fits ? absl::StrCat("  ", paint.Dim(Cut(quote, room - Columns(place) - 2))) : "", "\n");
  };
  switch (entry.kind) {
    case LeadEntry::Kind::kLook:
      absl::StrAppend(&out, Wrap(Brief(statement, style.width), style.width, "    ").substr(4));
      add_line();
      return out;
    case LeadEntry::Kind::kPersonSaw:
    case LeadEntry::Kind::kHandedIn:
      absl::StrAppend(&out, Wrap(statement, style.width, "    ").substr(4));
      if (!entry.outcome.empty()) {
        absl::StrAppend(
            &out, Wrap(absl::StrCat("\"", Brief(Printable(entry.outcome), style.width), "\""), style.width, "      "));
      }
      return out;
    default:
      break;
  }
  // A claim: its place on the same line where that fits, its line of code where the run showed otherwise.
  const std::string claim = absl::StrCat("The code suggests: ", statement);
  const bool with_code = entry.kind == LeadEntry::Kind::kOtherwise && !quote.empty();
  if (!with_code && !place.empty() && 4 + Columns(claim) + 2 + Columns(place) <= static_cast<size_t>(style.width)) {
    absl::StrAppend(&out, claim, "  ", paint.Blue(place), "\n");
  } else {
    absl::StrAppend(&out, Wrap(claim, style.width, "    ").substr(4));
    add_line();
  }
  if (!entry.outcome.empty()) {
    const char* says = entry.kind == LeadEntry::Kind::kOpen ? "The run left it open: " : "The run showed: ";
    absl::StrAppend(&out, Wrap(absl::StrCat(says, Printable(entry.outcome)), style.width, "      "));
  }
  return out;
}

std::string RenderLead(const v1::EvaluationReport& report, const Painter& paint, const TerminalStyle& style) {
  // On a narrow terminal every entry takes more lines.
  const Lead lead = WhatStandsFirst(report, style.width < 92 ? kMaximumFirst - 1 : kMaximumFirst);
  if (lead.entries.empty()) return "";
  std::string out = paint.Bold(lead.title) + "\n";
  for (const LeadEntry& entry : lead.entries) out += RenderEntry(entry, style, paint);
  return out;
}

// What keeps the status from being decided, in one line; what a person can do about it stands below in full.
std::string Missing(const v1::Readiness& readiness) {
  if (readiness.undecided_because().empty()) return "";
  const std::string first = Printable(readiness.undecided_because(0));
  const int more = readiness.undecided_because_size() - 1;
  return more == 0 ? first : absl::StrCat(first, " (and ", more, " more)");
}

std::string RenderStatus(const v1::Readiness& readiness, const Painter& paint, const TerminalStyle& style) {
  const std::string words = StatusInWords(readiness.status());
  const std::string painted = readiness.status() == v1::Readiness::READY     ? paint.Green(words)
                              : readiness.status() == v1::Readiness::NOT_YET ? paint.Red(words)
                                                                             : paint.Yellow(words);
  const std::string detail =
      readiness.status() == v1::Readiness::NOT_ENOUGH_EVIDENCE
          ? Missing(readiness)
          : absl::StrFormat("All gates met with probability %.2f; %.0f %% of the behaviours have evidence.",
                            readiness.gates_probability(), 100 * readiness.coverage());
  const std::string head = absl::StrCat("Status  ", words, detail.empty() ? "" : "  ");
  const std::string wrapped = detail.empty() ? head + "\n" : Wrap(detail, style.width, head);
  // Colours count no columns, so they come last.
  return absl::StrCat(paint.Bold("Status"), "  ", paint.Bold(painted), wrapped.substr(8 + words.size()));
}

std::string RenderAreas(const v1::Readiness& readiness, const Painter& paint, const TerminalStyle& style) {
  size_t longest = 0;
  for (const auto& area : readiness.areas()) longest = std::max(longest, Columns(area.id()) + 1 + Columns(area.name()));
  const Row row = RowFor(style.width, std::max<size_t>(longest, 12));
  std::string out = absl::StrCat(paint.Bold(Pad("Areas", row.name + 2)), " ",
                                 paint.Dim(absl::StrCat(Axis(row.cells), "         90 %     seen")), "\n");
  for (const auto& area : readiness.areas()) {
    absl::StrAppend(&out, ScoreRow(absl::StrCat(area.id(), " ", Printable(area.name())), row, area.score(),
                                   area.interval(), area.coverage(), style, paint));
  }
  return out;
}

std::string RenderGates(const v1::Readiness& readiness, const Painter& paint, const TerminalStyle& style) {
  if (readiness.gates_size() == 0) return "";
  size_t longest = 0;
  for (const auto& gate : readiness.gates()) longest = std::max(longest, Columns(Printable(gate.id())));
  longest = std::min<size_t>(longest, 24);
  std::string out = paint.Bold("Gates") + "\n";
  for (const auto& gate : readiness.gates()) {
    const bool open = gate.state() == v1::GateReadiness::UNDECIDED;
    const std::string state = gate.state() == v1::GateReadiness::MET ? "met" : open ? "undecided" : "not met";
    const std::string detail = open && !gate.needs().empty()
                                   ? absl::StrCat("needs ", gate.needs())
                                   : absl::StrFormat("probability %.2f: %s", gate.probability(), gate.rule());
    const std::string head = absl::StrCat("  ", Pad(Printable(gate.id()), longest), "  ", Pad(state, 9), "  ");
    const std::string wrapped = Wrap(Printable(detail), style.width, head);
    const std::string painted = gate.state() == v1::GateReadiness::MET       ? paint.Green(Pad(state, 9))
                                : gate.state() == v1::GateReadiness::NOT_MET ? paint.Red(Pad(state, 9))
                                                                             : paint.Yellow(Pad(state, 9));
    absl::StrAppend(&out, "  ", Pad(Printable(gate.id()), longest), "  ", painted, "  ", wrapped.substr(head.size()));
  }
  return out;
}

std::string RenderNextEvidence(const v1::Readiness& readiness, const Painter& paint, const TerminalStyle& style) {
  if (readiness.next_evidence_size() == 0) return "";
  std::string out = paint.Bold("What would help most next") + "\n";
  for (int i = 0; i < std::min(kMaximumNextEvidence, readiness.next_evidence_size()); ++i) {
    const auto& next = readiness.next_evidence(i);
    absl::StrAppend(&out, Wrap(Printable(next.what()), style.width, absl::StrFormat("  %3.0f min  ", next.minutes())));
  }
  return out;
}

// For the candidate: how what was found could be mended, the gravest first, each advice once.
std::string RenderTips(const v1::EvaluationReport& report, const Painter& paint, const TerminalStyle& style) {
  std::vector<const v1::Finding*> findings;
  for (const auto& finding : report.findings()) {
    if (finding.authorship() != v1::GIVEN && !finding.help().empty()) findings.push_back(&finding);
  }
  std::stable_sort(findings.begin(), findings.end(),
                   [](const v1::Finding* a, const v1::Finding* b) { return a->severity() > b->severity(); });
  std::string out;
  std::map<std::string, int> shown;
  for (const v1::Finding* finding : findings) {
    if (shown.size() == kMaximumTips || ++shown[finding->help()] > 1) continue;
    absl::StrAppend(&out, Wrap(Brief(Printable(finding->help()), style.width), style.width, "  - "));
    const std::string place = Printable(PlaceOf(finding->file(), finding->line()));
    if (!place.empty()) absl::StrAppend(&out, "    ", paint.Blue(place), "\n");
  }
  return out.empty() ? "" : absl::StrCat(paint.Bold("What to try next"), "\n", out);
}

std::string RenderLimits(const std::string& title, const std::vector<Limit>& limits, const Painter& paint,
                         const TerminalStyle& style) {
  std::string out;
  for (const Limit& limit : limits) {
    const std::string mend = limit.mend.empty() ? "" : absl::StrCat(". To mend it: ", Printable(limit.mend));
    absl::StrAppend(&out, Wrap(absl::StrCat(Printable(limit.what), mend), style.width, "  - "));
  }
  return out.empty() ? "" : absl::StrCat(paint.Bold(title), "\n", out);
}

std::string RenderCounts(const v1::EvaluationReport& report) {
  std::map<v1::Submission::Kind, int> kinds;
  for (const auto& submission : report.submissions()) {
    if (submission.superseded_by().empty() && !submission.withdrawn()) ++kinds[submission.kind()];
  }
  std::vector<std::string> parts;
  for (const auto& [kind, count] : kinds) {
    const std::string word = absl::AsciiStrToLower(v1::Submission::Kind_Name(kind));
    const bool ends_in_y = !word.empty() && word.back() == 'y';
    parts.push_back(absl::StrCat(count, " ",
                                 count == 1  ? word
                                 : ends_in_y ? absl::StrCat(word.substr(0, word.size() - 1), "ies")
                                             : absl::StrCat(word, "s")));
  }
  return absl::StrJoin(parts, ", ");
}

// Whether the service was tried in the quick profile.
bool WasQuick(const v1::EvaluationReport& report) {
  const auto& submissions = report.submissions();
  return std::any_of(submissions.begin(), submissions.end(), [](const v1::Submission& submission) {
    return submission.quick() && submission.kind() == v1::Submission::REPOSITORY &&
           submission.superseded_by().empty() && !submission.withdrawn();
  });
}

}  // namespace

std::string StatusInWords(v1::Readiness::Status status) {
  switch (status) {
    case v1::Readiness::READY:
      return "READY";
    case v1::Readiness::NOT_YET:
      return "NOT YET";
    default:
      return "NOT ENOUGH EVIDENCE";
  }
}

std::string RenderReport(const v1::EvaluationReport& report, const NextCommands& next, const TerminalStyle& style,
                         const ReportView& view) {
  const Painter paint(style);
  const std::string separator = style.unicode ? " · " : " - ";
  std::string out =
      absl::StrCat(paint.Bold(Printable(report.candidate())),
                   paint.Dim(absl::StrCat(separator, Printable(report.assessment()), separator,
                                          Printable(report.framework()), separator, RenderCounts(report))),
                   "\n");
  const std::string service = Printable(ServiceInWords(report));
  if (!service.empty()) absl::StrAppend(&out, Wrap(absl::StrCat("The service: ", service), style.width, "  "));
  out += "\n";
  const auto section = [&out](const std::string& text) {
    if (!text.empty()) absl::StrAppend(&out, text, "\n");
  };
  section(RenderLead(report, paint, style));
  out += RenderStatus(report.readiness(), paint, style);
  section(RenderAreas(report.readiness(), paint, style));
  section(RenderGates(report.readiness(), paint, style));
  section(view.for_candidate ? RenderTips(report, paint, style) : RenderNextEvidence(report.readiness(), paint, style));
  section(RenderLimits("No result", WithoutResult(report), paint, style));
  section(RenderLimits("Not observable here", NotObservableHere(report), paint, style));
  if (WasQuick(report)) {
    out += Wrap(
        "In the quick profile load steps take 2 s in place of 12, uploads at SIGTERM at most 2 s in place of 5, bad "
        "input "
        "comes a few times "
        "each, and nothing is tried twice.",
        style.width, "");
  }
  if (WithoutBase(report)) {
    out += (Wrap("Without --base everything in the repository counts as the candidate's own.", style.width, ""));
  }
  if (!next.empty()) {
    absl::StrAppend(&out, paint.Bold("Go on with"), "\n");
    for (const std::string& command : next) absl::StrAppend(&out, "  ", command, "\n");
  }
  return out;
}

std::string RenderReadiness(const v1::ReadinessRecord& record, const TerminalStyle& style) {
  const Painter paint(style);
  const v1::Readiness& readiness = record.readiness();
  std::string out = absl::StrCat(paint.Bold(Printable(record.candidate())), style.unicode ? " · " : " - ",
                                 Printable(record.assessment()), "\n\n", RenderStatus(readiness, paint, style), "\n");
  size_t longest = 12;
  for (const auto& area : readiness.areas()) {
    for (const auto& entry : area.competencies())
      longest = std::max(longest, Columns(entry.id()) + 1 + Columns(entry.name()));
  }
  const Row row = RowFor(style.width, longest);
  for (const auto& area : readiness.areas()) {
    absl::StrAppend(&out, paint.Bold(Pad(absl::StrCat(area.id(), " ", Printable(area.name())), row.name + 2)), " ",
                    paint.Dim(Axis(row.cells)), "\n");
    for (const auto& competency : area.competencies()) {
      absl::StrAppend(&out, ScoreRow(absl::StrCat(competency.id(), " ", Printable(competency.name())), row,
                                     competency.score(), competency.interval(), competency.coverage(), style, paint));
    }
  }
  absl::StrAppend(&out, "\n", RenderGates(readiness, paint, style));
  return out;
}

}  // namespace assay::cli
