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

// Becomes assay-topics: this program speaks to services only, not to Kafka.
absl::Status Topics(std::vector<std::string> arguments) {
  absl::StatusOr<std::string> folder = ExecutableDirectory();
  if (!folder.ok()) return folder.status();
  arguments.insert(arguments.begin(), *folder + "/assay-topics");
  if (const absl::Status same = CheckSameBuild(arguments[0]); !same.ok()) return same;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  return ErrnoStatus(errno, absl::StrCat("start ", arguments[0]));
}

}  // namespace

void AddTopics(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("topics", "Create or check the Kafka topics of an installation");
  // Everything after the word is for the other program, --help included.
  command->prefix_command();
  command->set_help_flag();
  command->callback([&action, command] {
    action = [arguments = command->remaining()]() -> int { return ReportFailure(Topics(arguments), false); };
  });
}

}  // namespace assay::cli
