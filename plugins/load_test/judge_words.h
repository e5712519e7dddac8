// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace assay::load_test {

// Figures as a sentence carries them: two or three digits, "1 request", "3 requests", "12 MiB".
std::string Number(double value);
std::string Count(uint64_t count, const char* what);
std::string Megabytes(uint64_t bytes);
// "was" or "were".
const char* Were(uint64_t count);

bool IsJson(const std::string& content_type);

}  // namespace assay::load_test
