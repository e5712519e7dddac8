// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "assay/v1/framework_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/framework_text.h"
#include "tools/assay/globals.h"
#include "tools/assay/output.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);

struct FrameworksOptions {
  std::string name;
  std::string id;
};

absl::StatusOr<std::unique_ptr<Connection>> Connect(const Globals& globals) {
  // Frameworks ship with the server: any one can tell, and on a fresh machine one is started for the call.
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::ForReading(globals);
  if (connection.ok() || connection.status().code() != absl::StatusCode::kNotFound) return connection;
  return Connection::ToDataFolder(globals);
}

absl::Status List(const Globals& globals, const FrameworksOptions&) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connect(globals));
  auto stub = v1::FrameworkService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, kCallTimeout);
  v1::ListFrameworksResponse response;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->ListFrameworks(&context, {}, &response)));
  if (globals.json) return PrintJson(response);
  for (const auto& entry : response.frameworks()) {
    std::cout << absl::StrFormat("%-32s  %u areas, %u competencies, %u behaviours  %s\n", entry.name(), entry.areas(),
                                 entry.competencies(), entry.behaviours(), entry.digest());
  }
  return absl::OkStatus();
}

absl::Status Show(const Globals& globals, const FrameworksOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connect(globals));
  auto stub = v1::FrameworkService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, kCallTimeout);
  v1::GetFrameworkRequest request;
  request.set_name(options.name);
  v1::GetFrameworkResponse response;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->GetFramework(&context, request, &response)));
  if (globals.json) return PrintJson(response);
  const v1::Framework& framework = response.framework();
  const std::string text = RenderFramework(framework, options.id, DetectStyle());
  if (text.empty()) {
    return absl::NotFoundError(absl::StrCat("id: ", options.id, ": no such area, competency or behaviour in ",
                                            framework.id(), "@", framework.version()));
  }
  std::cout << framework.id() << "@" << framework.version() << "  " << framework.title() << "\n"
            << response.digest() << "\n\n"
            << text << std::flush;
  return absl::OkStatus();
}

// Every .yaml file of a folder, or one file.
absl::StatusOr<v1::ValidateFrameworkRequest> ReadFrameworkFiles(const std::string& path) {
  std::vector<std::string> files;
  if (std::filesystem::is_directory(path)) {
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (absl::EndsWith(entry.path().string(), ".yaml")) files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  if (files.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": no .yaml file in it"));
  v1::ValidateFrameworkRequest request;
  for (const std::string& file : files) {
    ASSAY_ASSIGN_OR_RETURN(std::string content, ReadFile(file, 1 << 20));
    v1::ValidateFrameworkRequest::File* added = request.add_files();
    added->set_name(std::filesystem::path(file).filename().string());
    added->set_content(std::move(content));
  }
  return request;
}

absl::StatusOr<int> Validate(const Globals& globals, const std::string& path) {
  ASSAY_ASSIGN_OR_RETURN(const auto request, ReadFrameworkFiles(path));
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connect(globals));
  auto stub = v1::FrameworkService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, kCallTimeout);
  v1::ValidateFrameworkResponse response;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->ValidateFramework(&context, request, &response)));
  const int code = response.problems_size() > 0 ? kAnswerIsNo : kDone;
  if (globals.json) {
    ASSAY_RETURN_IF_ERROR(PrintJson(response));
    return code;
  }
  for (const std::string& problem : response.problems()) std::cout << Printable(problem) << "\n";
  if (code == kDone) {
    std::cout << absl::StrFormat("%s is good: %u areas, %u competencies, %u behaviours  %s\n", response.name(),
                                 response.areas(), response.competencies(), response.behaviours(), response.digest());
  }
  return code;
}

using Verb = absl::Status (*)(const Globals&, const FrameworksOptions&);

CLI::App* AddVerb(CLI::App* parent, const char* name, const char* description, const char* example, Globals& globals,
                  Action& action, const std::shared_ptr<FrameworksOptions>& options, Verb verb) {
  CLI::App* command = parent->add_subcommand(name, description);
  command->footer(absl::StrCat("Example: ", example));
  AddConnectionOptions(*command, globals);
  command->callback([&globals, &action, options, verb] {
    action = [&globals, options, verb]() -> int {
      const absl::Status status = verb(globals, *options);
      return status.ok() ? kDone : ReportFailure(status, globals.json);
    };
  });
  return command;
}

}  // namespace

void AddFrameworks(CLI::App& app, Globals& globals, Action& action) {
  auto options = std::make_shared<FrameworksOptions>();
  CLI::App* parent = app.add_subcommand("frameworks", "What readiness is measured against");
  parent->footer("Example: assay frameworks show senior-express-engineer@1 3.1");
  parent->require_subcommand(1);
  AddVerb(parent, "list", "The frameworks of this server", "assay frameworks list", globals, action, options, List);
  CLI::App* show = AddVerb(
      parent, "show", "Areas, competencies with their levels, behaviours and what to ask; profiles, gates, answers",
      "assay frameworks show senior-express-engineer@1 3.1", globals, action, options, Show);
  show->add_option("FRAMEWORK", options->name, "id@version, id, or digest")->required();
  show->add_option("ID", options->id, "Only this area, competency or behaviour");
  CLI::App* validate = parent->add_subcommand("validate", "Everything that is wrong with a framework's files");
  validate->footer("Example: assay frameworks validate ./our-framework");
  validate->add_option("PATH", options->name, "Folder of .yaml files, or one file")
      ->required()
      ->check(CLI::ExistingPath);
  AddConnectionOptions(*validate, globals);
  validate->callback([&globals, &action, options] {
    action = [&globals, options]() -> int {
      absl::StatusOr<int> code = Validate(globals, options->name);
      return code.ok() ? *code : ReportFailure(code.status(), globals.json);
    };
  });
}

}  // namespace assay::cli
