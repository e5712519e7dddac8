// SPDX-License-Identifier: Apache-2.0
// Published code that the benchmarks work on, fetched with the machine's npm when they run. A small Express application
// stands beside it, so that every part of an analysis has work.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace assay::benchmark {

// Path and content of each JavaScript file, paths sorted.
using Corpus = std::vector<std::pair<std::string, std::string>>;

// The package.json of the application.
inline constexpr char kCorpusManifest[] =
    R"({"name": "bench", "dependencies": {"express": "^4.21.2"}, "engines": {"node": ">=20"}})";

// The library of express, 92 kB. Leaves the files in `folder` as well. False: npm could not fetch it.
bool FetchSmall(const std::filesystem::path& folder, Corpus& corpus);
// Those of webpack and mongoose, 5.5 MB.
bool FetchLarge(const std::filesystem::path& folder, Corpus& corpus);

}  // namespace assay::benchmark
