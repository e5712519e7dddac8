// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/submission_rpc.h"

#include <utility>

#include "services/common/rpc/server_stream.h"
#include "services/common/rpc/unary.h"
#include "services/gateway/reading_call.h"

namespace assay::gateway {

grpc::ServerUnaryReactor* SubmissionRpc::CreateSubmission(grpc::CallbackServerContext* context,
                                                          const v1::CreateSubmissionRequest* request,
                                                          v1::CreateSubmissionResponse* response) {
  return rpc::Unary(writing_, "/assay.v1.SubmissionService/CreateSubmission", context, request, response,
                    [this](const rpc::Call& call, const v1::CreateSubmissionRequest& r) {
                      return intake_.Accept(call, r, call.deadline);
                    });
}

grpc::ServerUnaryReactor* SubmissionRpc::BatchCreateSubmissions(grpc::CallbackServerContext* context,
                                                                const v1::BatchCreateSubmissionsRequest* request,
                                                                v1::BatchCreateSubmissionsResponse* response) {
  return rpc::Unary(writing_, "/assay.v1.SubmissionService/BatchCreateSubmissions", context, request, response,
                    [this](const rpc::Call& call, const v1::BatchCreateSubmissionsRequest& r) {
                      return intake_.AcceptBatch(call, r, call.deadline);
                    });
}

grpc::ServerUnaryReactor* SubmissionRpc::GetSubmission(grpc::CallbackServerContext* context,
                                                       const v1::GetSubmissionRequest* request,
                                                       v1::Submission* response) {
  return rpc::Unary(reading_, "/assay.v1.SubmissionService/GetSubmission", context, request, response,
                    [this](const rpc::Call& call, const v1::GetSubmissionRequest& r, rpc::ResponseMetadata& metadata) {
                      return Reading(call, metadata, [&](const ShardCall& read) {
                        return answers_.GetSubmission(call.identity, r, read);
                      });
                    });
}

grpc::ServerUnaryReactor* SubmissionRpc::ListSubmissions(grpc::CallbackServerContext* context,
                                                         const v1::ListSubmissionsRequest* request,
                                                         v1::ListSubmissionsResponse* response) {
  return rpc::Unary(reading_, "/assay.v1.SubmissionService/ListSubmissions", context, request, response,
                    [this](const rpc::Call& call, const v1::ListSubmissionsRequest& r,
                           rpc::ResponseMetadata& metadata) {
                      return Reading(call, metadata, [&](const ShardCall& read) {
                        return answers_.ListSubmissions(call.identity, r, read);
                      });
                    });
}

grpc::ServerUnaryReactor* SubmissionRpc::CancelSubmission(grpc::CallbackServerContext* context,
                                                          const v1::CancelSubmissionRequest* request,
                                                          v1::Submission* response) {
  return rpc::Unary(writing_, "/assay.v1.SubmissionService/CancelSubmission", context, request, response,
                    [this](const rpc::Call& call, const v1::CancelSubmissionRequest& r) {
                      return requests_.Cancel(call, r, call.deadline);
                    });
}

grpc::ServerUnaryReactor* SubmissionRpc::WithdrawSubmission(grpc::CallbackServerContext* context,
                                                            const v1::WithdrawSubmissionRequest* request,
                                                            v1::Submission* response) {
  return rpc::Unary(writing_, "/assay.v1.SubmissionService/WithdrawSubmission", context, request, response,
                    [this](const rpc::Call& call, const v1::WithdrawSubmissionRequest& r) {
                      return requests_.Withdraw(call, r, call.deadline);
                    });
}

grpc::ServerUnaryReactor* SubmissionRpc::RerunSubmissions(grpc::CallbackServerContext* context,
                                                          const v1::RerunSubmissionsRequest* request,
                                                          v1::RerunSubmissionsResponse* response) {
  return rpc::Unary(writing_, "/assay.v1.SubmissionService/RerunSubmissions", context, request, response,
                    [this](const rpc::Call& call, const v1::RerunSubmissionsRequest& r) {
                      return requests_.Rerun(call, r, call.deadline);
                    });
}

grpc::ServerWriteReactor<v1::SubmissionUpdate>* SubmissionRpc::WatchSubmissions(
    grpc::CallbackServerContext* context, const v1::WatchSubmissionsRequest* request) {
  return rpc::ServerStreaming<v1::WatchSubmissionsRequest, v1::SubmissionUpdate>(
      reading_, "/assay.v1.SubmissionService/WatchSubmissions", context, request,
      [this](const rpc::Call& call, const v1::WatchSubmissionsRequest& r,
             std::shared_ptr<rpc::ServerStream<v1::SubmissionUpdate>> stream) {
        auto watch = gateway::WatchSubmissions(backend_, call.identity, r, stream);
        if (!watch.ok()) return stream->Finish(watch.status());
        watches_.Add(*std::move(watch));
      });
}

}  // namespace assay::gateway
