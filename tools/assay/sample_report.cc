// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/sample_report.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "tools/assay/html_report.h"
#include "tools/assay/terminal_picture.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {

absl::StatusOr<SampleReport> RenderSample(const std::string& json) {
  v1::EvaluationReport report;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &report);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("report.json: no EvaluationReport: ", std::string(parsed.message())));
  }
  constexpr int kColumns = 100;
  const TerminalStyle style{.colour = true, .unicode = true, .width = kColumns};
  const NextCommands next = CommandsAfter(report, {.program = "build/release/bin/assay", .page_written = false});
  return SampleReport{.page = RenderHtml(report),
                      .picture = RenderPicture("tools/run", RenderReport(report, next, style), kColumns)};
}

}  // namespace assay::cli
