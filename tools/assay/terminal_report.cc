// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/terminal_report.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace assay::cli {
namespace {

constexpr int kMaximumTried = 5;
constexpr int kMaximumNextEvidence = 3;
constexpr int kBarCells = 33;  // 0..4 in steps of 1/8

// Display columns of UTF-8 text, counting each code point as one: what Assay prints itself needs no more.
size_t Columns(absl::string_view text) {
  size_t columns = 0;
  for (unsigned char c : text) columns += (c & 0xC0) != 0x80;
  return columns;
}

std::string Cut(const std::string& text, size_t columns) {
  if (Columns(text) <= columns) return text;
  std::string cut;
  size_t used = 0;
  for (size_t i = 0; i < text.size();) {
    size_t length = 1;
    while (i + length < text.size() && (static_cast<unsigned char>(text[i + length]) & 0xC0) == 0x80) ++length;
    if (used + 1 >= columns) break;
    cut.append(text, i, length);
    ++used;
    i += length;
  }
  return cut + "~";
}

std::string Pad(const std::string& text, size_t columns) {
  const std::string cut = Cut(text, columns);
  return cut + std::string(columns - Columns(cut), ' ');
}

// Breaks text into lines of at most `columns`, each behind `indent` spaces.
std::string Wrap(const std::string& text, int columns, int indent) {
  std::string out, line;
  const size_t room = static_cast<size_t>(std::max(20, columns - indent));
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipWhitespace())) {
    if (!line.empty() && Columns(line) + 1 + Columns(word) > room) {
      absl::StrAppend(&out, std::string(indent, ' '), line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
  }
  if (!line.empty()) absl::StrAppend(&out, std::string(indent, ' '), line, "\n");
  return out;
}

class Painter {
 public:
  explicit Painter(const TerminalStyle& style) : style_(style) {}
  std::string Bold(const std::string& text) const { return Code("1", text); }
  std::string Dim(const std::string& text) const { return Code("2", text); }
  std::string Green(const std::string& text) const { return Code("32", text); }
  std::string Yellow(const std::string& text) const { return Code("33", text); }
  std::string Red(const std::string& text) const { return Code("31", text); }

  std::string Mark(v1::Claim::Verdict verdict) const {
    switch (verdict) {
      case v1::Claim::CONFIRMED:
        return Green(style_.unicode ? "✓" : "+");
      case v1::Claim::REFUTED:
        return Red(style_.unicode ? "✗" : "x");
      default:
        return Yellow(style_.unicode ? "?" : "?");
    }
  }

 private:
  std::string Code(const char* code, const std::string& text) const {
    return style_.colour ? absl::StrCat("\x1b[", code, "m", text, "\x1b[0m") : text;
  }
  const TerminalStyle& style_;
};

std::string Bar(double score, const v1::Interval& interval, bool seen, const TerminalStyle& style) {
  const auto cell = [](double value) {
    return std::clamp(static_cast<int>(std::lround(value / 4.0 * (kBarCells - 1))), 0, kBarCells - 1);
  };
  const int low = cell(interval.low()), high = cell(interval.high()), at = cell(score);
  std::string bar;
  for (int i = 0; i < kBarCells; ++i) {
    if (i == at && seen) {
      bar += style.unicode ? "●" : "O";
    } else if (i >= low && i <= high) {
      bar += seen ? (style.unicode ? "━" : "=") : (style.unicode ? "╌" : "-");
    } else {
      bar += style.unicode ? "·" : ".";
    }
  }
  return bar;
}

std::string Place(const std::string& file, uint32_t line) {
  if (file.empty()) return "";
  return line == 0 ? Printable(file) : absl::StrCat(Printable(file), ":", line);
}

// What was tried first: what a run showed against the code comes before what it bore out.
int Rank(v1::Claim::Verdict verdict) {
  switch (verdict) {
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

std::string RenderTried(const v1::EvaluationReport& report, const Painter& paint, const TerminalStyle& style) {
  std::vector<const v1::Claim*> claims;
  for (const auto& claim : report.claims()) {
    if (Rank(claim.verdict()) < 3) claims.push_back(&claim);
  }
  std::stable_sort(claims.begin(), claims.end(), [](const v1::Claim* a, const v1::Claim* b) {
    return Rank(a->verdict()) < Rank(b->verdict());
  });
  std::string out;
  int shown = 0;
  for (const v1::Claim* claim : claims) {
    if (shown == kMaximumTried) break;
    ++shown;
    const std::string place = Place(claim->file(), claim->line());
    absl::StrAppend(&out, "  ", paint.Mark(claim->verdict()), " The code suggests: ", Printable(claim->statement()),
                    place.empty() ? "" : paint.Dim(absl::StrCat("  ", place)), "\n");
    absl::StrAppend(&out, Wrap(Printable(claim->reason()), style.width, 6));
  }
  // With nothing tried, the places most worth a look speak instead.
  for (const auto& finding : report.findings()) {
    if (shown == kMaximumTried) break;
    if (finding.severity() != v1::Finding::ERROR || finding.authorship() == v1::GIVEN) continue;
    ++shown;
    absl::StrAppend(&out, "  ", paint.Yellow("!"), " ", paint.Dim(Place(finding.file(), finding.line())), "\n",
                    Wrap(Printable(finding.message()), style.width, 6));
  }
  if (shown == 0) return "";
  return absl::StrCat(paint.Bold(claims.empty() ? "What stands out" : "What was tried, and what happened"), "\n", out);
}

std::string RenderStatus(const v1::Readiness& readiness, const Painter& paint, const TerminalStyle& style) {
  const std::string words = StatusInWords(readiness.status());
  const std::string painted = readiness.status() == v1::Readiness::READY     ? paint.Green(words)
                              : readiness.status() == v1::Readiness::NOT_YET ? paint.Red(words)
                                                                             : paint.Yellow(words);
  std::string out = absl::StrFormat("%s  %s%s\n", paint.Bold("Status"), paint.Bold(painted),
                                    absl::StrFormat("   %.0f %% of the behaviours have evidence", 100 * readiness.coverage()));
  if (readiness.status() == v1::Readiness::NOT_ENOUGH_EVIDENCE && readiness.undecided_because_size() > 0) {
    absl::StrAppend(&out, Wrap(absl::StrCat("Missing: ", Printable(readiness.undecided_because(0))), style.width, 8));
  } else if (readiness.status() != v1::Readiness::NOT_ENOUGH_EVIDENCE) {
    absl::StrAppendFormat(&out, "        all gates met with probability %.2f\n", readiness.gates_probability());
  }
  return out;
}

std::string RenderAreas(const v1::Readiness& readiness, const Painter& paint, const TerminalStyle& style) {
  std::string out = absl::StrCat(paint.Bold(Pad("Areas", 34)), "  ", paint.Dim("0       1       2       3       4"),
                                 paint.Dim("        90 %       seen"), "\n");
  for (const auto& area : readiness.areas()) {
    const bool seen = area.coverage() > 0;
    absl::StrAppend(&out, "  ", Pad(absl::StrCat(area.id(), " ", Printable(area.name())), 32), "  ",
                    Bar(area.score(), area.interval(), seen, style));
    absl::StrAppend(&out, seen ? absl::StrFormat("  %3.1f  %3.1f..%3.1f", area.score(), area.interval().low(),
                                                 area.interval().high())
                               : absl::StrCat("    ", style.unicode ? "–" : "-", "          "));
    absl::StrAppendFormat(&out, "  %3.0f %%\n", 100 * area.coverage());
  }
  return out;
}

std::string RenderGates(const v1::Readiness& readiness, const Painter& paint, const TerminalStyle& style) {
  if (readiness.gates_size() == 0) return "";
  std::string out = paint.Bold("Gates") + "\n";
  for (const auto& gate : readiness.gates()) {
    const std::string state = gate.state() == v1::GateReadiness::MET       ? paint.Green("met      ")
                              : gate.state() == v1::GateReadiness::NOT_MET ? paint.Red("not met  ")
                                                                           : paint.Yellow("undecided");
    const std::string detail = gate.state() == v1::GateReadiness::UNDECIDED && !gate.needs().empty()
                                   ? gate.needs()
                                   : absl::StrFormat("probability %.2f", gate.probability());
    const size_t room = static_cast<size_t>(std::max(20, style.width - 39));
    absl::StrAppend(&out, "  ", Pad(Printable(gate.id()), 24), " ", state, "  ", paint.Dim(Cut(Printable(detail), room)),
                    "\n");
  }
  return out;
}

std::string RenderNextEvidence(const v1::Readiness& readiness, const Painter& paint, const TerminalStyle& style) {
  if (readiness.next_evidence_size() == 0) return "";
  std::string out = paint.Bold("What would help most next") + "\n";
  for (int i = 0; i < std::min(kMaximumNextEvidence, readiness.next_evidence_size()); ++i) {
    const auto& next = readiness.next_evidence(i);
    absl::StrAppend(&out, Wrap(absl::StrFormat("%d. %s (about %.0f min)", i + 1, Printable(next.what()), next.minutes()),
                               style.width, 2));
  }
  return out;
}

std::string RenderUndone(const v1::EvaluationReport& report, const Painter& paint, const TerminalStyle& style) {
  std::string out;
  for (const auto& evaluation : report.evaluations()) {
    if (evaluation.state() == v1::Evaluation::SUCCEEDED) continue;
    absl::StrAppend(&out, Wrap(absl::StrCat(evaluation.evaluator(), " gave no result: ",
                                            Printable(evaluation.reason().empty()
                                                          ? v1::Evaluation::State_Name(evaluation.state())
                                                          : evaluation.reason())),
                               style.width, 2));
  }
  for (const auto& limit : report.platform_limits()) {
    absl::StrAppend(&out, Wrap(absl::StrCat(Printable(limit.what()), ". ", Printable(limit.mend())), style.width, 2));
  }
  if (out.empty()) return "";
  return absl::StrCat(paint.Bold("Not observable here"), "\n", out);
}

std::string RenderCounts(const v1::EvaluationReport& report) {
  std::map<std::string, int> kinds;
  for (const auto& submission : report.submissions()) {
    if (submission.superseded_by().empty() && !submission.withdrawn()) {
      ++kinds[absl::AsciiStrToLower(v1::Submission::Kind_Name(submission.kind()))];
    }
  }
  std::vector<std::string> parts;
  for (const auto& [kind, count] : kinds) parts.push_back(absl::StrCat(count, " ", kind, count == 1 ? "" : "s"));
  if (report.routes_size() > 0) parts.push_back(absl::StrCat(report.routes_size(), " routes"));
  if (report.findings_size() > 0) parts.push_back(absl::StrCat(report.findings_size(), " findings"));
  std::string out;
  for (const std::string& part : parts) absl::StrAppend(&out, out.empty() ? "" : ", ", part);
  return out;
}

bool WithoutBase(const v1::EvaluationReport& report) {
  for (const auto& observation : report.observations()) {
    if (observation.authorship() == v1::GIVEN || observation.authorship() == v1::SHARED) return false;
  }
  return report.routes_size() > 0;
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

std::string Printable(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n' || c == '\t') {
      out += ' ';
    } else if (c < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(&out, "\\x%02x", c);
    } else if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      // C1 control characters: some terminals take them as escape sequences.
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(text[++i]));
    } else {
      out += text[i];
    }
  }
  return out;
}

TerminalStyle DetectStyle() {
  TerminalStyle style;
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string(term) == "dumb";
  style.colour = isatty(STDOUT_FILENO) != 0 && !dumb && std::getenv("NO_COLOR") == nullptr;
  std::string locale;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') {
      locale = absl::AsciiStrToLower(value);
      break;
    }
  }
  style.unicode = absl::StrContains(locale, "utf-8") || absl::StrContains(locale, "utf8");
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 60) {
    style.width = std::min<int>(size.ws_col, 120);
  }
  return style;
}

std::string RenderReport(const v1::EvaluationReport& report, const NextCommands& next, const TerminalStyle& style) {
  const Painter paint(style);
  const std::string separator = style.unicode ? " · " : " - ";
  std::string out = absl::StrCat(paint.Bold(Printable(report.candidate())), separator, Printable(report.assessment()),
                                 separator, Printable(report.framework()), "\n", paint.Dim(RenderCounts(report)), "\n\n");
  const auto section = [&out](const std::string& text) {
    if (!text.empty()) absl::StrAppend(&out, text, "\n");
  };
  section(RenderTried(report, paint, style));
  section(RenderStatus(report.readiness(), paint, style));
  section(RenderAreas(report.readiness(), paint, style));
  section(RenderGates(report.readiness(), paint, style));
  section(RenderNextEvidence(report.readiness(), paint, style));
  section(RenderUndone(report, paint, style));
  if (WithoutBase(report)) {
    absl::StrAppend(&out, Wrap("Without --base everything in the repository counts as the candidate's own.", style.width, 0),
                    "\n");
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
  for (const auto& area : readiness.areas()) {
    absl::StrAppend(&out, paint.Bold(absl::StrCat(area.id(), " ", Printable(area.name()))), "\n");
    for (const auto& competency : area.competencies()) {
      const bool seen = competency.coverage() > 0;
      absl::StrAppend(&out, "  ", Pad(absl::StrCat(competency.id(), " ", Printable(competency.name())), 44), "  ",
                      Bar(competency.score(), competency.interval(), seen, style),
                      seen ? absl::StrFormat("  %3.1f  %3.1f..%3.1f", competency.score(), competency.interval().low(),
                                             competency.interval().high())
                           : "",
                      "\n");
    }
  }
  absl::StrAppend(&out, "\n", RenderGates(readiness, paint, style));
  return out;
}

}  // namespace assay::cli
