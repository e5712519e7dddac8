// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "services/common/rpc/call.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {

// Writes the answers of one server-streaming call through a bounded buffer. Thread-safe. Whoever holds it may write;
// when the last holder lets go without Finish(), the call ends with OK after what was written.
template <typename Response>
class ServerStream {
 public:
  virtual ~ServerStream() = default;
  // False: the buffer is full (a slow reader), or the call is over. For producers that must not wait.
  [[nodiscard]] virtual bool TryWrite(Response response) = 0;
  // Waits for room in the buffer. CANCELLED: the call is over. For producers with a thread of their own.
  virtual absl::Status Write(Response response) = 0;
  // Ends the call after what was written before. Only the first call counts.
  virtual void Finish(const absl::Status& status) = 0;
  // Whether the caller went away or the call was finished.
  virtual bool IsOver() = 0;
  // Calls `callback` once when the caller goes away or the stream ends, at once if that has happened. It must not
  // block.
  virtual void OnOver(std::function<void()> callback) = 0;
};

namespace internal {

template <typename Response>
class ServerStreamReactor final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit ServerStreamReactor(size_t buffer) : buffer_(buffer) {}

  // gRPC keeps the object until OnDone(); handles keep it until they go.
  void KeepUntilDone(std::shared_ptr<ServerStreamReactor> self) { self_ = std::move(self); }
  void KeepTicket(std::shared_ptr<CallGate::Ticket> ticket) { ticket_ = std::move(ticket); }

  bool Enqueue(Response response, bool wait) {
    absl::MutexLock lock(&mutex_);
    if (wait) {
      const auto has_room = [this] {
        mutex_.AssertHeld();
        return is_over_ || queue_.size() < buffer_;
      };
      mutex_.Await(absl::Condition(&has_room));
    }
    if (is_over_ || queue_.size() >= buffer_) return false;
    queue_.push_back(std::move(response));
    StartNext();
    return true;
  }

  void End(const absl::Status& status) {
    std::function<void()> callback;
    {
      absl::MutexLock lock(&mutex_);
      if (is_finishing_) return;
      is_finishing_ = true;
      status_ = ToAnswer(status);
      callback = MarkOver();
      StartNext();
    }
    if (callback) callback();
  }

  bool IsOver() {
    absl::MutexLock lock(&mutex_);
    return is_over_;
  }

  void SetOverCallback(std::function<void()> callback) {
    {
      absl::MutexLock lock(&mutex_);
      if (!is_over_) {
        over_callback_ = std::move(callback);
        return;
      }
    }
    callback();
  }

  void OnWriteDone(bool ok) override {
    std::function<void()> callback;
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
      queue_.pop_front();
      if (!ok) {
        queue_.clear();
        callback = MarkOver();
        if (!is_finishing_) status_ = grpc::Status(grpc::StatusCode::CANCELLED, "the caller went away");
        is_finishing_ = true;
      }
      StartNext();
    }
    if (callback) callback();
  }

  void OnCancel() override { End(absl::CancelledError("the caller went away")); }

  void OnDone() override {
    ticket_.reset();
    // May delete this object.
    const std::shared_ptr<ServerStreamReactor> self = std::move(self_);
  }

 private:
  std::function<void()> MarkOver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    is_over_ = true;
    return std::exchange(over_callback_, nullptr);
  }

  void StartNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (is_writing_) return;
    if (!queue_.empty()) {
      is_writing_ = true;
      // The front stays where it is until OnWriteDone().
      this->StartWrite(&queue_.front());
    } else if (is_finishing_ && !is_finished_) {
      is_finished_ = true;
      this->Finish(status_);
    }
  }

  const size_t buffer_;
  std::shared_ptr<ServerStreamReactor> self_;
  std::shared_ptr<CallGate::Ticket> ticket_;
  absl::Mutex mutex_;
  std::deque<Response> queue_ ABSL_GUARDED_BY(mutex_);
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  // No more answers are taken.
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  // The end was asked for; it follows the last write.
  bool is_finishing_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> over_callback_ ABSL_GUARDED_BY(mutex_);
};

template <typename Response>
class ServerStreamHandle final : public ServerStream<Response> {
 public:
  explicit ServerStreamHandle(std::shared_ptr<ServerStreamReactor<Response>> reactor) : reactor_(std::move(reactor)) {}
  ~ServerStreamHandle() override { reactor_->End(absl::OkStatus()); }

  bool TryWrite(Response response) override { return reactor_->Enqueue(std::move(response), /*wait=*/false); }
  absl::Status Write(Response response) override {
    if (reactor_->Enqueue(std::move(response), /*wait=*/true)) return absl::OkStatus();
    return absl::CancelledError("the call is over");
  }
  void Finish(const absl::Status& status) override { reactor_->End(status); }
  bool IsOver() override { return reactor_->IsOver(); }
  void OnOver(std::function<void()> callback) override { reactor_->SetOverCallback(std::move(callback)); }

 private:
  const std::shared_ptr<ServerStreamReactor<Response>> reactor_;
};

}  // namespace internal

inline constexpr size_t kStreamBuffer = 64;

// Answers one server-streaming call with
//   void handler(const Call& call, const Request& request, std::shared_ptr<ServerStream<Response>> stream)
// run on the executor after the gate let the call in. `request` is valid only until the handler returns; `stream` as
// long as somebody holds it. A handler that returns quickly and leaves the stream with a producer holds no thread.
template <typename Request, typename Response, typename Handler>
grpc::ServerWriteReactor<Response>* ServerStreaming(const CallEnvironment& environment, absl::string_view method,
                                                    grpc::CallbackServerContext* context, const Request* request,
                                                    Handler handler, size_t buffer = kStreamBuffer) {
  auto reactor = std::make_shared<internal::ServerStreamReactor<Response>>(buffer);
  reactor->KeepUntilDone(reactor);
  grpc::ServerWriteReactor<Response>* const raw = reactor.get();
  absl::StatusOr<std::shared_ptr<CallGate::Ticket>> ticket = environment.gate.Enter(CallKind::kDownstream, method, *context);
  if (!ticket.ok()) {
    reactor->End(ticket.status());
    return raw;
  }
  reactor->KeepTicket(*ticket);
  // gRPC may free its request as soon as the call is over, which a caller decides.
  const bool accepted = environment.executor.TrySubmit(
      [reactor, ticket = *ticket, request = *request, handler = std::move(handler)]() mutable {
        handler(ticket->call(), request,
                std::shared_ptr<ServerStream<Response>>(
                    std::make_shared<internal::ServerStreamHandle<Response>>(std::move(reactor))));
      });
  if (!accepted) reactor->End(environment.gate.Busy());
  return raw;
}

}  // namespace assay::rpc
