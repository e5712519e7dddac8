// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <type_traits>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/rpc/authorization.h"
#include "services/common/rpc/executor.h"

namespace assay::rpc {

// One admitted call: who makes it and until when it is wanted.
struct Call {
  std::string method;
  Identity identity;
  // InfiniteFuture: the caller set none.
  absl::Time deadline = absl::InfiniteFuture();
};

// What a handler adds to the headers of its answer: lower-case names, text of ASCII.
using ResponseMetadata = std::map<std::string, std::string>;

struct CallLimits {
  // Calls in progress, streams included.
  size_t in_flight = 256;
  size_t in_flight_per_tenant = 128;
  // What a refused caller is told to wait.
  absl::Duration retry_after = absl::Milliseconds(500);
};

// The one point every handler passes before it sees a request: authorization, then admission. Thread-safe.
class CallGate {
 public:
  // Gives its place back when destroyed; must not outlive the gate.
  class Ticket {
   public:
    Ticket(CallGate& gate, Call call) : gate_(gate), call_(std::move(call)) {}
    ~Ticket() { gate_.Leave(call_.identity.tenant); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    const Call& call() const { return call_; }

   private:
    CallGate& gate_;
    const Call call_;
  };

  // `authorizer` must outlive the gate.
  CallGate(const Authorizer& authorizer, CallLimits limits) : authorizer_(authorizer), limits_(limits) {}

  // RESOURCE_EXHAUSTED with RetryInfo: too many calls in progress; UNAVAILABLE: draining; else as
  // Authorizer::Authorize.
  absl::StatusOr<std::shared_ptr<Ticket>> Enter(absl::string_view method, const grpc::CallbackServerContext& context);
  absl::StatusOr<std::shared_ptr<Ticket>> Enter(Call call);
  // What a caller is told when an executor has no room.
  absl::Status Busy() const;
  // Lets nobody in any more (UNAVAILABLE) and waits until everybody is out, `patience` at most; whether they are.
  bool Drain(absl::Duration patience);

 private:
  void Leave(const std::string& tenant);

  const Authorizer& authorizer_;
  const CallLimits limits_;
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, size_t> by_tenant_ ABSL_GUARDED_BY(mutex_);
};

// What the adapters need of a server. Both must outlive every call.
struct CallEnvironment {
  CallGate& gate;
  Executor& executor;
};

namespace internal {

// Calls `handler(call, request)`, or `handler(call, request, metadata)` if it takes that.
template <typename Request, typename Handler>
auto Answer(Handler& handler, const Call& call, const Request& request, grpc::CallbackServerContext& context) {
  if constexpr (std::is_invocable_v<Handler&, const Call&, const Request&, ResponseMetadata&>) {
    ResponseMetadata metadata;
    auto result = handler(call, request, metadata);
    for (const auto& [name, value] : metadata) context.AddInitialMetadata(name, value);
    return result;
  } else {
    return handler(call, request);
  }
}

}  // namespace internal

}  // namespace assay::rpc
