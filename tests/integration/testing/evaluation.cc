// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/testing/evaluation.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "services/common/base/shell_quote.h"
#include "services/common/base/testing/temp_dir.h"

namespace assay::testing {

nlohmann::json Evaluation::Find(const char* list, const char* key, const std::string& value) const {
  if (!report.is_object() || !report.contains(list)) return nlohmann::json::object();
  for (const auto& item : report[list]) {
    if (item.value(key, "") == value) return item;
  }
  return nlohmann::json::object();
}

void WriteFiles(const std::string& folder, const std::vector<std::pair<std::string, std::string>>& files) {
  for (const auto& [name, content] : files) {
    const std::filesystem::path path = folder + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
}

Evaluation Evaluate(const std::string& path, const std::string& data, const std::string& options) {
  const TempDir folder;
  const std::string output = folder / "report.json", errors = folder / "errors";
  const std::string command = absl::StrCat(
      ShellQuote(absl::StrCat(getenv("ASSAY_BUILD_DIR"), "/bin/assay")), " evaluate --json ", options, " --data ",
      ShellQuote(data), " ", ShellQuote(path), " >", ShellQuote(output), " 2>", ShellQuote(errors), " </dev/null");
  const int status = system(command.c_str());
  Evaluation evaluation;
  evaluation.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ifstream report(output), said(errors);
  evaluation.report = nlohmann::json::parse(report, nullptr, false);
  evaluation.errors.assign(std::istreambuf_iterator<char>(said), std::istreambuf_iterator<char>());
  return evaluation;
}

}  // namespace assay::testing
