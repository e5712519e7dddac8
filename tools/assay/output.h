// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/shell_quote.h"

namespace assay::cli {

// Prints one JSON document to standard output: proto field names, zero values printed.
absl::Status PrintJson(const google::protobuf::Message& message);

// Shows what is going on, in one line that is rewritten; does nothing unless standard error is a terminal.
// With it the time since the line first appeared, counting on while nothing new happens.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const std::string& text);
  // Takes the line away; a later Show brings it back.
  void Clear();

 private:
  void Draw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tick();

  const bool on_terminal_;
  const absl::Time start_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread ticker_;
};

// How this program is to be typed: "assay" when that is what PATH would run, else its path.
std::string ProgramName();

}  // namespace assay::cli
