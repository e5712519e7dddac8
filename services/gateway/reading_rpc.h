// SPDX-License-Identifier: Apache-2.0
// The reading services of the public API: translation only.
#pragma once

#include "assay/v1/decision_service.grpc.pb.h"
#include "assay/v1/evidence_service.grpc.pb.h"
#include "assay/v1/framework_service.grpc.pb.h"
#include "assay/v1/readiness_service.grpc.pb.h"
#include "assay/v1/report_service.grpc.pb.h"
#include "assay/v1/server_service.grpc.pb.h"
#include "services/common/rpc/call.h"
#include "services/gateway/answers.h"
#include "services/gateway/watch.h"

namespace assay::gateway {

// All of them: thread-safe; everything passed in must outlive them.

class ReadinessRpc final
    : public v1::ReadinessService::WithRawCallbackMethod_GetReadiness<v1::ReadinessService::CallbackService> {
 public:
  ReadinessRpc(rpc::CallEnvironment environment, const Backend& backend, WatchHub& watches)
      : environment_(environment), backend_(backend), answers_(backend), watches_(watches) {}
  grpc::ServerUnaryReactor* GetReadiness(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ExplainReadiness(grpc::CallbackServerContext* context,
                                             const v1::ExplainReadinessRequest* request,
                                             v1::ExplainReadinessResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchReadinessResponse>* WatchReadiness(
      grpc::CallbackServerContext* context, const v1::WatchReadinessRequest* request) override;

 private:
  const rpc::CallEnvironment environment_;
  const Backend& backend_;
  const Answers answers_;
  WatchHub& watches_;
};

class ReportRpc final : public v1::ReportService::CallbackService {
 public:
  ReportRpc(rpc::CallEnvironment environment, const Backend& backend) : environment_(environment), answers_(backend) {}
  grpc::ServerUnaryReactor* GetEvaluationReport(grpc::CallbackServerContext* context,
                                                const v1::GetEvaluationReportRequest* request,
                                                v1::EvaluationReport* response) override;

 private:
  const rpc::CallEnvironment environment_;
  const Answers answers_;
};

class DecisionRpc final : public v1::DecisionService::CallbackService {
 public:
  DecisionRpc(rpc::CallEnvironment environment, const Backend& backend)
      : environment_(environment), answers_(backend) {}
  grpc::ServerUnaryReactor* ListDecisions(grpc::CallbackServerContext* context, const v1::ListDecisionsRequest* request,
                                          v1::ListDecisionsResponse* response) override;

 private:
  const rpc::CallEnvironment environment_;
  const Answers answers_;
};

class EvidenceRpc final : public v1::EvidenceService::CallbackService {
 public:
  // Bytes are read on `senders`, whose threads may wait for slow readers.
  EvidenceRpc(rpc::CallEnvironment environment, const Backend& backend, rpc::Executor& senders)
      : environment_(environment), answers_(backend), senders_(senders) {}
  grpc::ServerWriteReactor<v1::GetEvidenceResponse>* GetEvidence(grpc::CallbackServerContext* context,
                                                                 const v1::GetEvidenceRequest* request) override;

 private:
  const rpc::CallEnvironment environment_;
  const Answers answers_;
  rpc::Executor& senders_;
};

class FrameworkRpc final : public v1::FrameworkService::CallbackService {
 public:
  FrameworkRpc(rpc::CallEnvironment environment, const Backend& backend)
      : environment_(environment), answers_(backend) {}
  grpc::ServerUnaryReactor* ListFrameworks(grpc::CallbackServerContext* context,
                                           const v1::ListFrameworksRequest* request,
                                           v1::ListFrameworksResponse* response) override;
  grpc::ServerUnaryReactor* GetFramework(grpc::CallbackServerContext* context, const v1::GetFrameworkRequest* request,
                                         v1::GetFrameworkResponse* response) override;
  grpc::ServerUnaryReactor* ValidateFramework(grpc::CallbackServerContext* context,
                                              const v1::ValidateFrameworkRequest* request,
                                              v1::ValidateFrameworkResponse* response) override;

 private:
  const rpc::CallEnvironment environment_;
  const Answers answers_;
};

class ServerRpc final : public v1::ServerService::CallbackService {
 public:
  ServerRpc(rpc::CallEnvironment environment, const Backend& backend) : environment_(environment), backend_(backend) {}
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context, const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;

 private:
  const rpc::CallEnvironment environment_;
  const Backend& backend_;
};

}  // namespace assay::gateway
