// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server_builder.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace assay::rpc {

// The largest message either side takes: an answer may hold a whole report …
inline constexpr int kMaxMessageBytes = 64 << 20;
// … a request is smaller; uploads come in pieces.
inline constexpr int kMaxRequestBytes = 4 << 20;
inline constexpr size_t kUploadChunkBytes = 64 << 10;

struct ChannelOptions {
  // PEM file of the authority that signed the server's certificate; empty: no TLS, for loopback and Unix sockets.
  std::string tls_authority_file;
  // PEM files of this client's certificate and key; both or none.
  std::string tls_certificate_file;
  std::string tls_key_file;
};

// Whether only this machine reaches "host:port": an address in 127/8, ::1, or "localhost".
bool IsLoopbackAddress(const std::string& host_port);

// A channel to "host:port" or "unix:/path", with our limits and keepalive. It connects when it is first used. Between
// processes of one machine a Unix socket has twice the rate of TCP.
std::shared_ptr<grpc::Channel> ConnectTo(const std::string& target);

// The same over TLS. INVALID_ARGUMENT: files that do not belong together; else as ReadFile.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(const std::string& target, const ChannelOptions& options);

// Sets what every outgoing call has: a deadline and, unless `token` is empty, the credential.
void PrepareContext(grpc::ClientContext& context, absl::Time deadline, const std::string& token);

// Sets what every server of ours has: bounds on messages, headers and streams, and no patience with clients that ping
// without need.
void ApplyServerLimits(grpc::ServerBuilder& builder, int max_streams_per_connection = 256);

}  // namespace assay::rpc
