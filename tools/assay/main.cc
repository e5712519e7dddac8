// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"

namespace assay::cli {

void AddConnectionOptions(CLI::App& command, Globals& globals) {
  command.add_option("--server", globals.server, "HOST:PORT; default $ASSAY_SERVER, else 127.0.0.1:7470");
  command.add_option("--data", globals.data, "Data folder to use instead of a server's address");
  command.add_option("--token-file", globals.token_file, "File with the token the server asks for");
  command.add_option("--tls-ca", globals.tls_ca, "PEM file of the authority that signed the server's certificate");
  command.add_flag("--json", globals.json, "Print one JSON document and nothing else");
}

// "assay readiness get", as far as the words were understood.
std::string CommandMeant(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* command = &app; !command->get_subcommands().empty();) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  return name;
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app(
      "Assay tells how ready a person is for a senior Express.js role, and shows the evidence for every word.");
  app.name("assay");
  app.require_subcommand(1);
  app.footer("Example: assay evaluate ./repository scorecard.yaml\nEvery command has --help with an example.");
  Globals globals;
  Action action;
  AddEvaluate(app, globals, action);
  AddServe(app, globals, action);
  AddSubmit(app, globals, action);
  AddSubmissions(app, globals, action);
  AddReadiness(app, globals, action);
  AddEvidence(app, globals, action);
  AddCandidates(app, globals, action);
  AddFrameworks(app, globals, action);
  AddTopics(app, action);
  AddDoctor(app, globals, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    const absl::Status usage =
        absl::InvalidArgumentError(absl::StrCat("usage: ", error.what(), "; see ", CommandMeant(app), " --help"));
    // Parsing stopped where it failed, which may be before --json.
    ReportFailure(usage, std::find(argv, argv + argc, std::string_view("--json")) != argv + argc);
    return kWrongUsage;
  }
  return action();
}

}  // namespace assay::cli

int main(int argc, char** argv) { return assay::cli::Main(argc, argv); }
