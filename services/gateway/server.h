// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/rpc/call.h"
#include "services/gateway/backend.h"

namespace assay::gateway {

// The only door: the gRPC services of assay.v1 with authorisation, admission and validation in front, and
// grpc.health.v1 beside them. The only file here that builds concrete types. Thread-safe.
class Server {
 public:
  struct Options {
    // Path of a Unix socket for the owner of the data folder; empty: none. A stale one is replaced.
    std::string socket_path;
    // host:port, port 0 for any free one; empty: none. A host that is not loopback needs certificate, key and tokens.
    std::string listen;
    std::string certificate_file;
    std::string key_file;
    // Clients must then show a certificate of this authority.
    std::string client_ca_file;
    std::string token_file;
    size_t calls_in_flight = 256;
    size_t calls_in_flight_per_tenant = 128;
    // Threads for calls that wait: for journal and disk, and as many for those that wait for shards.
    size_t threads = 16;
  };

  // INVALID_ARGUMENT and FAILED_PRECONDITION name the option and what it needs; UNAVAILABLE: the port is taken.
  static absl::StatusOr<std::unique_ptr<Server>> Create(Options options, Backend backend);
  ~Server();

  // "host:port" as bound; empty: none.
  std::string address() const;

  // Calls in progress and refused; for metrics.
  rpc::CallGate::Stats calls() const;

  // What grpc.health.v1 answers: not serving until told otherwise, and for good once it stops. Every service of the
  // door has the same health.
  void SetServing(bool serving);

  // Health says not serving; calls in progress get `grace` to end, then are cancelled. Called once.
  void Stop(absl::Duration grace);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

// OK for a host that only this machine reaches: an address in 127/8, ::1, or "localhost".
absl::Status CheckLoopback(const std::string& host_port);

}  // namespace assay::gateway
