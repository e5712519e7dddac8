// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

namespace assay::testing {

// Words that are never said about somebody's work to whoever reads a result; see "How it speaks of people's work" in
// the design. One list for the tests of every layer.
inline constexpr std::array<std::string_view, 12> kAccusingWords = {"refute",  "refuted", "refutes",     "refuting",
                                                                    "lied",    "hostile", "boilerplate", "theatre",
                                                                    "theater", "fake",    "fakes",       "junk"};

// The first accusing word of `text`, whatever its case, as a whole word; empty: there is none.
inline std::string AccusingWordIn(std::string_view text) {
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if(begin, text.end(), is_letter);
    const auto end = std::find_if_not(begin, text.end(), is_letter);
    std::string word(begin, end);
    for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (std::find(kAccusingWords.begin(), kAccusingWords.end(), word) != kAccusingWords.end()) return word;
    begin = end;
  }
  return "";
}

}  // namespace assay::testing
