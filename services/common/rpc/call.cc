// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/call.h"

#include <algorithm>
#include <utility>

#include "services/common/base/status_macros.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {
namespace {

// Of everybody, and of one tenant.
std::pair<size_t, size_t> LimitsOf(const CallLimits& limits, CallKind kind) {
  switch (kind) {
    case CallKind::kDownstream:
      return {limits.downstreams, limits.downstreams_per_tenant};
    case CallKind::kUpstream:
      return {limits.upstreams, limits.upstreams_per_tenant};
    case CallKind::kRead:
    case CallKind::kWrite:
      break;
  }
  return {limits.in_flight, limits.in_flight_per_tenant};
}

}  // namespace

absl::StatusOr<std::shared_ptr<CallGate::Ticket>> CallGate::Enter(CallKind kind, absl::string_view method,
                                                                  const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto header = metadata.find("authorization");
  const absl::string_view authorization =
      header == metadata.end() ? absl::string_view() : absl::string_view(header->second.data(), header->second.size());
  Call call;
  call.method = std::string(method);
  ASSAY_ASSIGN_OR_RETURN(call.identity, authorizer_.Authorize(method, context.peer(), authorization));
  const auto deadline = context.deadline();
  if (deadline != std::chrono::system_clock::time_point::max()) call.deadline = absl::FromChrono(deadline);
  const auto trace = metadata.find("traceparent");
  if (trace != metadata.end()) call.trace_id = TraceIdOf({trace->second.data(), trace->second.size()});
  return Enter(kind, std::move(call));
}

std::string TraceIdOf(absl::string_view traceparent) {
  constexpr size_t kIdAt = 3, kIdLength = 32, kLength = 55;
  if (traceparent.size() < kLength || traceparent[2] != '-' || traceparent[kIdAt + kIdLength] != '-') return "";
  const absl::string_view id = traceparent.substr(kIdAt, kIdLength);
  const bool is_hex =
      std::all_of(id.begin(), id.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  const bool is_zero = id.find_first_not_of('0') == absl::string_view::npos;
  return is_hex && !is_zero ? std::string(id) : "";
}

absl::StatusOr<std::shared_ptr<CallGate::Ticket>> CallGate::Enter(CallKind kind, Call call) {
  const auto [all, of_tenant] = LimitsOf(limits_, kind);
  absl::MutexLock lock(&mutex_);
  if (draining_) return absl::UnavailableError("the server is stopping");
  Places& places = places_[static_cast<size_t>(kind)];
  const auto it = places.by_tenant.find(call.identity.tenant);
  if (places.taken >= all || (it != places.by_tenant.end() && it->second >= of_tenant)) {
    ++refused_;
    return Busy();
  }
  ++places.taken;
  ++places.by_tenant[call.identity.tenant];
  return std::make_shared<Ticket>(*this, kind, std::move(call));
}

CallKind CallGate::KindOf(absl::string_view method) const {
  return authorizer_.RoleFor(method) == Role::kWriter ? CallKind::kWrite : CallKind::kRead;
}

void CallGate::Leave(CallKind kind, const std::string& tenant) {
  absl::MutexLock lock(&mutex_);
  Places& places = places_[static_cast<size_t>(kind)];
  --places.taken;
  const auto it = places.by_tenant.find(tenant);
  if (--it->second == 0) places.by_tenant.erase(it);
}

CallGate::Stats CallGate::stats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats;
  for (size_t kind = 0; kind < kCallKinds; ++kind) stats.in_progress[kind] = places_[kind].taken;
  stats.refused = refused_;
  return stats;
}

bool CallGate::IsEmpty() const {
  return std::all_of(places_.begin(), places_.end(), [](const Places& places) { return places.taken == 0; });
}

bool CallGate::Drain(absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  const auto is_empty = [this] {
    mutex_.AssertHeld();
    return IsEmpty();
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&is_empty), patience);
}

absl::Status CallGate::Busy() const {
  return WithRetryDelay(absl::ResourceExhaustedError("too many calls in progress"), limits_.retry_after);
}

}  // namespace assay::rpc
