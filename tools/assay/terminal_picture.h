// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace assay::cli {

// An SVG of what a terminal shows: `text` with the colours of a Painter, below a line with the `command` that was
// typed. Every run of one colour has a place of its own, so that columns stay straight in any font.
std::string RenderPicture(const std::string& command, const std::string& text, int columns);

}  // namespace assay::cli
