// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace assay {

// `text` as one word of a POSIX shell: as it is when that is safe, else in single quotes.
std::string ShellQuote(const std::string& text);

}  // namespace assay
