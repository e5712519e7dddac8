// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/repository_facts.h"

#include <algorithm>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxManifests = 200;

bool IsOwnPackage(std::string_view path) {
  for (const char* folder :
       {"node_modules", "test", "tests", "__tests__", "fixtures", "examples", "example", "templates", "testdata"}) {
    if (HasFolder(path, folder)) return false;
  }
  return BaseNameOf(path) == "package.json";
}

}  // namespace

std::vector<Manifest> ReadManifests(const Model& model) {
  std::vector<Manifest> manifests;
  for (const SourceFile& file : model.files()) {
    if (!IsOwnPackage(file.path) || manifests.size() >= kMaxManifests) continue;
    if (auto manifest = ReadManifest(file.path, file.bytes)) manifests.push_back(*std::move(manifest));
  }
  std::stable_sort(manifests.begin(), manifests.end(), [](const Manifest& a, const Manifest& b) {
    return std::count(a.path.begin(), a.path.end(), '/') < std::count(b.path.begin(), b.path.end(), '/');
  });
  return manifests;
}

Span PlaceIn(const Model& model, std::string_view path, uint32_t line) {
  const SourceFile* file = model.Find(path);
  if (file == nullptr) return model.Anchor();
  return line == 0 ? WholeFile(*file) : LineOf(*file, line);
}

std::string Counted(size_t count, std::string_view noun) {
  return text::Cat({std::to_string(count), " ", noun, count == 1 ? "" : "s"});
}

}  // namespace assay::code_analysis
