// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/rpc/call.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {

namespace internal {

// Whether the bytes are a Request.
template <typename Request>
bool ParseBytes(const grpc::ByteBuffer& bytes, Request& request) {
  grpc::Slice whole;
  if (bytes.TrySingleSlice(&whole).ok()) return request.ParseFromArray(whole.begin(), static_cast<int>(whole.size()));
  return bytes.DumpToSingleSlice(&whole).ok() && request.ParseFromArray(whole.begin(), static_cast<int>(whole.size()));
}

// A buffer of all pieces, one behind the other, that owns them: nothing is copied.
inline grpc::ByteBuffer ToBuffer(std::vector<std::string> pieces) {
  std::vector<grpc::Slice> slices;
  slices.reserve(pieces.size());
  for (std::string& piece : pieces) {
    auto* const kept = new std::string(std::move(piece));
    slices.emplace_back(
        kept->data(), kept->size(), [](void* owner) { delete static_cast<std::string*>(owner); }, kept);
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace internal

// Like Unary(), for a method whose answer lies ready in wire form, in pieces that merge into one message:
//   absl::StatusOr<std::vector<std::string>> handler(const Call& call, const Request& request
//                                                    [, ResponseMetadata& metadata])
// They are passed on unread. When `waits(request)` is false the handler must not block, and answers on the thread that
// the call arrived on: the hand-over to the executor costs more than such a call.
template <typename Request, typename Waits, typename Handler>
grpc::ServerUnaryReactor* BytesUnary(const CallEnvironment& environment, absl::string_view method,
                                     grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response, Waits waits, Handler handler) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<std::shared_ptr<CallGate::Ticket>> ticket = environment.gate.Enter(environment.gate.KindOf(method), method, *context);
  Request parsed;
  if (ticket.ok() && !internal::ParseBytes(*request, parsed)) {
    ticket = absl::InvalidArgumentError("the request is not a message of this method");
  }
  if (!ticket.ok()) {
    reactor->Finish(ToAnswer(ticket.status()));
    return reactor;
  }
  const bool may_wait = waits(parsed);
  auto answer = [reactor, context, response, ticket = *std::move(ticket), parsed = std::move(parsed),
                 handler = std::move(handler)]() mutable {
    absl::StatusOr<std::vector<std::string>> result = absl::CancelledError("the caller went away");
    if (!context->IsCancelled()) result = internal::Answer(handler, ticket->call(), parsed, *context);
    if (result.ok()) *response = internal::ToBuffer(*std::move(result));
    ticket.reset();
    reactor->Finish(ToAnswer(result.status()));
  };
  if (!may_wait) {
    answer();
  } else if (!environment.executor.TrySubmit(std::move(answer))) {
    reactor->Finish(ToAnswer(environment.gate.Busy()));
  }
  return reactor;
}

}  // namespace assay::rpc
