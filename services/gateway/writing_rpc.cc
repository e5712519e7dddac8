// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/writing_rpc.h"

#include <memory>
#include <utility>

#include "services/common/rpc/client_stream.h"
#include "services/common/rpc/unary.h"
#include "services/gateway/reading_call.h"
#include "services/gateway/upload.h"

namespace assay::gateway {
namespace {

class UploadReceiver final : public rpc::StreamReceiver<v1::UploadArtifactRequest, v1::Artifact> {
 public:
  UploadReceiver(const Backend& backend, const rpc::Call& call) : upload_(backend, call.identity, call.deadline) {}

  absl::Status OnMessage(const v1::UploadArtifactRequest& message) override {
    if (message.has_metadata()) return upload_.Begin(message.metadata());
    return upload_.Append(message.chunk());
  }
  absl::StatusOr<v1::Artifact> OnEnd() override { return upload_.Finish(); }

 private:
  Upload upload_;
};

}  // namespace

grpc::ServerReadReactor<v1::UploadArtifactRequest>* ArtifactRpc::UploadArtifact(grpc::CallbackServerContext* context,
                                                                                v1::Artifact* response) {
  using Receiver = rpc::StreamReceiver<v1::UploadArtifactRequest, v1::Artifact>;
  return rpc::ClientStreaming<v1::UploadArtifactRequest, v1::Artifact>(
      environment_, "/assay.v1.ArtifactService/UploadArtifact", context, response,
      [this](const rpc::Call& call) -> absl::StatusOr<std::unique_ptr<Receiver>> {
        return std::unique_ptr<Receiver>(std::make_unique<UploadReceiver>(backend_, call));
      });
}

grpc::ServerUnaryReactor* AssessmentRpc::CreateAssessment(grpc::CallbackServerContext* context,
                                                          const v1::CreateAssessmentRequest* request,
                                                          v1::Assessment* response) {
  return rpc::Unary(writing_, "/assay.v1.AssessmentService/CreateAssessment", context, request, response,
                    [this](const rpc::Call& call, const v1::CreateAssessmentRequest& r) {
                      return requests_.CreateAssessment(call, r, call.deadline);
                    });
}

grpc::ServerUnaryReactor* AssessmentRpc::GetAssessment(grpc::CallbackServerContext* context,
                                                       const v1::GetAssessmentRequest* request,
                                                       v1::Assessment* response) {
  return rpc::Unary(reading_, "/assay.v1.AssessmentService/GetAssessment", context, request, response,
                    [this](const rpc::Call& call, const v1::GetAssessmentRequest& r, rpc::ResponseMetadata& metadata) {
                      return Reading(call, metadata, [&](const ShardCall& read) {
                        return answers_.GetAssessment(call.identity, r, read);
                      });
                    });
}

grpc::ServerUnaryReactor* AssessmentRpc::ListAssessments(grpc::CallbackServerContext* context,
                                                         const v1::ListAssessmentsRequest* request,
                                                         v1::ListAssessmentsResponse* response) {
  return rpc::Unary(reading_, "/assay.v1.AssessmentService/ListAssessments", context, request, response,
                    [this](const rpc::Call& call, const v1::ListAssessmentsRequest& r,
                           rpc::ResponseMetadata& metadata) {
                      return Reading(call, metadata, [&](const ShardCall& read) {
                        return answers_.ListAssessments(call.identity, r, read);
                      });
                    });
}

grpc::ServerUnaryReactor* CandidateRpc::DeleteCandidate(grpc::CallbackServerContext* context,
                                                        const v1::DeleteCandidateRequest* request,
                                                        v1::DeleteCandidateResponse* response) {
  return rpc::Unary(environment_, "/assay.v1.CandidateService/DeleteCandidate", context, request, response,
                    [this](const rpc::Call& call, const v1::DeleteCandidateRequest& r) {
                      return requests_.DeleteCandidate(call, r, call.deadline);
                    });
}

}  // namespace assay::gateway
