// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/html_text.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace assay::cli {
namespace {

// U+202A..U+202E and U+2066..U+2069 in UTF-8.
bool TurnsDirection(const std::string& text, size_t at) {
  if (at + 2 >= text.size() || static_cast<unsigned char>(text[at]) != 0xE2) return false;
  const auto second = static_cast<unsigned char>(text[at + 1]), third = static_cast<unsigned char>(text[at + 2]);
  return (second == 0x80 && third >= 0xAA && third <= 0xAE) || (second == 0x81 && third >= 0xA6 && third <= 0xA9);
}

}  // namespace

std::string HtmlEscape(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '&':
        out += "&amp;";
        continue;
      case '<':
        out += "&lt;";
        continue;
      case '>':
        out += "&gt;";
        continue;
      case '"':
        out += "&quot;";
        continue;
      case '\'':
        out += "&#39;";
        continue;
      default:
        break;
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    if (TurnsDirection(text, i)) {
      absl::StrAppendFormat(&out, "\\u20%02x",
                            byte == 0xE2 && static_cast<unsigned char>(text[i + 1]) == 0x80
                                ? static_cast<unsigned char>(text[i + 2]) - 0x80
                                : static_cast<unsigned char>(text[i + 2]) - 0x40);
      i += 2;
    } else if ((byte < 0x20 && text[i] != '\n' && text[i] != '\t') || byte == 0x7F) {
      absl::StrAppendFormat(&out, "\\x%02x", byte);
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string PlaceHtml(const std::string& file, uint32_t line) {
  if (file.empty()) return "";
  return absl::StrCat("<code class=\"place\">", HtmlEscape(file), line > 0 ? absl::StrCat(":", line) : "", "</code>");
}

std::string CodeHtml(const std::string& text, uint32_t first) {
  if (text.empty()) return "";
  std::string out = "<pre class=\"code\" tabindex=\"0\">";
  uint32_t number = first;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(absl::StripSuffix(text, "\n"), '\n'))) {
    if (first > 0) absl::StrAppendFormat(&out, "<span class=\"no\">%d</span>", number++);
    absl::StrAppend(&out, HtmlEscape(line), "\n");
  }
  return out + "</pre>";
}

std::string SectionHtml(const std::string& id, const std::string& title, const std::string& body) {
  if (body.empty()) return "";
  return absl::StrCat("<section id=\"", id, "\" aria-labelledby=\"", id, "-h\"><h2 id=\"", id, "-h\">", title,
                      "</h2>\n", body, "</section>\n");
}

}  // namespace assay::cli
