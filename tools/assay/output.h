// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"

namespace assay::cli {

// Prints one JSON document to standard output: proto field names, zero values printed.
absl::Status PrintJson(const google::protobuf::Message& message);

// Shows what is going on, in one line that is rewritten; does nothing unless standard error is a terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  void Show(const std::string& text);
  void Clear();

 private:
  const bool on_terminal_;
  bool shown_ = false;
};

// `text` quoted for a POSIX shell when it needs to be.
std::string ShellQuote(const std::string& text);

// How this program is to be typed: "assay" when that is what PATH would run, else its path.
std::string ProgramName();

}  // namespace assay::cli
