// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::rpc {
namespace {

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  // A proxy in the environment is for the internet, not for our own servers.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return arguments;
}

}  // namespace

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& target) {
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), Arguments());
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectTo(const std::string& target, const ChannelOptions& options) {
  if (options.tls_authority_file.empty()) return ConnectTo(target);
  grpc::SslCredentialsOptions tls;
  ASSAY_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadFile(options.tls_authority_file, 1 << 20));
  return grpc::CreateCustomChannel(target, grpc::SslCredentials(tls), Arguments());
}

}  // namespace assay::rpc
