// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/build_id.h"
#include "services/common/base/file.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"

namespace assay::cli {
namespace {

struct ServeOptions {
  std::string config;
  std::string listen;
  std::string http_listen;
  std::vector<std::string> set;
};

// Becomes the server, so that signals and the exit code are its own.
absl::Status Serve(const Globals& globals, const ServeOptions& options) {
  absl::StatusOr<std::string> folder = ExecutableDirectory();
  if (!folder.ok()) return folder.status();
  std::vector<std::string> arguments = {*folder + "/assay-standalone"};
  if (const absl::Status same = CheckSameBuild(arguments[0]); !same.ok()) return same;
  if (!options.config.empty()) arguments.push_back(absl::StrCat("--config=", options.config));
  if (options.config.empty() || !globals.data.empty()) {
    arguments.push_back(absl::StrCat("--data=", DataDirectory(globals)));
  }
  if (!options.listen.empty()) arguments.push_back(absl::StrCat("--set=listen=", options.listen));
  if (!options.http_listen.empty()) arguments.push_back(absl::StrCat("--set=http_listen=", options.http_listen));
  for (const std::string& assignment : options.set) arguments.push_back(absl::StrCat("--set=", assignment));
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  return ErrnoStatus(errno, absl::StrCat("start ", arguments[0]));
}

}  // namespace

void AddServe(CLI::App& app, Globals& globals, Action& action) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Run the standalone server; SIGTERM stops it cleanly");
  command->footer("Example: assay serve --data ./data --listen 127.0.0.1:7470");
  command->add_option("--config", options->config, "Configuration file (YAML)")->check(CLI::ExistingFile);
  command->add_option("--data", globals.data, "Data folder; default $ASSAY_DATA, else ~/.local/share/assay");
  command->add_option("--listen", options->listen, "gRPC address; anything but loopback needs TLS and a token file");
  command->add_option("--http-listen", options->http_listen, "Address of /healthz, /readyz and /metrics");
  command->add_option("--set", options->set, "path=value of the configuration; may be repeated");
  command->callback([&globals, &action, options] {
    action = [&globals, options]() -> int { return ReportFailure(Serve(globals, *options), false); };
  });
}

}  // namespace assay::cli
