// SPDX-License-Identifier: Apache-2.0
//
// What the delivery, document and dependency checks read of the files beside the code.
#pragma once

#include <string_view>
#include <vector>

#include "plugins/code_analysis/model/model.h"
#include "plugins/code_analysis/repository_files.h"
#include "plugins/code_analysis/repository_pipelines.h"

namespace assay::code_analysis {

// Manifests of the repository's own packages, the one nearest to the root first; those of fixtures and examples are
// left out.
std::vector<Manifest> ReadManifests(const Model& model);

// The line of a file of the repository; the anchor of the model when there is no such file.
Span PlaceIn(const Model& model, std::string_view path, uint32_t line);

// `count` and a noun: "1 file", "3 files".
std::string Counted(size_t count, std::string_view noun);

}  // namespace assay::code_analysis
