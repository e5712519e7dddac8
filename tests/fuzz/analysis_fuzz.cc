// SPDX-License-Identifier: Apache-2.0
//
// A candidate's repository is any bytes: the whole analysis must end, without a crash, in a report that keeps its
// promises. The input is one repository: lines "//// path" begin a file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/artifacts.h"
#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/model/analyser.h"

namespace {

using assay::code_analysis::AnalyseRepository;
using assay::code_analysis::Observation;
using assay::code_analysis::Report;
using assay::code_analysis::SourceFile;
using assay::code_analysis::State;

constexpr std::string_view kMark = "//// ";

std::vector<SourceFile> Split(std::string_view text) {
  std::vector<SourceFile> files;
  while (!text.empty() && files.size() < 32) {
    std::string_view path = "app.js";
    if (text.substr(0, kMark.size()) == kMark) {
      const size_t end = text.find('\n');
      path = text.substr(kMark.size(), end == std::string_view::npos ? end : end - kMark.size());
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    const size_t next = text.find("\n//// ");
    bool known = path.empty();
    for (const SourceFile& file : files) known = known || file.path == path;
    if (!known) files.push_back({.path = path, .bytes = text.substr(0, next)});
    text = next == std::string_view::npos ? std::string_view() : text.substr(next + 1);
  }
  return files;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto files = Split({reinterpret_cast<const char*>(data), size});
  const auto model = AnalyseRepository(files, {.threads = 1, .parse_microseconds = 1'000'000});
  if (model == nullptr) std::abort();
  const Report report = assay::code_analysis::RunChecks(*model, nullptr, nullptr);
  for (const Observation& observation : report.observations) {
    if (observation.state == State::kObserved &&
        (observation.evidence.empty() || observation.value < 0 || observation.value > 1))
      std::abort();
    if (observation.rationale.size() > 2000) std::abort();
  }
  for (const auto& finding : report.findings) {
    if (finding.span.file == nullptr || finding.message.empty()) std::abort();
  }
  if (assay::code_analysis::RoutesJson(*model).empty() || assay::code_analysis::ServerJson(*model).empty())
    std::abort();
  return 0;
}
