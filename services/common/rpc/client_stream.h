// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/rpc/call.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {

// Receives the messages of one client-streaming call, one at a time and in order, on threads of the executor. Destroyed
// when the call is over, however it ends: what was not finished then must undo itself.
template <typename Request, typename Response>
class StreamReceiver {
 public:
  virtual ~StreamReceiver() = default;
  // An error ends the call with it.
  virtual absl::Status OnMessage(const Request& message) = 0;
  // The caller sent everything; what it returns ends the call.
  virtual absl::StatusOr<Response> OnEnd() = 0;
};

namespace internal {

template <typename Request, typename Response>
class ClientStreamReactor final : public grpc::ServerReadReactor<Request> {
 public:
  using Receiver = StreamReceiver<Request, Response>;

  ClientStreamReactor(const CallEnvironment& environment, grpc::CallbackServerContext* context, Response* response,
                      std::shared_ptr<CallGate::Ticket> ticket, std::unique_ptr<Receiver> receiver)
      : environment_(environment),
        context_(context),
        response_(response),
        ticket_(std::move(ticket)),
        receiver_(std::move(receiver)) {
    this->StartRead(&message_);
  }

  // gRPC calls this again only after StartRead(), so one thread at a time touches the receiver.
  void OnReadDone(bool ok) override {
    const bool accepted = environment_.executor.TrySubmit([this, ok] { ok ? Receive() : End(); });
    if (!accepted) FinishWith(environment_.gate.Busy());
  }

  void OnDone() override { delete this; }

 private:
  void Receive() {
    const absl::Status status = receiver_->OnMessage(message_);
    if (!status.ok()) return FinishWith(status);
    message_.Clear();
    this->StartRead(&message_);
  }

  void End() {
    // A read also ends this way when the caller went away: half an upload must not count as a whole one.
    if (context_->IsCancelled()) return FinishWith(absl::CancelledError("the caller went away"));
    absl::StatusOr<Response> result = receiver_->OnEnd();
    if (result.ok()) *response_ = *std::move(result);
    FinishWith(result.status());
  }

  void FinishWith(const absl::Status& status) {
    receiver_.reset();
    ticket_.reset();
    this->Finish(ToGrpcStatus(status));
  }

  const CallEnvironment environment_;
  grpc::CallbackServerContext* const context_;
  Response* const response_;
  std::shared_ptr<CallGate::Ticket> ticket_;
  std::unique_ptr<Receiver> receiver_;
  Request message_;
};

template <typename Request>
class RefusedReactor final : public grpc::ServerReadReactor<Request> {
 public:
  explicit RefusedReactor(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace internal

// Answers one client-streaming call with the receiver that
//   absl::StatusOr<std::unique_ptr<StreamReceiver<Request, Response>>> make(const Call& call)
// makes after the gate let the call in; `make` must not block. No thread waits for a slow sender, and a sender is never
// further ahead than one message: flow control holds it back.
template <typename Request, typename Response, typename Make>
grpc::ServerReadReactor<Request>* ClientStreaming(const CallEnvironment& environment, absl::string_view method,
                                                  grpc::CallbackServerContext* context, Response* response,
                                                  Make make) {
  absl::StatusOr<std::shared_ptr<CallGate::Ticket>> ticket = environment.gate.Enter(method, *context);
  if (!ticket.ok()) return new internal::RefusedReactor<Request>(ticket.status());
  absl::StatusOr<std::unique_ptr<StreamReceiver<Request, Response>>> receiver = make((*ticket)->call());
  if (!receiver.ok()) return new internal::RefusedReactor<Request>(receiver.status());
  return new internal::ClientStreamReactor<Request, Response>(environment, context, response, *std::move(ticket),
                                                              *std::move(receiver));
}

}  // namespace assay::rpc
