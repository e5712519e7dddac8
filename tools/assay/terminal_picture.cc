// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/terminal_picture.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/assay/html_text.h"
#include "tools/assay/terminal_text.h"

namespace assay::cli {
namespace {

constexpr double kCell = 8.43;
constexpr double kLine = 19;
constexpr double kMargin = 18;

struct Pen {
  bool bold = false;
  const char* colour = "#d6dbe5";
};

// The parameters of one "ESC [ … m".
void Apply(const std::string& parameters, Pen& pen) {
  for (absl::string_view one : absl::StrSplit(parameters, ';')) {
    if (one == "0") pen = Pen();
    if (one == "1") pen.bold = true;
    if (one == "2") pen.colour = "#8b94a6";
    if (one == "31") pen.colour = "#ff8f86";
    if (one == "32") pen.colour = "#63d297";
    if (one == "33") pen.colour = "#e9c46a";
    if (one == "36") pen.colour = "#7fb4ff";
  }
}

// The words of `text` that stand together, each at its own place: viewers shrink wider gaps to one blank.
std::string Pieces(const std::string& text, size_t column, double y, const Pen& pen) {
  std::string out;
  for (size_t at = text.find_first_not_of(' '); at != std::string::npos;) {
    const size_t end = std::min(text.find("  ", at), text.size());
    const std::string shown(absl::StripTrailingAsciiWhitespace(text.substr(at, end - at)));
    absl::StrAppendFormat(&out, "<text x=\"%.2f\" y=\"%.1f\" fill=\"%s\"%s textLength=\"%.2f\">%s</text>",
                          kMargin + kCell * static_cast<double>(column + Columns(text.substr(0, at))), y, pen.colour,
                          pen.bold ? " font-weight=\"700\"" : "", kCell * static_cast<double>(Columns(shown)),
                          HtmlEscape(shown));
    at = text.find_first_not_of(' ', end);
  }
  return out;
}

std::string Line(const std::string& line, double y) {
  std::string out, run;
  size_t column = 0;
  Pen pen;
  const auto flush = [&] {
    out += Pieces(run, column, y, pen);
    column += Columns(run);
    run.clear();
  };
  for (size_t i = 0; i < line.size(); ++i) {
    const size_t end = line.compare(i, 2, "\x1b[") == 0 ? line.find('m', i) : std::string::npos;
    if (end == std::string::npos) {
      run += line[i];
      continue;
    }
    flush();
    Apply(line.substr(i + 2, end - i - 2), pen);
    i = end;
  }
  flush();
  return out;
}

}  // namespace

std::string RenderPicture(const std::string& command, const std::string& text, int columns) {
  std::vector<std::string> lines = absl::StrSplit(absl::StrCat("\x1b[32m$\x1b[0m ", command, "\n\n", text), '\n');
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  const double width = 2 * kMargin + kCell * columns, height = 2 * kMargin + kLine * static_cast<double>(lines.size());
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
      "font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n"
      "<title>What assay prints</title><rect width=\"100%%\" height=\"100%%\" rx=\"10\" fill=\"#151922\"/>\n",
      width, height, width, height);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string drawn = Line(lines[i], kMargin + kLine * static_cast<double>(i) + 14);
    if (!drawn.empty()) absl::StrAppend(&svg, drawn, "\n");
  }
  return svg + "</svg>\n";
}

}  // namespace assay::cli
