// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "assay/plugin.hpp"
#include "plugins/load_test/environment.h"
#include "plugins/load_test/judge.h"
#include "plugins/load_test/plans.h"

namespace assay::load_test {

// What every server is told to listen on: nobody's default, so that a server found there has looked at PORT.
inline constexpr uint32_t kPort = 3917;

// One running server of the submission. Ends it when destroyed; the platform ends whatever it forked.
class Server {
 public:
  // `started_ns`: just before it was started.
  Server(sdk::Evaluation& evaluation, assay_handle process, uint64_t started_ns)
      : evaluation_(evaluation), process_(process), started_ns_(started_ns) {}
  ~Server() { End(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  assay_handle process() const { return process_; }
  uint64_t started_ns() const { return started_ns_; }
  // Waits in short steps, reading output meanwhile, until it ended, listens (if asked for) or the time is up; gives up
  // early when the evaluation is to stop.
  sdk::ProcessState Await(uint64_t timeout_ns, bool for_listening);
  // Reads what it printed, so that a full pipe never stops it; keeps the end.
  void ReadOutput();
  // The last line it printed, preferring errors, as far as a sentence can carry it.
  std::string LastWords() const;
  bool Printed(const std::string& text) const;
  const std::string& printed_errors() const { return tails_[1]; }
  const std::string& printed_output() const { return tails_[0]; }
  Aftermath Look(uint64_t peak_before = 0);
  // Kills it and waits; returns the evidence of its run.
  sdk::Evidence End();

  uint32_t port = 0;

 private:
  sdk::Evaluation& evaluation_;
  assay_handle process_;
  const uint64_t started_ns_;
  std::string tails_[2];
  sdk::Evidence evidence_ = 0;
  bool ended_ = false;
};

// Why a start did not lead to a server.
struct StartFailure {
  std::string reason;
  std::string platform_lacks;  // what the server wants and this platform has not; empty: the submission's own fault
  sdk::Evidence evidence = 0;
  bool stopped = false;  // the evaluation is to stop; nothing was judged
};

struct ReadyPath {
  std::string path;
  int status = 0;
};

struct Started {
  std::unique_ptr<Server> server;  // null: `failure` says why
  StartFailure failure;
  std::vector<ReadyPath> answers;  // of every path that was asked
  ReadyPath ready;
  sdk::Evidence evidence = 0;  // of the readiness requests
};

// Starts a candidate and waits until it listens and answers one of `paths` below 500. `service`: what the submission's
// dependencies say it needs from outside, or empty; it explains a server that waits in silence.
Started StartServer(sdk::Evaluation& evaluation, const sdk::Workspace& workspace, const Candidate& candidate, const Environment& environment,
                    const std::vector<std::string>& paths, const Profile& profile, const std::string& service);

// Starts it and only watches: for runs that are meant to fail.
WithoutVariables WatchStart(sdk::Evaluation& evaluation, const sdk::Workspace& workspace, const Candidate& candidate,
                            const Environment& environment, const std::vector<std::string>& names, sdk::Evidence& evidence);

// What a server that fails with these words wants and this platform has not, a service or a part that only an install script
// makes; empty when nothing of the kind shows. Pure.
std::string WantedService(const std::string& words);
std::string WantedNativePart(const std::string& words);
// The service that the dependencies of this package.json are clients of, "a MongoDB"; empty: none. Pure.
std::string ServiceOfPackage(const sdk::Json& package);
// A module for node's --import that writes `files` below the working folder, as a data: URL; empty: nothing to write.
std::string WritingModule(const std::vector<ExampleFile>& files);
// How ExplainEnd begins when a file of the submission is missing; a build may have been meant to make it.
inline constexpr char kWantsFile[] = "it wants a file that is not there: ";
// Why the process ended, in words for a reader. Pure.
std::string ExplainEnd(const sdk::ProcessState& state, const std::string& errors, const std::string& last_words);

}  // namespace assay::load_test
