// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace assay::rpc {

struct ChannelOptions {
  // PEM file of the authority that signed the server's certificate; empty: no TLS, allowed to loopback and Unix sockets.
  std::string tls_authority_file;
};

// A channel to "host:port" or "unix:/path", with our message limits and keepalive. It connects when it is first used.
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& target);

// The same over TLS.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(const std::string& target, const ChannelOptions& options);

// The largest message either side takes.
inline constexpr int kMaxMessageBytes = 64 << 20;

}  // namespace assay::rpc
