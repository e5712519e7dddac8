// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rubric {

struct LineRange {
  uint32_t first = 1;
  uint32_t last = 1;
};

// Where the elements of the arrays right below the root of a JSON document stand: ("ratings", 2) → lines. Requires a
// document that parses; of any other bytes it gives some ranges within it. Time and memory grow with the text.
std::map<std::string, std::vector<LineRange>> ElementLines(std::string_view json);

}  // namespace rubric
