// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/terminal_text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace assay::cli {
namespace {

constexpr int kNarrowest = 60;
constexpr int kWidest = 120;
constexpr int kWithoutTerminal = 100;

// The next character of `text` at `at`, its bytes in `length`. What is no UTF-8 counts byte by byte.
char32_t Decode(absl::string_view text, size_t at, size_t* length) {
  const auto byte = static_cast<unsigned char>(text[at]);
  const size_t want = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
  char32_t code = want == 1 ? byte : byte & (0xFF >> (want + 1));
  *length = 1;
  while (*length < want && at + *length < text.size() &&
         (static_cast<unsigned char>(text[at + *length]) & 0xC0) == 0x80) {
    code = (code << 6) | (static_cast<unsigned char>(text[at + *length]) & 0x3F);
    ++*length;
  }
  return code;
}

size_t WidthOf(char32_t code) {
  const bool combining = (code >= 0x300 && code <= 0x36F) || (code >= 0x200B && code <= 0x200F) ||
                         (code >= 0xFE00 && code <= 0xFE0F) || (code >= 0x20D0 && code <= 0x20FF);
  const bool wide = (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) ||
                    (code >= 0xAC00 && code <= 0xD7A3) || (code >= 0xF900 && code <= 0xFAFF) ||
                    (code >= 0xFE30 && code <= 0xFE6F) || (code >= 0xFF00 && code <= 0xFF60) ||
                    (code >= 0x1F300 && code <= 0x1FAFF) || (code >= 0x20000 && code <= 0x3FFFD);
  return combining ? 0 : wide ? 2 : 1;
}

}  // namespace

size_t Columns(absl::string_view text) {
  size_t columns = 0;
  for (size_t i = 0, length = 0; i < text.size(); i += length) columns += WidthOf(Decode(text, i, &length));
  return columns;
}

std::string Cut(const std::string& text, size_t columns) {
  if (Columns(text) <= columns) return text;
  std::string cut;
  size_t used = 0;
  for (size_t i = 0, length = 0; i < text.size(); i += length) {
    const size_t width = WidthOf(Decode(text, i, &length));
    if (used + width >= columns) break;
    cut.append(text, i, length);
    used += width;
  }
  return cut + "~";
}

std::string Pad(const std::string& text, size_t columns) {
  const std::string cut = Cut(text, columns);
  return cut + std::string(columns - std::min(columns, Columns(cut)), ' ');
}

std::string Wrap(const std::string& text, int columns, const std::string& first) {
  const size_t indent = Columns(first);
  const size_t room = static_cast<size_t>(std::max(20, columns - static_cast<int>(indent)));
  std::string out, line, lead = first;
  const auto flush = [&] {
    absl::StrAppend(&out, lead, line, "\n");
    lead = std::string(indent, ' ');
    line.clear();
  };
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipWhitespace())) {
    if (!line.empty() && Columns(line) + 1 + Columns(word) > room) flush();
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
  }
  if (!line.empty()) flush();
  return out;
}

std::string Painter::Code(const char* code, const std::string& text) const {
  return style_.colour && !text.empty() ? absl::StrCat("\x1b[", code, "m", text, "\x1b[0m") : text;
}

std::string Printable(const std::string& text) {
  std::string out;
  for (size_t i = 0, length = 0; i < text.size(); i += length) {
    const char32_t code = Decode(text, i, &length);
    if (code == '\n' || code == '\t') {
      out += ' ';
    } else if (code < 0x20 || code == 0x7F || (code >= 0x80 && code < 0xA0) || (length == 1 && code >= 0x80)) {
      // C1 control characters as well: some terminals take them as escape sequences.
      const bool whole = static_cast<unsigned char>(text[i]) < 0x80 || length > 1;
      absl::StrAppendFormat(&out, "\\x%02x", whole ? static_cast<unsigned>(code) : static_cast<unsigned char>(text[i]));
    } else if ((code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069)) {
      // These turn the direction of what follows, so that a line could read otherwise than it is.
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned>(code));
    } else {
      out.append(text, i, length);
    }
  }
  return out;
}

int TerminalWidth(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  int width = 0;
  return columns != nullptr && absl::SimpleAtoi(columns, &width) && width > 0 ? width : 0;
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
  const int width = TerminalWidth(STDOUT_FILENO);
  style.width = width == 0 ? kWithoutTerminal : std::clamp(width, kNarrowest, kWidest);
  return style;
}

}  // namespace assay::cli
