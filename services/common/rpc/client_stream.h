// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
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
        receiver_(std::move(receiver)) {}

  // gRPC keeps the object until OnDone().
  void Start(std::shared_ptr<ClientStreamReactor> self) {
    self_ = std::move(self);
    WatchForSilence(absl::Now());
    this->StartRead(&message_);
  }

  // gRPC calls this again only after StartRead(), so one thread at a time touches the receiver.
  void OnReadDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      if (is_finished_) return;
      is_waiting_ = false;
    }
    const bool accepted = environment_.executor.TrySubmit([this, ok] { ok ? Receive() : End(); });
    if (!accepted) FinishWith(environment_.gate.Busy());
  }

  void OnDone() override {
    // May delete this object.
    const std::shared_ptr<ClientStreamReactor> self = std::move(self_);
    absl::MutexLock lock(&mutex_);
    alarm_.reset();
  }

 private:
  // What the call holds until its end, which comes once: a message and the alarm may come together.
  struct Held {
    std::shared_ptr<CallGate::Ticket> ticket;
    std::unique_ptr<Receiver> receiver;
  };

  void Receive() {
    const absl::Status status = receiver_->OnMessage(message_);
    if (!status.ok()) return FinishWith(status);
    message_.Clear();
    {
      absl::MutexLock lock(&mutex_);
      is_waiting_ = true;
      waiting_since_ = absl::Now();
    }
    this->StartRead(&message_);
  }

  void End() {
    // A read also ends this way when the caller went away: half an upload must not count as a whole one.
    if (context_->IsCancelled()) return FinishWith(absl::CancelledError("the caller went away"));
    absl::StatusOr<Response> result = receiver_->OnEnd();
    if (result.ok()) *response_ = *std::move(result);
    FinishWith(result.status());
  }

  // Looks again when a message that began to be waited for at `since` would be overdue.
  void WatchForSilence(absl::Time since) {
    absl::MutexLock lock(&mutex_);
    if (is_finished_) return;
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(absl::ToChronoTime(since + environment_.gate.limits().upstream_idle),
                [weak = std::weak_ptr<ClientStreamReactor>(self_)](bool fired) {
                  const auto self = weak.lock();
                  if (fired && self != nullptr) self->OnAlarm();
                });
  }

  void OnAlarm() {
    const absl::Time now = absl::Now();
    const absl::Duration idle = environment_.gate.limits().upstream_idle;
    absl::Time since;
    Held held;
    {
      absl::MutexLock lock(&mutex_);
      since = is_waiting_ ? waiting_since_ : now;
      // While a message is waited for nobody touches the receiver.
      if (now - since >= idle) held = TakeHeld();
    }
    if (now - since < idle) return WatchForSilence(since);
    FinishWith(std::move(held),
               absl::DeadlineExceededError(absl::StrCat("nothing was sent for ", absl::FormatDuration(idle))));
  }

  void FinishWith(const absl::Status& status) {
    Held held;
    {
      absl::MutexLock lock(&mutex_);
      held = TakeHeld();
    }
    FinishWith(std::move(held), status);
  }

  Held TakeHeld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(is_finished_, true)) return {};
    return {std::move(ticket_), std::move(receiver_)};
  }
  void FinishWith(Held held, const absl::Status& status) {
    if (held.ticket == nullptr) return;
    held.receiver.reset();
    held.ticket.reset();
    this->Finish(ToAnswer(status));
  }

  const CallEnvironment environment_;
  grpc::CallbackServerContext* const context_;
  Response* const response_;
  std::shared_ptr<ClientStreamReactor> self_;
  std::shared_ptr<CallGate::Ticket> ticket_;
  // Touched by whoever handles a message, and by the end.
  std::unique_ptr<Receiver> receiver_;
  Request message_;
  absl::Mutex mutex_;
  // For a message of the caller.
  bool is_waiting_ ABSL_GUARDED_BY(mutex_) = true;
  absl::Time waiting_since_ ABSL_GUARDED_BY(mutex_) = absl::Now();
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
};

template <typename Request>
class RefusedReactor final : public grpc::ServerReadReactor<Request> {
 public:
  explicit RefusedReactor(const absl::Status& status) { this->Finish(ToAnswer(status)); }
  void OnDone() override { delete this; }
};

}  // namespace internal

// Answers one client-streaming call with the receiver that
//   absl::StatusOr<std::unique_ptr<StreamReceiver<Request, Response>>> make(const Call& call)
// makes after the gate let the call in; `make` must not block. No thread waits for a slow sender, and a sender is never
// further ahead than one message: flow control holds it back. One that sends nothing for CallLimits::upstream_idle is
// ended with DEADLINE_EXCEEDED.
template <typename Request, typename Response, typename Make>
grpc::ServerReadReactor<Request>* ClientStreaming(const CallEnvironment& environment, absl::string_view method,
                                                  grpc::CallbackServerContext* context, Response* response,
                                                  Make make) {
  absl::StatusOr<std::shared_ptr<CallGate::Ticket>> ticket = environment.gate.Enter(CallKind::kUpstream, method, *context);
  if (!ticket.ok()) return new internal::RefusedReactor<Request>(ticket.status());
  absl::StatusOr<std::unique_ptr<StreamReceiver<Request, Response>>> receiver = make((*ticket)->call());
  if (!receiver.ok()) return new internal::RefusedReactor<Request>(receiver.status());
  auto reactor = std::make_shared<internal::ClientStreamReactor<Request, Response>>(
      environment, context, response, *std::move(ticket), *std::move(receiver));
  reactor->Start(reactor);
  return reactor.get();
}

}  // namespace assay::rpc
