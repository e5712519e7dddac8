// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/tool_run.h"

#include <stdlib.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/sandbox/process_view.h"

namespace assay::sandbox {

absl::StatusOr<ToolResult> RunTool(Launcher& launcher, LaunchSpec spec) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<OutputDrain> output, OutputDrain::Create());
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<OutputDrain> errors, OutputDrain::Create());
  spec.descriptors.push_back({output->write_end(), 1});
  spec.descriptors.push_back({errors->write_end(), 2});
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<Process> process, launcher.Launch(spec));
  output->Start();
  errors->Start();
  ASSAY_ASSIGN_OR_RETURN(ExitInfo exit, process->Wait(spec.limits.wall + absl::Seconds(30)));
  // The tree is gone, so the pipes are closed; only the readers have to catch up.
  output->WaitEnd(absl::Seconds(10));
  errors->WaitEnd(absl::Seconds(10));
  return ToolResult{exit, output->Tail(), errors->Tail()};
}

std::vector<std::string> OperatorEnvironment() {
  std::vector<std::string> chosen;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string name = absl::AsciiStrToLower(std::string(*variable, std::string(*variable).find('=')));
    const bool wanted = name == "path" || name == "home" || name == "http_proxy" || name == "https_proxy" ||
                        name == "no_proxy" || name == "node_extra_ca_certs" || name == "ssl_cert_file" ||
                        name == "ssl_cert_dir" || absl::StartsWith(name, "npm_config_");
    if (wanted) chosen.emplace_back(*variable);
  }
  return chosen;
}

absl::StatusOr<std::string> FindTool(const std::string& name) {
  const char* path = getenv("PATH");
  for (absl::string_view folder : absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':', absl::SkipEmpty())) {
    std::string candidate = absl::StrCat(folder, "/", name);
    if (absl::StartsWith(candidate, "/") && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("'", name, "' is not on this machine's PATH; install it"));
}

}  // namespace assay::sandbox
