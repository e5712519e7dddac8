// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "assay/v1/evaluation.pb.h"

namespace assay::cli {

struct TerminalStyle {
  bool colour = false;
  // False: bars and marks in ASCII.
  bool unicode = true;
  // Columns, 60 to 120.
  int width = 100;
};

// What the terminal of this process can show. Piped output is as wide as COLUMNS says, else 100.
TerminalStyle DetectStyle();

// Columns of the terminal behind `fd`, or of COLUMNS; 0 when neither says.
int TerminalWidth(int fd);

// Text for a terminal: control characters of submitted texts made visible, so that none reaches the terminal.
std::string Printable(const std::string& text);

// Display columns of UTF-8 text: one each, two for East Asian wide characters and emoji, none for combining marks.
size_t Columns(absl::string_view text);

// `text` in at most `columns` columns, "~" in place of what did not fit.
std::string Cut(const std::string& text, size_t columns);

// `text` in exactly `columns` columns.
std::string Pad(const std::string& text, size_t columns);

// Breaks text into lines of at most `columns`: the first begins with `first`, the others with as many spaces. Each ends
// with a line end. A word longer than a line stays whole.
std::string Wrap(const std::string& text, int columns, const std::string& first);

// Colours, where the terminal has them.
class Painter {
 public:
  explicit Painter(const TerminalStyle& style) : style_(style) {}
  std::string Bold(const std::string& text) const { return Code("1", text); }
  std::string Dim(const std::string& text) const { return Code("2", text); }
  std::string Green(const std::string& text) const { return Code("32", text); }
  std::string Yellow(const std::string& text) const { return Code("33", text); }
  std::string Red(const std::string& text) const { return Code("31", text); }
  std::string Blue(const std::string& text) const { return Code("36", text); }

 private:
  std::string Code(const char* code, const std::string& text) const;
  const TerminalStyle& style_;
};

}  // namespace assay::cli
