// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <memory>
#include <string>

#include "assay/v1/evidence_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"
#include "tools/assay/output.h"

namespace assay::cli {
namespace {

struct EvidenceOptions {
  std::string candidate;
  std::string digest;
};

// The bytes as they are; with --json what they are.
absl::Status Get(const Globals& globals, const EvidenceOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(auto connection, Connection::ForReading(globals));
  auto stub = v1::EvidenceService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, absl::Minutes(5));
  v1::GetEvidenceRequest request;
  request.set_candidate(options.candidate);
  request.set_digest(options.digest);
  auto stream = stub->GetEvidence(&context, request);
  v1::GetEvidenceResponse response;
  v1::Evidence evidence;
  while (stream->Read(&response)) {
    if (response.has_evidence()) evidence = response.evidence();
    if (!globals.json) std::cout << response.chunk();
  }
  ASSAY_RETURN_IF_ERROR(FromGrpc(stream->Finish()));
  if (globals.json) return PrintJson(evidence);
  std::cout.flush();
  return absl::OkStatus();
}

}  // namespace

void AddEvidence(CLI::App& app, Globals& globals, Action& action) {
  auto options = std::make_shared<EvidenceOptions>();
  CLI::App* parent = app.add_subcommand("evidence", "The bytes a verdict rests on");
  parent->footer("Example: assay evidence get c-1 sha256:…");
  parent->require_subcommand(1);
  CLI::App* command = parent->add_subcommand("get", "Write them to standard output");
  command->footer("Example: assay evidence get c-1 sha256:…");
  command->add_option("CANDIDATE", options->candidate, "Candidate id")->required();
  command->add_option("DIGEST", options->digest, "sha256:…")->required();
  AddConnectionOptions(*command, globals);
  command->callback([&globals, &action, options] {
    action = [&globals, options]() -> int {
      const absl::Status status = Get(globals, *options);
      return status.ok() ? kDone : ReportFailure(status, globals.json);
    };
  });
}

}  // namespace assay::cli
