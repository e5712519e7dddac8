// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <queue>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/unique_fd.h"
#include "services/loadgen/account.h"
#include "services/loadgen/connection.h"
#include "services/loadgen/control.h"
#include "services/loadgen/plan.h"
#include "services/loadgen/result.h"
#include "services/loadgen/schedule.h"

namespace assay::loadgen {

// Sends phases of load to one target with one thread. Open loop: when each request starts is settled before the first
// is sent, latency runs from that instant, and a request that finds no free connection opens another, up to the plan's
// bound; beyond it the request counts as dropped, and nothing ever waits for an answer. To be on time without burning
// a core, it sleeps until shortly before the next start and polls from there.
class Engine {
 public:
  // `plan` and `control` must outlive it. `deadline_ns` on CLOCK_MONOTONIC ends everything.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const Plan& plan, Control& control, int64_t deadline_ns);

  // What one phase is to do beyond what the plan says of it.
  struct Request {
    const Phase* phase = nullptr;
    double rate = 0;
    absl::Duration duration;
    // Above 0: a probe of a search, which ends as soon as more than 1 % are slower than this or failed.
    int64_t late_limit_ns = 0;
    std::vector<uint32_t> actions;  // indexes into Plan::actions
  };
  // Runs a phase to its end: until every request was answered or given up. Appends samples and the fate of actions to
  // `run` (whose actions must have the plan's size).
  PhaseResult Run(const Request& request, RunResult& run);

  // Why a result says nothing about the target, or "".
  static std::string InvalidReason(const Limits& limits, const PhaseResult& result);

  static int64_t Now();

 private:
  struct Paced {
    int64_t at_ns;
    uint32_t slot;
    uint32_t generation;
    bool operator>(const Paced& other) const { return at_ns > other.at_ns; }
  };

  Engine(const Plan& plan, Control& control, int64_t deadline_ns, const Target& target, UniqueFd epoll);

  // Of one phase.
  void Begin(const Request& request, PhaseResult& result, RunResult& run);
  void Preconnect();
  void Loop();
  void SendDue();
  void StartOne(const Arrival& arrival);
  void ActDue();
  void PaceDue();
  void Sweep();
  void OnConnecting(uint32_t slot, uint32_t events);
  void OnReadable(uint32_t slot);
  void Push(uint32_t slot);
  void Finish(uint32_t slot, Outcome outcome);
  void Abandon();
  uint32_t TakeIdle();
  uint32_t OpenConnection(bool slow_reader);
  void CloseConnection(uint32_t slot);
  void Register(uint32_t slot, bool add);
  int64_t SinceBegin() const { return Now() - begin_ns_; }
  bool OverTime() const { return Now() > deadline_ns_; }
  void ReceiveControl();

  const Plan& plan_;
  Control& control_;
  const int64_t deadline_ns_;
  const Target target_;
  UniqueFd epoll_;
  std::vector<char> buffer_;
  std::vector<Connection> connections_;
  std::vector<uint32_t> free_;

  // State of the phase that runs.
  const Phase* phase_ = nullptr;
  RunResult* run_ = nullptr;
  PhaseResult* result_ = nullptr;
  std::unique_ptr<Account> account_;
  std::vector<Arrival> schedule_;
  std::vector<uint32_t> actions_;  // in order of time
  std::vector<uint32_t> idle_;     // may hold slots that are idle no more; they are skipped
  std::priority_queue<Paced, std::vector<Paced>, std::greater<>> paced_;
  size_t next_arrival_ = 0;
  size_t next_action_ = 0;
  uint64_t busy_ = 0;
  uint64_t open_ = 0;
  int64_t begin_ns_ = 0;
  int64_t next_sweep_ns_ = 0;
  bool hopeless_ = false;  // a probe that can no longer pass
};

}  // namespace assay::loadgen
