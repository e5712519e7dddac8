// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/authorization.h"
#include "services/common/rpc/call.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/executor.h"
#include "services/gateway/reading_rpc.h"
#include "services/gateway/submission_rpc.h"
#include "services/gateway/watch.h"
#include "services/gateway/writing_rpc.h"

namespace assay::gateway {
namespace {

constexpr size_t kQueuedCalls = 1024;
constexpr absl::Duration kLastAnswers = absl::Milliseconds(500);
constexpr size_t kSenders = 4;
// A tenant behind one proxy has one connection for all its calls and watches.
constexpr int kStreamsPerConnection = 1280;
// More than there may be uploads waiting for their archive to be opened.
constexpr size_t kUploaders = 12;
constexpr size_t kQueuedSends = 256;

std::string HostOf(const std::string& host_port) { return host_port.substr(0, host_port.rfind(':')); }

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CredentialsFor(const Server::Options& options) {
  const bool has_certificate = !options.certificate_file.empty() && !options.key_file.empty();
  const bool has_part = !options.certificate_file.empty() || !options.key_file.empty() || !options.client_ca_file.empty();
  if (has_part && !has_certificate) {
    return absl::InvalidArgumentError(
        "tls: certificate_file and key_file belong together; give both, or neither for a server without TLS");
  }
  const absl::Status loopback = CheckLoopback(options.listen);
  if (!loopback.ok() && (!has_certificate || options.token_file.empty())) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen: ", options.listen,
                     " can be reached by other machines: that needs tls.certificate_file, tls.key_file and token_file; "
                     "use 127.0.0.1 otherwise"));
  }
  if (!has_certificate) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions tls;
  ASSAY_ASSIGN_OR_RETURN(std::string key, ReadFile(options.key_file, 1 << 20));
  ASSAY_ASSIGN_OR_RETURN(std::string certificate, ReadFile(options.certificate_file, 1 << 20));
  tls.pem_key_cert_pairs.push_back({std::move(key), std::move(certificate)});
  if (!options.client_ca_file.empty()) {
    ASSAY_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadFile(options.client_ca_file, 1 << 20));
    tls.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(tls);
}

}  // namespace

absl::Status CheckLoopback(const std::string& host_port) {
  if (rpc::IsLoopbackAddress(host_port)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(host_port, " is not an address of this machine alone"));
}

// In the order of their start; destroyed backwards.
struct Server::Parts {
  Parts(Options given, Backend used) : options(std::move(given)), backend(std::move(used)) {}

  const Options options;
  const Backend backend;
  std::unique_ptr<rpc::Authorizer> authorizer;
  std::unique_ptr<rpc::CallGate> gate;
  // Readers never wait behind writers that wait for the journal, nor both behind uploads.
  std::unique_ptr<rpc::Executor> readers;
  std::unique_ptr<rpc::Executor> writers;
  std::unique_ptr<rpc::Executor> uploaders;
  std::unique_ptr<rpc::Executor> senders;
  std::unique_ptr<WatchHub> watches;
  std::unique_ptr<SubmissionRpc> submissions;
  std::unique_ptr<ReadinessRpc> readiness;
  std::unique_ptr<ReportRpc> report;
  std::unique_ptr<DecisionRpc> decisions;
  std::unique_ptr<EvidenceRpc> evidence;
  std::unique_ptr<FrameworkRpc> frameworks;
  std::unique_ptr<ServerRpc> info;
  std::unique_ptr<ArtifactRpc> artifacts;
  std::unique_ptr<AssessmentRpc> assessments;
  std::unique_ptr<CandidateRpc> candidates;
  std::unique_ptr<grpc::Server> server;
  int port = 0;

  void BuildServices() {
    const rpc::CallEnvironment reading{*gate, *readers};
    const rpc::CallEnvironment writing{*gate, *writers};
    submissions = std::make_unique<SubmissionRpc>(reading, writing, backend, *watches);
    readiness = std::make_unique<ReadinessRpc>(reading, backend, *watches);
    report = std::make_unique<ReportRpc>(reading, backend);
    decisions = std::make_unique<DecisionRpc>(reading, backend);
    evidence = std::make_unique<EvidenceRpc>(reading, backend, *senders);
    frameworks = std::make_unique<FrameworkRpc>(reading, backend);
    info = std::make_unique<ServerRpc>(reading, backend);
    artifacts = std::make_unique<ArtifactRpc>(rpc::CallEnvironment{*gate, *uploaders}, backend);
    assessments = std::make_unique<AssessmentRpc>(reading, writing, backend);
    candidates = std::make_unique<CandidateRpc>(writing, backend);
  }

  absl::Status Listen() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    rpc::ApplyServerLimits(builder, kStreamsPerConnection);
    if (!options.socket_path.empty()) {
      unlink(options.socket_path.c_str());
      builder.AddListeningPort(absl::StrCat("unix:", options.socket_path), grpc::InsecureServerCredentials());
    }
    if (!options.listen.empty()) {
      ASSAY_ASSIGN_OR_RETURN(const auto credentials, CredentialsFor(options));
      builder.AddListeningPort(options.listen, credentials, &port);
    }
    for (grpc::Service* service : std::initializer_list<grpc::Service*>{
             submissions.get(), readiness.get(), report.get(), decisions.get(), evidence.get(), frameworks.get(),
             info.get(), artifacts.get(), assessments.get(), candidates.get()}) {
      builder.RegisterService(service);
    }
    server = builder.BuildAndStart();
    if (server == nullptr || (!options.listen.empty() && port == 0)) {
      return absl::UnavailableError(
          absl::StrCat("listen: ", options.listen, " cannot be bound; another program may have the port: choose another "
                                                   "with --set listen=127.0.0.1:PORT"));
    }
    if (!options.socket_path.empty()) chmod(options.socket_path.c_str(), 0600);
    server->GetHealthCheckService()->SetServingStatus(false);
    return absl::OkStatus();
  }
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { Stop(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<Server>> Server::Create(Options options, Backend backend) {
  auto parts = std::make_unique<Parts>(std::move(options), std::move(backend));
  rpc::AuthorizerOptions authorizer;
  authorizer.token_file = parts->options.token_file;
  ASSAY_ASSIGN_OR_RETURN(parts->authorizer, rpc::Authorizer::Create(std::move(authorizer)));
  rpc::CallLimits limits;
  limits.in_flight = parts->options.calls_in_flight;
  limits.in_flight_per_tenant = parts->options.calls_in_flight_per_tenant;
  parts->gate = std::make_unique<rpc::CallGate>(*parts->authorizer, limits);
  parts->readers = std::make_unique<rpc::Executor>(parts->options.threads, kQueuedCalls);
  parts->writers = std::make_unique<rpc::Executor>(parts->options.threads, kQueuedCalls);
  parts->uploaders = std::make_unique<rpc::Executor>(kUploaders, kQueuedCalls);
  parts->senders = std::make_unique<rpc::Executor>(kSenders, kQueuedSends);
  parts->watches = std::make_unique<WatchHub>(parts->backend);
  parts->BuildServices();
  ASSAY_RETURN_IF_ERROR(parts->Listen());
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

std::string Server::address() const {
  if (parts_->options.listen.empty()) return "";
  return absl::StrCat(HostOf(parts_->options.listen), ":", parts_->port);
}

rpc::CallGate::Stats Server::calls() const { return parts_->gate->stats(); }

void Server::SetServing(bool serving) {
  if (parts_->server == nullptr) return;
  if (grpc::HealthCheckServiceInterface* health = parts_->server->GetHealthCheckService()) {
    health->SetServingStatus(serving);
  }
}

void Server::Stop(absl::Duration grace) {
  if (parts_->server == nullptr) return;
  // Later changes of the health count no more.
  if (grpc::HealthCheckServiceInterface* health = parts_->server->GetHealthCheckService()) health->Shutdown();
  // Streams would never end by themselves.
  parts_->watches->Stop();
  // gRPC's own shutdown also waits for idle connections, which may never notice; so calls are waited for here, and it
  // gets only the time the last answers need to leave.
  parts_->gate->Drain(grace);
  parts_->server->Shutdown(absl::ToChronoTime(absl::Now() + kLastAnswers));
  parts_->server->Wait();
  parts_->readers->Stop();
  parts_->writers->Stop();
  parts_->uploaders->Stop();
  parts_->senders->Stop();
  parts_->server.reset();
}

}  // namespace assay::gateway
