// SPDX-License-Identifier: Apache-2.0
#include "plugins/rubric/days.h"

#include <algorithm>

namespace rubric {

std::optional<int64_t> DayOf(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  int64_t parts[3] = {0, 0, 0};
  size_t part = 0;
  for (const char c : text) {
    if (c == '-') {
      ++part;
    } else if (c < '0' || c > '9' || part > 2) {
      return std::nullopt;
    } else {
      parts[part] = parts[part] * 10 + (c - '0');
    }
  }
  const auto [year, month, day] = parts;
  if (part != 2 || year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1) return std::nullopt;
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  constexpr int64_t kLength[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (day > kLength[month - 1] + (leap && month == 2 ? 1 : 0)) return std::nullopt;
  // Years that begin in March make the leap day their last.
  const int64_t shifted_year = month > 2 ? year : year - 1;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return shifted_year * 365 + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 + day_of_year - 719468;
}

int64_t DaysCovered(std::vector<std::pair<int64_t, int64_t>> periods) {
  std::sort(periods.begin(), periods.end());
  int64_t covered = 0;
  int64_t next = INT64_MIN;  // the first day not counted yet
  for (const auto& [from, to] : periods) {
    const int64_t start = std::max(from, next);
    if (to < start) continue;
    covered += to - start + 1;
    next = to + 1;
  }
  return covered;
}

}  // namespace rubric
