// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/channel.h"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::rpc {
namespace {

constexpr uint64_t kMaxPemBytes = 1 << 20;
constexpr int kMaxMetadataBytes = 16 << 10;

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const ChannelOptions& options) {
  if (options.tls_certificate_file.empty() != options.tls_key_file.empty()) {
    return absl::InvalidArgumentError("tls: certificate and key belong together");
  }
  if (options.tls_authority_file.empty()) {
    if (!options.tls_key_file.empty()) return absl::InvalidArgumentError("tls: the authority's file is missing");
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions tls;
  ASSAY_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadFile(options.tls_authority_file, kMaxPemBytes));
  if (!options.tls_key_file.empty()) {
    ASSAY_ASSIGN_OR_RETURN(tls.pem_cert_chain, ReadFile(options.tls_certificate_file, kMaxPemBytes));
    ASSAY_ASSIGN_OR_RETURN(tls.pem_private_key, ReadFile(options.tls_key_file, kMaxPemBytes));
  }
  return grpc::SslCredentials(tls);
}

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // Notices a peer that vanished without a word, also between the messages of a stream.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  // One retry loop is enough, and it is ours.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A proxy in the environment is for the internet, not for our own servers.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

bool IsLoopbackAddress(const std::string& host_port) {
  const std::string host = host_port.substr(0, host_port.rfind(':'));
  in_addr address{};
  // Not by its first letters: "127.example.com" is somebody's name.
  const bool is_loopback = inet_pton(AF_INET, host.c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
  return is_loopback || host == "localhost" || host == "[::1]";
}

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& target) {
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), Arguments());
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(const std::string& target, const ChannelOptions& options) {
  ASSAY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> credentials, Credentials(options));
  return grpc::CreateCustomChannel(target, credentials, Arguments());
}

void PrepareContext(grpc::ClientContext& context, absl::Time deadline, const std::string& token) {
  if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
  if (!token.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
}

void ApplyServerLimits(grpc::ServerBuilder& builder, int max_streams_per_connection) {
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, max_streams_per_connection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
  // Two servers on one port would share its calls without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace assay::rpc
