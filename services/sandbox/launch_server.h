// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/base/unique_fd.h"
#include "services/sandbox/cgroup.h"
#include "services/sandbox/confined_process.h"
#include "services/sandbox/frame.h"
#include "services/sandbox/launcher.h"
#include "services/sandbox/machine.h"
#include "services/sandbox/seccomp_profile.h"

namespace assay::sandbox {

inline constexpr size_t kMaxRunning = 256;

// The heart of assay-launcher: one thread, one poll loop over the client's socket and its children. It is the parent of
// everything it starts, and when it ends all of that has ended. Not thread-safe; must be the only code of its process
// that forks or waits.
class LaunchServer {
 public:
  // `client`: a SOCK_SEQPACKET socket.
  static absl::StatusOr<std::unique_ptr<LaunchServer>> Create(UniqueFd client);
  ~LaunchServer();

  // How a throw-away child of a proof ended. Its tree is gone by then.
  struct Outcome {
    absl::Status started;
    ExitInfo exit;
    GroupUsage usage;
  };
  // Runs the probes, all at once, each confined as its spec says, and returns how they ended; one that takes longer
  // than `deadline` is killed.
  struct ProbeRun {
    LaunchSpec spec;
    Probe probe;
    std::vector<int> descriptors;  // as spec.descriptors
  };
  std::vector<Outcome> RunProbes(std::vector<ProbeRun> runs, absl::Duration deadline);

  const Machine& machine() const { return machine_; }
  const CgroupTree& cgroups() const { return cgroups_; }

  absl::Status Send(const Frame& frame);
  // Serves the client until it is gone, then kills everything.
  void Serve();

 private:
  struct Child;
  struct Decision {
    Layers layers;
    std::vector<std::string> left_out;
  };

  LaunchServer(UniqueFd client, Machine machine, CgroupTree cgroups);

  absl::StatusOr<Decision> Decide(const LaunchSpec& spec) const;
  absl::Status Start(uint64_t id, const LaunchSpec& spec, const std::vector<int>& descriptors, const Probe& probe);
  absl::Status Clone(Child& child, ChildPlan& plan);
  absl::Status OpenJoined(const LaunchSpec& spec, ChildPlan& plan);
  void Step(absl::Duration wait);
  void ServeClient();
  void HandleFrame(const Frame& frame, const std::vector<UniqueFd>& descriptors);
  void ServeControl(Child& child);
  void Signal(const Frame& frame);
  void Watch(Child& child, absl::Time now);
  void KillTree(Child& child);
  void Finish(uint64_t id);
  void ReapOrphans();
  void Refuse(uint64_t id, const absl::Status& status);

  UniqueFd client_;
  UniqueFd child_signals_;
  Machine machine_;
  CgroupTree cgroups_;
  std::map<Profile, SeccompProgram> filters_;
  std::map<uint64_t, std::unique_ptr<Child>> children_;
  std::map<uint64_t, Outcome> outcomes_;  // of probes
  uint32_t next_user_;  // counted from the first of those kept for launches
};

}  // namespace assay::sandbox
