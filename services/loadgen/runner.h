// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/sandbox/launcher.h"

namespace assay::loadgen {

// What a run asks of its caller. Every member may be empty; all are called on the thread that called RunPlan.
struct ActionSink {
  // The process, by its id inside the target's namespace, that listens on the plan's port; 0 is the main process.
  // Asked anew for each action addressed to the listener.
  std::function<int()> listener;
  // Told after each action: the signal's number, whom it went to, and how that ended.
  std::function<void(int signal, bool to_listener, const absl::Status& status)> acted;
  // Told when a phase begins: its name, its place from 0, and how many there are.
  std::function<void(absl::string_view phase, uint64_t index, uint64_t count)> phase_began;
  // Asked at least every 100 ms; true ends the run, which then returns CANCELLED.
  std::function<bool()> should_stop;
};

// Runs a load plan (README.md of this folder) against `target` and returns the result document: starts assay-loadgen,
// which lies beside this executable unless `engine` names it, in the target's network namespace, feeds it the plan and carries out the plan's actions
// with Process::Signal. Blocks until the plan is done, at most for the plan's own wall time and ten seconds more.
//
// INVALID_ARGUMENT: the plan is refused; the message names the field. DEADLINE_EXCEEDED: the engine overran its time and
// was ended. RESOURCE_EXHAUSTED: the result was over 4 MiB. INTERNAL: the engine ended without a result. Errors of
// `launcher` are passed on. The target may end while the plan runs: the result then says what became of the requests.
absl::StatusOr<std::string> RunPlan(sandbox::Launcher& launcher, sandbox::Process& target, absl::string_view plan_json,
                                    const ActionSink& sink, const std::string& engine = "");

}  // namespace assay::loadgen
