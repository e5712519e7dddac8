// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "assay/shard/v1/shard_service.grpc.pb.h"
#include "services/common/rpc/channel.h"

namespace assay::gateway {

// Connections to the aggregators, one for each address, the last used ones kept. Thread-safe.
class ShardPeers {
 public:
  static constexpr size_t kMaxPeers = 64;
  using Stub = shard::v1::ShardService::Stub;

  // `tls` empty: none, and only addresses of this machine are connected to.
  explicit ShardPeers(rpc::ChannelOptions tls) : tls_(std::move(tls)) {}

  // FAILED_PRECONDITION: other machines reach the address, and there is no TLS; else as rpc::ConnectTo.
  absl::StatusOr<std::shared_ptr<Stub>> Find(const std::string& address);

 private:
  struct Peer {
    std::shared_ptr<Stub> stub;
    uint64_t used = 0;
  };

  const rpc::ChannelOptions tls_;
  absl::Mutex mutex_;
  std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
  uint64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace assay::gateway
