// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rubric {

// The words of a text: lower-case letters, digits and everything beyond ASCII; what lies between separates.
std::vector<std::string> WordsOf(std::string_view text);

// The text as its words joined by one blank: equal for texts that differ in case, blanks and punctuation alone.
std::string Normalised(std::string_view text);

// Share of the distinct words of `text` that also stand in `other`, in [0, 1]; 0 when `text` has none.
double Overlap(std::string_view text, std::string_view other);

// How many different words a text has.
size_t DistinctWords(std::string_view text);

// At most `max_bytes` of the text, cut where a character begins, with "…" where something is left out.
std::string Cut(std::string_view text, size_t max_bytes);

}  // namespace rubric
