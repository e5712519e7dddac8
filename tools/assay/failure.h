// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace assay::cli {

// What the shell sees; promises of the command line.
enum ExitCode : int {
  kDone = 0,
  kAnswerIsNo = 1,
  kWrongUsage = 2,
  kBadInput = 3,
  kUnavailable = 4,
  kNotFound = 5,
  kOurFault = 70,
};

ExitCode ExitCodeOf(const absl::Status& status);

// One line for a person: "error: <what>: <field or file:line>: <why>; <what to do>", one line for each field violation
// the status carries.
std::string ErrorLines(const absl::Status& status);

// The google.rpc.Status as JSON, for --json.
std::string ErrorJson(const absl::Status& status);

// Prints the status in the form asked for (JSON to stdout, else lines to stderr) and returns its exit code.
ExitCode ReportFailure(const absl::Status& status, bool json);

}  // namespace assay::cli
