// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/call.h"

#include <utility>

#include "services/common/base/status_macros.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {

absl::StatusOr<std::shared_ptr<CallGate::Ticket>> CallGate::Enter(absl::string_view method,
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
  return Enter(std::move(call));
}

absl::StatusOr<std::shared_ptr<CallGate::Ticket>> CallGate::Enter(Call call) {
  absl::MutexLock lock(&mutex_);
  if (draining_) return absl::UnavailableError("the server is stopping");
  const auto it = by_tenant_.find(call.identity.tenant);
  const size_t of_tenant = it == by_tenant_.end() ? 0 : it->second;
  if (in_flight_ >= limits_.in_flight || of_tenant >= limits_.in_flight_per_tenant) return Busy();
  ++in_flight_;
  ++by_tenant_[call.identity.tenant];
  return std::make_shared<Ticket>(*this, std::move(call));
}

void CallGate::Leave(const std::string& tenant) {
  absl::MutexLock lock(&mutex_);
  --in_flight_;
  const auto it = by_tenant_.find(tenant);
  if (--it->second == 0) by_tenant_.erase(it);
}

bool CallGate::Drain(absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  const auto is_empty = [this] {
    mutex_.AssertHeld();
    return in_flight_ == 0;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&is_empty), patience);
}

absl::Status CallGate::Busy() const {
  return WithRetryDelay(absl::ResourceExhaustedError("too many calls in progress"), limits_.retry_after);
}

}  // namespace assay::rpc
