// SPDX-License-Identifier: Apache-2.0
//
// Every parser of a repository's non-JavaScript files, and the search for secrets. The first line of an input is the
// path the bytes are read as, so that one corpus reaches all of them.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/checks/secret_scan.h"
#include "plugins/code_analysis/repository_documents.h"
#include "plugins/code_analysis/repository_files.h"
#include "plugins/code_analysis/repository_pipelines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace ca = assay::code_analysis;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  const std::vector<ca::SourceFile> files = {{.path = input.substr(0, end), .bytes = input.substr(end + 1)}};

  std::vector<ca::Manifest> manifests;
  if (auto manifest = ca::ReadManifest(files[0].path, files[0].bytes)) manifests.push_back(*std::move(manifest));
  if (const auto lock = ca::ReadLockfile(files[0].path, files[0].bytes)) {
    for (const ca::Manifest& manifest : manifests) ca::LockfileMismatches(manifest, *lock, manifests);
  }
  ca::ReadDockerfile(files[0].bytes);
  ca::ReadCoverageGates(manifests, files);
  const std::vector<ca::Pipeline> pipelines = ca::ReadPipelines(files);
  ca::FindGates(pipelines, manifests);
  ca::FindUngatedDeliveries(pipelines, manifests);
  ca::ReadDecisionRecords(files, manifests);
  ca::ScanForSecrets(files[0].path, files[0].bytes);
  return 0;
}
