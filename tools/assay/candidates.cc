// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>
#include <string>

#include "assay/v1/candidate_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"
#include "tools/assay/output.h"
#include "tools/assay/submission_input.h"

namespace assay::cli {
namespace {

absl::Status Delete(const Globals& globals, const std::string& candidate) {
  // On a laptop there is often no server: the data folder is opened for this one call.
  ASSAY_ASSIGN_OR_RETURN(auto connection,
                         globals.server.empty() ? Connection::ToDataFolder(globals) : Connection::ToServer(globals));
  auto stub = v1::CandidateService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, absl::Minutes(1));
  v1::DeleteCandidateRequest request;
  request.set_request_id(NewRequestId());
  request.set_candidate(candidate);
  v1::DeleteCandidateResponse response;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->DeleteCandidate(&context, request, &response)));
  if (globals.json) return PrintJson(response);
  std::cout << response.submissions_erased() << " submissions erased\n";
  return absl::OkStatus();
}

}  // namespace

void AddCandidates(CLI::App& app, Globals& globals, Action& action) {
  auto candidate = std::make_shared<std::string>();
  CLI::App* parent = app.add_subcommand("candidates", "The people under assessment");
  parent->footer("Example: assay candidates delete c-1");
  parent->require_subcommand(1);
  CLI::App* command = parent->add_subcommand("delete", "Erase a candidate: submissions, evidence, readiness");
  command->footer("Example: assay candidates delete c-1");
  command->add_option("ID", *candidate, "Candidate id")->required();
  AddConnectionOptions(*command, globals);
  command->callback([&globals, &action, candidate] {
    action = [&globals, candidate]() -> int {
      const absl::Status status = Delete(globals, *candidate);
      return status.ok() ? kDone : ReportFailure(status, globals.json);
    };
  });
}

}  // namespace assay::cli
