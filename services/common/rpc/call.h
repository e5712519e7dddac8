// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>

#include <array>
#include <cstddef>
#include <cstdint>
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
  // 32 hex digits, from the caller's `traceparent` header (W3C Trace Context); empty: it sent none.
  std::string trace_id;
};

// What a handler adds to the headers of its answer: lower-case names, text of ASCII.
using ResponseMetadata = std::map<std::string, std::string>;

// The trace id of a `traceparent` header; empty when it is not one.
std::string TraceIdOf(absl::string_view traceparent);

// What a call holds a place among: none of these can take the places of another, so that a tenant that watches or
// uploads much can still ask, and one that waits for its writes can still read.
enum class CallKind : uint8_t { kRead, kWrite, kDownstream, kUpstream };
inline constexpr size_t kCallKinds = 4;

struct CallLimits {
  // Calls with one answer in progress: those of readers, and as many of writers.
  size_t in_flight = 256;
  size_t in_flight_per_tenant = 128;
  // Streams to callers: they are idle most of the time.
  size_t downstreams = 4096;
  size_t downstreams_per_tenant = 1024;
  // Streams from callers.
  size_t upstreams = 64;
  size_t upstreams_per_tenant = 16;
  // How long a caller may send nothing into its stream.
  absl::Duration upstream_idle = absl::Seconds(30);
  // What a refused caller is told to wait.
  absl::Duration retry_after = absl::Milliseconds(500);
};

// The one point every handler passes before it sees a request: authorization, then admission. Thread-safe.
class CallGate {
 public:
  // Gives its place back when destroyed; must not outlive the gate.
  class Ticket {
   public:
    Ticket(CallGate& gate, CallKind kind, Call call) : gate_(gate), kind_(kind), call_(std::move(call)) {}
    ~Ticket() { gate_.Leave(kind_, call_.identity.tenant); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    const Call& call() const { return call_; }

   private:
    CallGate& gate_;
    const CallKind kind_;
    const Call call_;
  };

  // `authorizer` must outlive the gate.
  CallGate(const Authorizer& authorizer, CallLimits limits) : authorizer_(authorizer), limits_(limits) {}

  // RESOURCE_EXHAUSTED with RetryInfo: too many calls in progress; UNAVAILABLE: draining; else as
  // Authorizer::Authorize.
  absl::StatusOr<std::shared_ptr<Ticket>> Enter(CallKind kind, absl::string_view method,
                                                const grpc::CallbackServerContext& context);
  absl::StatusOr<std::shared_ptr<Ticket>> Enter(CallKind kind, Call call);
  // Of a call with one answer, by who may make it.
  CallKind KindOf(absl::string_view method) const;
  const CallLimits& limits() const { return limits_; }
  struct Stats {
    // By kind.
    std::array<size_t, kCallKinds> in_progress{};
    // Refused for want of a place, since the start.
    uint64_t refused = 0;
  };
  Stats stats() const;
  // What a caller is told when an executor has no room.
  absl::Status Busy() const;
  // Lets nobody in any more (UNAVAILABLE) and waits until everybody is out, `patience` at most; whether they are.
  bool Drain(absl::Duration patience);

 private:
  struct Places {
    size_t taken = 0;
    absl::flat_hash_map<std::string, size_t> by_tenant;
  };

  void Leave(CallKind kind, const std::string& tenant);
  bool IsEmpty() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Authorizer& authorizer_;
  const CallLimits limits_;
  mutable absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<Places, kCallKinds> places_ ABSL_GUARDED_BY(mutex_);
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
