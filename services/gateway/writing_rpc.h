// SPDX-License-Identifier: Apache-2.0
// Uploads, assessments and candidates of the public API: translation only.
#pragma once

#include "assay/v1/artifact_service.grpc.pb.h"
#include "assay/v1/assessment_service.grpc.pb.h"
#include "assay/v1/candidate_service.grpc.pb.h"
#include "services/common/rpc/call.h"
#include "services/gateway/answers.h"
#include "services/gateway/requests.h"

namespace assay::gateway {

// All of them: thread-safe; everything passed in must outlive them.

class ArtifactRpc final : public v1::ArtifactService::CallbackService {
 public:
  ArtifactRpc(rpc::CallEnvironment environment, const Backend& backend)
      : environment_(environment), backend_(backend) {}
  grpc::ServerReadReactor<v1::UploadArtifactRequest>* UploadArtifact(grpc::CallbackServerContext* context,
                                                                     v1::Artifact* response) override;

 private:
  const rpc::CallEnvironment environment_;
  const Backend& backend_;
};

class AssessmentRpc final : public v1::AssessmentService::CallbackService {
 public:
  AssessmentRpc(rpc::CallEnvironment reading, rpc::CallEnvironment writing, const Backend& backend)
      : reading_(reading), writing_(writing), requests_(backend), answers_(backend) {}
  grpc::ServerUnaryReactor* CreateAssessment(grpc::CallbackServerContext* context,
                                             const v1::CreateAssessmentRequest* request,
                                             v1::Assessment* response) override;
  grpc::ServerUnaryReactor* GetAssessment(grpc::CallbackServerContext* context, const v1::GetAssessmentRequest* request,
                                          v1::Assessment* response) override;
  grpc::ServerUnaryReactor* ListAssessments(grpc::CallbackServerContext* context,
                                            const v1::ListAssessmentsRequest* request,
                                            v1::ListAssessmentsResponse* response) override;

 private:
  const rpc::CallEnvironment reading_;
  const rpc::CallEnvironment writing_;
  const Requests requests_;
  const Answers answers_;
};

class CandidateRpc final : public v1::CandidateService::CallbackService {
 public:
  CandidateRpc(rpc::CallEnvironment environment, const Backend& backend)
      : environment_(environment), requests_(backend) {}
  grpc::ServerUnaryReactor* DeleteCandidate(grpc::CallbackServerContext* context,
                                            const v1::DeleteCandidateRequest* request,
                                            v1::DeleteCandidateResponse* response) override;

 private:
  const rpc::CallEnvironment environment_;
  const Requests requests_;
};

}  // namespace assay::gateway
