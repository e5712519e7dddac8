// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace assay::cli {

// Text for the page: markup escaped, control characters and those that turn the direction of writing made visible.
// Everything a submission can name goes through here.
std::string HtmlEscape(const std::string& text);

// "file:line" as a code element; empty without a file.
std::string PlaceHtml(const std::string& file, uint32_t line);

// Lines of a file with their numbers, `first` being the first one's; empty without lines.
std::string CodeHtml(const std::string& text, uint32_t first);

// A section of the page with a heading of the second level; empty when `body` is.
std::string SectionHtml(const std::string& id, const std::string& title, const std::string& body);

}  // namespace assay::cli
