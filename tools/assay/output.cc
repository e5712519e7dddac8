// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/output.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/json.h"

namespace assay::cli {

absl::Status PrintJson(const google::protobuf::Message& message) {
  ASSAY_ASSIGN_OR_RETURN(const std::string json, rpc::ToJson(message));
  std::cout << json;
  if (json.empty() || json.back() != '\n') std::cout << '\n';
  std::cout.flush();
  return absl::OkStatus();
}

ProgressLine::ProgressLine() : on_terminal_(isatty(STDERR_FILENO) != 0) {}
ProgressLine::~ProgressLine() { Clear(); }

void ProgressLine::Show(const std::string& text) {
  if (!on_terminal_) return;
  std::cerr << "\r\x1b[2K" << text.substr(0, 110) << std::flush;
  shown_ = true;
}

void ProgressLine::Clear() {
  if (shown_) std::cerr << "\r\x1b[2K" << std::flush;
  shown_ = false;
}

std::string ShellQuote(const std::string& text) {
  static constexpr char kPlain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
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
