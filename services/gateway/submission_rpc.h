// SPDX-License-Identifier: Apache-2.0
// The services of the public API over the gateway's core: translation only.
#pragma once

#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/rpc/call.h"
#include "services/gateway/answers.h"
#include "services/gateway/intake.h"
#include "services/gateway/requests.h"
#include "services/gateway/watch.h"

namespace assay::gateway {

// Thread-safe; everything passed in must outlive it.
class SubmissionRpc final : public v1::SubmissionService::CallbackService {
 public:
  SubmissionRpc(rpc::CallEnvironment reading, rpc::CallEnvironment writing, const Backend& backend, WatchHub& watches)
      : reading_(reading), writing_(writing), backend_(backend), intake_(backend), requests_(backend),
        answers_(backend), watches_(watches) {}

  grpc::ServerUnaryReactor* CreateSubmission(grpc::CallbackServerContext* context,
                                             const v1::CreateSubmissionRequest* request,
                                             v1::CreateSubmissionResponse* response) override;
  grpc::ServerUnaryReactor* BatchCreateSubmissions(grpc::CallbackServerContext* context,
                                                   const v1::BatchCreateSubmissionsRequest* request,
                                                   v1::BatchCreateSubmissionsResponse* response) override;
  grpc::ServerUnaryReactor* GetSubmission(grpc::CallbackServerContext* context, const v1::GetSubmissionRequest* request,
                                          v1::Submission* response) override;
  grpc::ServerUnaryReactor* ListSubmissions(grpc::CallbackServerContext* context,
                                            const v1::ListSubmissionsRequest* request,
                                            v1::ListSubmissionsResponse* response) override;
  grpc::ServerUnaryReactor* CancelSubmission(grpc::CallbackServerContext* context,
                                             const v1::CancelSubmissionRequest* request,
                                             v1::Submission* response) override;
  grpc::ServerUnaryReactor* WithdrawSubmission(grpc::CallbackServerContext* context,
                                               const v1::WithdrawSubmissionRequest* request,
                                               v1::Submission* response) override;
  grpc::ServerUnaryReactor* RerunSubmissions(grpc::CallbackServerContext* context,
                                             const v1::RerunSubmissionsRequest* request,
                                             v1::RerunSubmissionsResponse* response) override;
  grpc::ServerWriteReactor<v1::SubmissionUpdate>* WatchSubmissions(grpc::CallbackServerContext* context,
                                                                   const v1::WatchSubmissionsRequest* request) override;

 private:
  const rpc::CallEnvironment reading_;
  const rpc::CallEnvironment writing_;
  const Backend& backend_;
  const Intake intake_;
  const Requests requests_;
  const Answers answers_;
  WatchHub& watches_;
};

}  // namespace assay::gateway
