// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/config/v1/standalone.pb.h"
#include "services/sandbox/launcher.h"

namespace assay::standalone {

// Everything in one process on one data folder: gateway, aggregator and evaluator over the embedded log. The only file
// here that builds concrete types. Thread-safe.
class Server {
 public:
  // Opens the folder, replays what is not applied yet, and serves. `launcher` runs whatever is not trusted; null for a
  // server that is read-only. Errors name the option, folder or port and what to do about it.
  //
  // What met the end of the disk writes again only after it was opened again. Once there is room for that, the server
  // calls `start_again` from a thread of its own, once: stop it and make another.
  static absl::StatusOr<std::unique_ptr<Server>> Create(const config::v1::Standalone& config,
                                                        std::unique_ptr<sandbox::Launcher> launcher,
                                                        std::function<void()> start_again);
  // Calls Stop() with no grace.
  ~Server();

  // Where it serves, as one JSON line: {"socket":…,"grpc":…,"http":…}; what is off is "".
  std::string Addresses() const;

  // No new calls, then no new work, then nothing at all: calls and evaluations that run get `grace` to end. What is
  // unfinished goes on at the next start. Called once.
  void Stop(absl::Duration grace);

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace assay::standalone
