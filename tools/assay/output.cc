// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/json.h"
#include "tools/assay/terminal_text.h"

namespace assay::cli {

absl::Status PrintJson(const google::protobuf::Message& message) {
  ASSAY_ASSIGN_OR_RETURN(const std::string json, rpc::ToJson(message));
  std::cout << json;
  if (json.empty() || json.back() != '\n') std::cout << '\n';
  std::cout.flush();
  return absl::OkStatus();
}

ProgressLine::ProgressLine() : on_terminal_(isatty(STDERR_FILENO) != 0), start_(absl::Now()) {
  if (on_terminal_) ticker_ = std::thread([this] { Tick(); });
}

ProgressLine::~ProgressLine() {
  Clear();
  if (!ticker_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.Signal();
  }
  ticker_.join();
}

void ProgressLine::Show(const std::string& text) {
  if (!on_terminal_) return;
  absl::MutexLock lock(&mutex_);
  text_ = text;
  Draw();
}

void ProgressLine::Clear() {
  absl::MutexLock lock(&mutex_);
  if (!text_.empty()) std::cerr << "\r\x1b[2K" << std::flush;
  text_.clear();
}

void ProgressLine::Draw() {
  const int seconds = static_cast<int>(absl::ToInt64Seconds(absl::Now() - start_));
  const int width = TerminalWidth(STDERR_FILENO);
  const std::string line = absl::StrFormat("%d:%02d  %s", seconds / 60, seconds % 60, text_);
  std::cerr << "\r\x1b[2K" << Cut(line, static_cast<size_t>(std::max(20, (width == 0 ? 80 : width) - 1))) << std::flush;
}

void ProgressLine::Tick() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    changed_.WaitWithTimeout(&mutex_, absl::Seconds(1));
    if (!text_.empty()) Draw();
  }
}

std::string ProgramName() {
  absl::StatusOr<std::string> folder = ExecutableDirectory();
  if (!folder.ok()) return "assay";
  const std::string self = *folder + "/assay";
  const char* path = std::getenv("PATH");
  for (absl::string_view entry : absl::StrSplit(path == nullptr ? "" : path, ':', absl::SkipEmpty())) {
    std::error_code error;
    const std::filesystem::path candidate = std::filesystem::path(std::string(entry)) / "assay";
    if (!std::filesystem::exists(candidate, error)) continue;
    return std::filesystem::equivalent(candidate, self, error) ? "assay" : ShellQuote(self);
  }
  // Shorter for a reader who stands in the project.
  std::error_code error;
  const std::string relative = std::filesystem::relative(self, error).string();
  return ShellQuote(!error && relative.size() < self.size() && relative.rfind("..", 0) != 0 ? relative : self);
}

}  // namespace assay::cli
