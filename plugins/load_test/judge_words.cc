// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/judge_words.h"

#include <cstdio>

namespace assay::load_test {

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2g", value);
  return text;
}

std::string Count(uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string Megabytes(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

const char* Were(uint64_t count) { return count == 1 ? "was" : "were"; }

bool IsJson(const std::string& content_type) { return content_type.find("json") != std::string::npos; }

}  // namespace assay::load_test
