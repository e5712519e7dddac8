// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "services/common/base/file.h"
#include "services/loadgen/control.h"
#include "services/loadgen/plan.h"
#include "services/loadgen/run.h"

namespace {

constexpr char kExample[] = R"(Example:
  echo '{"target": {"port": 3000},
         "classes": [{"name": "home", "path": "/"}],
         "phases": [{"name": "steady", "seconds": 5, "rate": 500, "mix": [{"class": "home"}]}]}' | assay-loadgen

Exit codes: 0 done, 3 the plan is refused, 70 the engine could not run. The plan's format: services/loadgen/README.md.)";

absl::StatusOr<std::string> ReadInput() {
  std::string text;
  char buffer[65536];
  for (ssize_t got; (got = read(STDIN_FILENO, buffer, sizeof buffer)) != 0;) {
    if (got < 0) return assay::ErrnoStatus(errno, "standard input");
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > assay::loadgen::kMaxPlanBytes) return absl::InvalidArgumentError("the plan: must be at most 4 MiB");
  }
  return text;
}

// One descriptor a connection and some for ourselves.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

int Fail(int code, const absl::Status& status) {
  std::cerr << "error: load plan: " << status.message() << "\n";
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Drives open-loop HTTP/1.1 load by a plan and prints the result as one JSON document.", "assay-loadgen");
  std::string path;
  app.add_option("--plan", path, "file that holds the plan; standard input when not given");
  app.footer(kExample);
  CLI11_PARSE(app, argc, argv);

  absl::StatusOr<std::string> text = path.empty() ? ReadInput() : assay::ReadFile(path, assay::loadgen::kMaxPlanBytes);
  if (!text.ok()) return Fail(3, text.status());
  absl::StatusOr<assay::loadgen::Plan> plan = assay::loadgen::ParsePlan(*text);
  if (!plan.ok()) return Fail(3, plan.status());
  RaiseDescriptorLimit();
  assay::loadgen::Control control(fcntl(3, F_GETFD) >= 0 ? 3 : -1);
  absl::StatusOr<assay::loadgen::RunResult> run = assay::loadgen::Execute(*plan, control);
  if (!run.ok()) return Fail(70, run.status());
  std::cout << assay::loadgen::ResultJson(*plan, *run) << "\n" << std::flush;
  return std::cout.good() ? 0 : 70;
}
