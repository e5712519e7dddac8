// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/rpc/call.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {

// Answers one unary call with a plain function
//   absl::StatusOr<Response> handler(const Call& call, const Request& request[, ResponseMetadata& metadata])
// run on the executor, after the gate let the call in. `method` is the full name the rules know. A full executor
// answers RESOURCE_EXHAUSTED with RetryInfo. Request and response belong to gRPC until the call ends.
//
//   grpc::ServerUnaryReactor* GetSubmission(grpc::CallbackServerContext* context, const GetSubmissionRequest* request,
//                                           Submission* response) override {
//     return rpc::Unary(environment_, "/assay.v1.SubmissionService/GetSubmission", context, request, response,
//                       [this](const rpc::Call& call, const GetSubmissionRequest& r) { return reads_.Get(call, r); });
//   }
template <typename Request, typename Response, typename Handler>
grpc::ServerUnaryReactor* Unary(const CallEnvironment& environment, absl::string_view method,
                                grpc::CallbackServerContext* context, const Request* request, Response* response,
                                Handler handler) {
  class Reactor final : public grpc::ServerUnaryReactor {
    void OnDone() override { delete this; }
  };
  auto* reactor = new Reactor;
  absl::StatusOr<std::shared_ptr<CallGate::Ticket>> ticket = environment.gate.Enter(environment.gate.KindOf(method), method, *context);
  if (!ticket.ok()) {
    reactor->Finish(ToAnswer(ticket.status()));
    return reactor;
  }
  const bool accepted = environment.executor.TrySubmit(
      [reactor, context, request, response, ticket = *std::move(ticket), handler = std::move(handler)]() mutable {
        absl::StatusOr<Response> result = absl::CancelledError("the caller went away");
        // Nobody waits for a call that ended in the queue.
        if (!context->IsCancelled()) result = internal::Answer(handler, ticket->call(), *request, *context);
        if (result.ok()) *response = *std::move(result);
        const grpc::Status status = ToAnswer(result.status());
        ticket.reset();
        reactor->Finish(status);
      });
  if (!accepted) reactor->Finish(ToAnswer(environment.gate.Busy()));
  return reactor;
}

}  // namespace assay::rpc
