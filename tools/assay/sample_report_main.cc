// SPDX-License-Identifier: Apache-2.0
// sample_report FOLDER: renders report.html and terminal.svg from FOLDER/report.json; tools/sample-report calls it.
#include <iostream>

#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/sample_report.h"

namespace {

constexpr size_t kMaxReportBytes = 16 << 20;

absl::Status Render(const std::string& folder) {
  ASSAY_ASSIGN_OR_RETURN(const std::string json, assay::ReadFile(folder + "/report.json", kMaxReportBytes));
  ASSAY_ASSIGN_OR_RETURN(const assay::cli::SampleReport sample, assay::cli::RenderSample(json));
  ASSAY_RETURN_IF_ERROR(assay::WriteFileAtomically(folder + "/report.html", sample.page));
  return assay::WriteFileAtomically(folder + "/terminal.svg", sample.picture);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "error: usage: sample_report FOLDER\n";
    return 2;
  }
  const absl::Status status = Render(argv[1]);
  if (!status.ok()) std::cerr << "error: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
