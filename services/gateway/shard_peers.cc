// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/shard_peers.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace assay::gateway {

absl::StatusOr<std::shared_ptr<ShardPeers::Stub>> ShardPeers::Find(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  if (const auto known = peers_.find(address); known != peers_.end()) {
    known->second.used = ++uses_;
    return known->second.stub;
  }
  if (tls_.tls_authority_file.empty() && !rpc::IsLoopbackAddress(address)) {
    return absl::FailedPreconditionError(
        absl::StrCat("aggregator at ", address, ": other machines reach it, and peer_tls is not set"));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel, rpc::ConnectTo(address, tls_));
  if (peers_.size() >= kMaxPeers) {
    peers_.erase(std::min_element(peers_.begin(), peers_.end(),
                                  [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  std::shared_ptr<Stub> stub = shard::v1::ShardService::NewStub(channel);
  peers_[address] = {stub, ++uses_};
  return stub;
}

}  // namespace assay::gateway
