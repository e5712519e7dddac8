// SPDX-License-Identifier: Apache-2.0
#include "services/archive/entry_path.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/logging.h"

namespace assay::archive {
namespace {

absl::Status Refuse(absl::string_view path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("entry ", JsonQuote(path.substr(0, 512)), ": ", why));
}

// Bytes that follow a lead byte, or -1. `low` is the least second byte, which excludes overlong forms and surrogates.
int Continuations(unsigned char lead, unsigned char second) {
  if (lead < 0x80) return 0;
  if (lead >= 0xC2 && lead <= 0xDF) return 1;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && second < 0xA0;
    const bool surrogate = lead == 0xED && second >= 0xA0;
    return overlong || surrogate ? -1 : 2;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && second < 0x90;
    const bool too_large = lead == 0xF4 && second >= 0x90;
    return overlong || too_large ? -1 : 3;
  }
  return -1;
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const auto second = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    const int more = Continuations(lead, second);
    if (more < 0 || text.size() - i <= static_cast<size_t>(more)) return false;
    for (int k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += static_cast<size_t>(more) + 1;
  }
  return true;
}

absl::Status CheckEntryPath(absl::string_view path) {
  if (path.empty()) return Refuse(path, "an empty name");
  if (path.size() > kMaxPathBytes) {
    return Refuse(path, absl::StrCat("a name of ", path.size(), " bytes; at most ", kMaxPathBytes));
  }
  if (path.front() == '/') return Refuse(path, "an absolute name; names must be relative");
  if (!IsUtf8(path)) return Refuse(path, "a name that is not UTF-8");
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\') {
      return Refuse(path, "a control character or \"\\\" in a name; parts are joined by \"/\"");
    }
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (parts.size() > kMaxDepth) {
    return Refuse(path, absl::StrCat(parts.size(), " levels deep; at most ", kMaxDepth));
  }
  for (const absl::string_view part : parts) {
    if (part == "..") return Refuse(path, "\"..\" in a name; names must stay inside");
    if (part.empty() || part == ".") return Refuse(path, "an empty part or \".\" in a name");
    if (part.size() > kMaxPartBytes) {
      return Refuse(path, absl::StrCat("a part of ", part.size(), " bytes; at most ", kMaxPartBytes));
    }
  }
  return absl::OkStatus();
}

}  // namespace assay::archive
