// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/v1/artifact_service.grpc.pb.h"
#include "assay/v1/assessment_service.grpc.pb.h"
#include "assay/v1/candidate_service.grpc.pb.h"
#include "assay/v1/decision_service.grpc.pb.h"
#include "assay/v1/evidence_service.grpc.pb.h"
#include "assay/v1/framework_service.grpc.pb.h"
#include "assay/v1/readiness_service.grpc.pb.h"
#include "assay/v1/report_service.grpc.pb.h"
#include "assay/v1/server_service.grpc.pb.h"
#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/base/testing/temp_dir.h"
#include "tests/integration/testing/program.h"

namespace assay::testing {

// A real assay-standalone, started on a data folder and killed or stopped as a test says.
class ServerProcess {
 public:
  struct Options {
    std::string data_directory;
    // Empty: the scripted analysis and the real rubric.
    std::string plugin_directory;
    // More "path=value".
    std::vector<std::string> set;
    bool read_only = false;
  };

  // Waits until it serves. Else the last line it wrote, with its exit code.
  static absl::StatusOr<std::unique_ptr<ServerProcess>> Start(const Options& options);

  // See Program.
  void Kill() { program_->Kill(); }
  int Terminate() { return program_->Terminate(); }

  pid_t pid() const { return program_->pid(); }
  const std::string& socket() const { return socket_; }
  // "host:port"; empty: none.
  const std::string& grpc_address() const { return grpc_address_; }

 private:
  explicit ServerProcess(std::unique_ptr<Program> program)
      : program_(std::move(program)),
        socket_(program_->ReadyField("socket")),
        grpc_address_(program_->ReadyField("grpc")) {}

  const std::unique_ptr<Program> program_;
  const std::string socket_;
  const std::string grpc_address_;
};

// The folder of plugins that ServerProcess uses unless told otherwise; made on first use.
std::string TestPlugins();

// The public API over one channel, with calls that fail by status.
class Client {
 public:
  // "unix:/path" or "host:port". Reconnects within a fraction of a second.
  explicit Client(const std::string& target, std::string token = "");

  template <typename Request, typename Response, typename Stub, typename Method>
  absl::StatusOr<Response> Call(Stub& stub, Method method, const Request& request,
                                absl::Duration timeout = absl::Seconds(30)) {
    grpc::ClientContext context;
    Prepare(context, timeout);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }

  absl::StatusOr<v1::CreateSubmissionResponse> Create(const v1::CreateSubmissionRequest& request);
  absl::StatusOr<v1::Submission> GetSubmission(const std::string& candidate, const std::string& id,
                                               const std::string& read_token = "");
  absl::StatusOr<v1::ListSubmissionsResponse> List(const v1::ListSubmissionsRequest& request);
  absl::StatusOr<v1::ReadinessRecord> GetReadiness(const std::string& candidate);
  absl::StatusOr<v1::EvaluationReport> GetReport(const std::string& candidate);
  // Uploads bytes as an artifact; its digest.
  absl::StatusOr<std::string> Upload(const std::string& candidate, const std::string& bytes);
  // Follows the submission just created until it has ended; every step. DEADLINE_EXCEEDED: it did not within two
  // minutes.
  absl::StatusOr<std::vector<v1::SubmissionUpdate>> WatchUntilEnded(const std::string& candidate,
                                                                    const std::string& id);
  // Follows it until an evaluation of it is running.
  absl::Status WatchUntilRunning(const std::string& candidate, const std::string& id);

  void Prepare(grpc::ClientContext& context, absl::Duration timeout) const;
  static absl::Status FromGrpc(const grpc::Status& status);

  std::unique_ptr<v1::SubmissionService::Stub> submissions;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts;
  std::unique_ptr<v1::AssessmentService::Stub> assessments;
  std::unique_ptr<v1::CandidateService::Stub> candidates;
  std::unique_ptr<v1::DecisionService::Stub> decisions;
  std::unique_ptr<v1::EvidenceService::Stub> evidence;
  std::unique_ptr<v1::FrameworkService::Stub> frameworks;
  std::unique_ptr<v1::ReadinessService::Stub> readiness;
  std::unique_ptr<v1::ReportService::Stub> report;
  std::unique_ptr<v1::ServerService::Stub> info;

 private:
  const std::string token_;
  // What Create() answered last, so that what follows is never told of older things.
  std::string read_token_;
};

// A repository with these files as a tar.
std::string Tar(const std::vector<std::pair<std::string, std::string>>& files);

// A well-formed scorecard with one rating.
v1::CreateSubmissionRequest ScorecardRequest(const std::string& request_id, const std::string& candidate,
                                             const std::string& rater, double rating);
// A repository that was uploaded, without the load test.
v1::CreateSubmissionRequest RepositoryRequest(const std::string& request_id, const std::string& candidate,
                                              const std::string& digest);

}  // namespace assay::testing
