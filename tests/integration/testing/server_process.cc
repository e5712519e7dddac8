// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/testing/server_process.h"

#include <fcntl.h>
#include <poll.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/folder_archive.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/status.h"

namespace assay::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(120);

std::shared_ptr<grpc::Channel> Connect(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(rpc::kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(rpc::kMaxMessageBytes);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

std::string TestPlugins() {
  static const TempDir folder;
  static const bool made = [] {
    for (const char* name : {"server_test_plugins/scripted_analysis.so", "server_test_plugins/scripted_analysis.json",
                             "plugins/rubric.so", "plugins/rubric.json"}) {
      const std::filesystem::path file = Built(name);
      std::filesystem::copy_file(file, folder.path() / file.filename());
    }
    return true;
  }();
  return made ? folder.path() : "";
}

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Start(const Options& options) {
  std::vector<std::string> arguments = {
      absl::StrCat("--data=", options.data_directory),
      "--exit_with_parent",
      "--set=listen=",
      "--set=http_listen=",
      // Test machines have small disks.
      "--set=limits.reserved_disk_bytes=1048576",
      absl::StrCat("--set=plugin_directory=",
                   options.plugin_directory.empty() ? TestPlugins() : options.plugin_directory)};
  for (const std::string& assignment : options.set) arguments.push_back(absl::StrCat("--set=", assignment));
  if (options.read_only) arguments.push_back("--read_only");
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<Program> program, Program::Start("assay-standalone", std::move(arguments),
                                                                          absl::StrCat(options.data_directory, ".log")));
  return std::unique_ptr<ServerProcess>(new ServerProcess(std::move(program)));
}

Client::Client(const std::string& target, std::string token) : token_(std::move(token)) {
  const auto channel = Connect(target);
  submissions = v1::SubmissionService::NewStub(channel);
  artifacts = v1::ArtifactService::NewStub(channel);
  assessments = v1::AssessmentService::NewStub(channel);
  candidates = v1::CandidateService::NewStub(channel);
  decisions = v1::DecisionService::NewStub(channel);
  evidence = v1::EvidenceService::NewStub(channel);
  frameworks = v1::FrameworkService::NewStub(channel);
  readiness = v1::ReadinessService::NewStub(channel);
  report = v1::ReportService::NewStub(channel);
  info = v1::ServerService::NewStub(channel);
}

void Client::Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
  rpc::PrepareContext(context, absl::Now() + timeout, token_);
  // While a killed server is started again a call waits; it does not fail a thousand times.
  context.set_wait_for_ready(true);
}

absl::Status Client::FromGrpc(const grpc::Status& status) { return rpc::FromGrpcStatus(status); }

absl::StatusOr<v1::CreateSubmissionResponse> Client::Create(const v1::CreateSubmissionRequest& request) {
  auto response = Call<v1::CreateSubmissionRequest, v1::CreateSubmissionResponse>(
      *submissions, &v1::SubmissionService::Stub::CreateSubmission, request);
  if (response.ok()) read_token_ = response->read_token();
  return response;
}

absl::StatusOr<v1::Submission> Client::GetSubmission(const std::string& candidate, const std::string& id,
                                                     const std::string& read_token) {
  v1::GetSubmissionRequest request;
  request.set_candidate(candidate);
  request.set_id(id);
  request.set_read_token(read_token);
  return Call<v1::GetSubmissionRequest, v1::Submission>(*submissions, &v1::SubmissionService::Stub::GetSubmission,
                                                        request);
}

absl::StatusOr<v1::ListSubmissionsResponse> Client::List(const v1::ListSubmissionsRequest& request) {
  return Call<v1::ListSubmissionsRequest, v1::ListSubmissionsResponse>(
      *submissions, &v1::SubmissionService::Stub::ListSubmissions, request);
}

absl::StatusOr<v1::ReadinessRecord> Client::GetReadiness(const std::string& candidate) {
  v1::GetReadinessRequest request;
  request.set_candidate(candidate);
  return Call<v1::GetReadinessRequest, v1::ReadinessRecord>(*readiness, &v1::ReadinessService::Stub::GetReadiness,
                                                            request);
}

absl::StatusOr<v1::EvaluationReport> Client::GetReport(const std::string& candidate) {
  v1::GetEvaluationReportRequest request;
  request.set_candidate(candidate);
  return Call<v1::GetEvaluationReportRequest, v1::EvaluationReport>(
      *report, &v1::ReportService::Stub::GetEvaluationReport, request);
}

absl::StatusOr<std::string> Client::Upload(const std::string& candidate, const std::string& bytes) {
  grpc::ClientContext context;
  Prepare(context, absl::Seconds(60));
  v1::Artifact artifact;
  const auto writer = artifacts->UploadArtifact(&context, &artifact);
  v1::UploadArtifactRequest message;
  message.mutable_metadata()->set_candidate(candidate);
  bool open = writer->Write(message);
  for (size_t from = 0; open && from < bytes.size(); from += rpc::kUploadChunkBytes) {
    message.set_chunk(bytes.substr(from, rpc::kUploadChunkBytes));
    open = writer->Write(message);
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return FromGrpc(status);
  return artifact.digest();
}

absl::StatusOr<std::vector<v1::SubmissionUpdate>> Client::WatchUntilEnded(const std::string& candidate,
                                                                          const std::string& id) {
  grpc::ClientContext context;
  Prepare(context, kPatience);
  v1::WatchSubmissionsRequest request;
  request.set_candidate(candidate);
  request.add_ids(id);
  request.set_read_token(read_token_);
  const auto reader = submissions->WatchSubmissions(&context, request);
  std::vector<v1::SubmissionUpdate> updates;
  v1::SubmissionUpdate update;
  while (reader->Read(&update)) updates.push_back(update);
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return FromGrpc(status);
  return updates;
}

absl::Status Client::WatchUntilRunning(const std::string& candidate, const std::string& id) {
  grpc::ClientContext context;
  Prepare(context, kPatience);
  v1::WatchSubmissionsRequest request;
  request.set_candidate(candidate);
  request.add_ids(id);
  request.set_read_token(read_token_);
  const auto reader = submissions->WatchSubmissions(&context, request);
  v1::SubmissionUpdate update;
  while (reader->Read(&update)) {
    for (const v1::Evaluation& evaluation : update.submission().evaluations()) {
      if (evaluation.state() == v1::Evaluation::RUNNING) return absl::OkStatus();
    }
  }
  return FromGrpc(reader->Finish());
}

std::string Tar(const std::vector<std::pair<std::string, std::string>>& files) {
  TempDir folder;
  for (const auto& [name, content] : files) {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  const TempDir output;
  const std::string tar = output / "repository.tar";
  {
    const UniqueFd fd(open(tar.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!WriteFolderArchive(folder.path(), fd.get()).ok()) std::abort();
  }
  return *ReadFile(tar, 64 << 20);
}

v1::CreateSubmissionRequest ScorecardRequest(const std::string& request_id, const std::string& candidate,
                                             const std::string& rater, double rating) {
  v1::CreateSubmissionRequest request;
  request.set_request_id(request_id);
  request.mutable_submission()->set_candidate(candidate);
  v1::Scorecard& scorecard = *request.mutable_submission()->mutable_scorecard();
  scorecard.set_kind("scorecard");
  scorecard.set_candidate(candidate);
  scorecard.set_framework("senior-express-engineer@1");
  scorecard.mutable_rater()->set_id(rater);
  scorecard.mutable_rater()->set_role("interviewer");
  scorecard.mutable_session()->set_stage("system-design");
  scorecard.mutable_session()->mutable_held_at()->set_seconds(1'790'000'000);
  v1::Scorecard::Rating& entry = *scorecard.add_ratings();
  entry.set_competency("3.1");
  entry.set_rating(rating);
  entry.set_evidence("Explained admission control with the numbers of last year's incident");
  return request;
}

v1::CreateSubmissionRequest RepositoryRequest(const std::string& request_id, const std::string& candidate,
                                              const std::string& digest) {
  v1::CreateSubmissionRequest request;
  request.set_request_id(request_id);
  request.mutable_submission()->set_candidate(candidate);
  request.mutable_submission()->mutable_repository()->set_artifact_digest(digest);
  request.mutable_submission()->add_skip_evaluators("load_test");
  return request;
}

}  // namespace assay::testing
