// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace google::protobuf {
class Message;
}

namespace assay::runtime {

// The parts of a server, running.
class RunningService {
 public:
  virtual ~RunningService() = default;
  // Where it is reached, as one line of JSON.
  virtual std::string Addresses() const = 0;
  // Takes nothing new, lets what runs end for `grace`, then ends it. Called once.
  virtual void Stop(absl::Duration grace) = 0;
};

// Stops the program in order although nobody asked for it, because only a new process can go on; whoever supervises it
// starts it again. The first reason counts. Thread-safe; valid for the life of the process.
using GiveUp = std::function<void(const absl::Status& why)>;

struct ServerProgram {
  // "assay-evaluator".
  std::string name;
  // One line of --help.
  std::string description;
  // What may run on after SIGTERM. A second SIGTERM does not wait.
  absl::Duration grace = absl::Seconds(10);
  // Holds the defaults; the file and the overrides are filled in.
  google::protobuf::Message& configuration;
  // Called with the signals blocked and before any thread of ours but one that ends the process on SIGTERM meanwhile:
  // what forks comes first in it.
  std::function<absl::StatusOr<std::unique_ptr<RunningService>>(GiveUp give_up)> start;
};

// The `main` of a server: --config, --set, start, say where on standard error (and on --ready_fd), wait for SIGTERM,
// stop. Returns the exit code: 0 stopped as asked, 2 wrong usage, 3 bad configuration, 4 cannot go on as things are, 70
// our own fault.
int RunServerProgram(const ServerProgram& program, int argc, char** argv);

}  // namespace assay::runtime
