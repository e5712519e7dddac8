// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace rubric {

// Days since 1970-01-01 of YYYY-MM-DD; nothing for what is no day of the years 1970 to 2200.
std::optional<int64_t> DayOf(std::string_view text);

// Days covered by at least one of the periods, both ends counted. Periods that run backwards count nothing.
int64_t DaysCovered(std::vector<std::pair<int64_t, int64_t>> periods);

}  // namespace rubric
