// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/build_id.h"
#include "services/common/base/file.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"

namespace assay::cli {
namespace {

// Becomes one of the programs that speak to Kafka; this one speaks to services only.
absl::Status Become(const std::string& program, std::vector<std::string> arguments) {
  absl::StatusOr<std::string> folder = ExecutableDirectory();
  if (!folder.ok()) return folder.status();
  arguments.insert(arguments.begin(), absl::StrCat(*folder, "/", program));
  if (const absl::Status same = CheckSameBuild(arguments[0]); !same.ok()) return same;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  return ErrnoStatus(errno, absl::StrCat("start ", arguments[0]));
}

void Add(CLI::App& app, Action& action, const std::string& name, const std::string& program, const std::string& text) {
  CLI::App* command = app.add_subcommand(name, text);
  // Everything after the word is for the other program, --help included.
  command->prefix_command();
  command->set_help_flag();
  command->callback([&action, command, program] {
    action = [program, arguments = command->remaining()]() -> int {
      return ReportFailure(Become(program, arguments), false);
    };
  });
}

}  // namespace

void AddTopics(CLI::App& app, Action& action) {
  Add(app, action, "topics", "assay-topics", "Create or check the Kafka topics of an installation, or give rights to them");
  Add(app, action, "journal", "assay-journal", "Move the journal of a data folder to Kafka");
}

}  // namespace assay::cli
