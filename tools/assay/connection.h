// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/grpcpp.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/unique_fd.h"
#include "tools/assay/globals.h"

namespace assay::cli {

// A standalone server started beside this command on a data folder; ends with it.
class ServerProcess {
 public:
  struct Options {
    std::string data_directory;
    bool read_only = false;
  };
  // Waits until it serves. FAILED_PRECONDITION: another server holds the folder; NOT_FOUND: read-only and no folder.
  static absl::StatusOr<std::unique_ptr<ServerProcess>> Start(const Options& options);
  // Asks it to stop, and waits; kills it when it does not.
  ~ServerProcess();
  const std::string& socket() const { return socket_; }

 private:
  ServerProcess() = default;
  pid_t pid_ = -1;
  std::string socket_;
};

// A channel to a server, and the server itself when this command started it.
class Connection {
 public:
  // The server on the data folder, started if none runs: for `evaluate`.
  static absl::StatusOr<std::unique_ptr<Connection>> ToDataFolder(const Globals& globals);
  // --server, else the default address: for commands that change something. With --data, the server on that folder.
  static absl::StatusOr<std::unique_ptr<Connection>> ToServer(const Globals& globals);
  // --data, else an answering server, else the default data folder, read-only: for reading commands.
  static absl::StatusOr<std::unique_ptr<Connection>> ForReading(const Globals& globals);

  std::shared_ptr<grpc::Channel> channel() const { return channel_; }
  // Prepares a call: token and deadline.
  void Prepare(grpc::ClientContext& context, absl::Duration timeout) const;

 private:
  Connection() = default;
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& target, const Globals& globals,
                                                          std::unique_ptr<ServerProcess> process);
  std::unique_ptr<ServerProcess> process_;
  std::shared_ptr<grpc::Channel> channel_;
  std::string token_;
};

// The data folder in force.
std::string DataDirectory(const Globals& globals);

// The status of a finished call, with the details the server sent as payloads.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace assay::cli
