// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/runner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"
#include "services/loadgen/plan.h"

namespace assay::loadgen {
namespace {

constexpr size_t kMaxResultBytes = 4 << 20;
constexpr size_t kMaxErrorBytes = 64 << 10;
constexpr size_t kMaxControlBytes = 64 << 10;
constexpr absl::Duration kGrace = absl::Seconds(10);
constexpr int kPollMilliseconds = 50;

// The engine's four descriptors, ours and its ends.
struct Channels {
  UniqueFd plan;
  UniqueFd output, output_end;
  UniqueFd errors, errors_end;
  UniqueFd control, control_end;
};

absl::Status MakePipe(UniqueFd& ours, UniqueFd& theirs) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return ErrnoStatus(errno, "pipe for the load engine");
  ours.reset(ends[0]);
  theirs.reset(ends[1]);
  return absl::OkStatus();
}

absl::StatusOr<Channels> MakeChannels(absl::string_view plan) {
  Channels channels;
  channels.plan.reset(memfd_create("load-plan", MFD_CLOEXEC));
  if (!channels.plan.is_open()) return ErrnoStatus(errno, "memory for the load plan");
  for (size_t written = 0; written < plan.size();) {
    const ssize_t got = write(channels.plan.get(), plan.data() + written, plan.size() - written);
    if (got < 0) return ErrnoStatus(errno, "memory for the load plan");
    written += static_cast<size_t>(got);
  }
  if (lseek(channels.plan.get(), 0, SEEK_SET) < 0) return ErrnoStatus(errno, "memory for the load plan");
  ASSAY_RETURN_IF_ERROR(MakePipe(channels.output, channels.output_end));
  ASSAY_RETURN_IF_ERROR(MakePipe(channels.errors, channels.errors_end));
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return ErrnoStatus(errno, "control channel");
  channels.control.reset(ends[0]);
  channels.control_end.reset(ends[1]);
  return channels;
}

absl::StatusOr<std::unique_ptr<sandbox::Process>> StartEngine(sandbox::Launcher& launcher, const sandbox::Process& target,
                                                              const Channels& channels, absl::Duration wall,
                                                              const std::string& path) {
  sandbox::LaunchSpec spec;
  spec.argv = {path};
  spec.descriptors = {{channels.plan.get(), 0},
                      {channels.output_end.get(), 1},
                      {channels.errors_end.get(), 2},
                      {channels.control_end.get(), 3}};
  spec.limits.memory_bytes = uint64_t{512} << 20;
  spec.limits.wall = wall + kGrace;
  spec.isolation.best_effort = true;
  spec.isolation.profile = sandbox::Profile::kLoadEngine;
  spec.join_process = target.id();
  // The target may end while requests are under way; what becomes of them is what the plan asks.
  spec.join_network_only = true;
  return launcher.Launch(spec);
}

// Carries lines between the engine and the target, and gathers what the engine prints.
class Run {
 public:
  Run(sandbox::Process& target, const Plan& plan, const ActionSink& sink, Channels channels)
      : target_(target), plan_(plan), sink_(sink), channels_(std::move(channels)) {
    channels_.output_end.reset();
    channels_.errors_end.reset();
    channels_.control_end.reset();
  }

  // Until the engine closes its output.
  absl::Status Pump(absl::Time deadline) {
    while (channels_.output.is_open() || channels_.errors.is_open()) {
      if (sink_.should_stop && sink_.should_stop()) return absl::CancelledError("the load run was stopped");
      if (absl::Now() > deadline) return absl::DeadlineExceededError("the load engine overran its time");
      pollfd waits[3] = {{channels_.output.get(), POLLIN, 0}, {channels_.errors.get(), POLLIN, 0},
                         {channels_.control.get(), POLLIN, 0}};
      if (poll(waits, 3, kPollMilliseconds) < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
      if (waits[0].revents != 0 && !Drain(channels_.output, output_, kMaxResultBytes)) {
        return absl::ResourceExhaustedError("the load engine's result is over 4 MiB");
      }
      if (waits[1].revents != 0) Drain(channels_.errors, errors_, kMaxErrorBytes);
      if (waits[2].revents != 0) ReadControl();
    }
    return absl::OkStatus();
  }

  std::string TakeOutput() { return std::move(output_); }
  const std::string& errors() const { return errors_; }

 private:
  // False when `text` would exceed `limit`; what is over it is dropped.
  static bool Drain(UniqueFd& fd, std::string& text, size_t limit) {
    char buffer[65536];
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (got <= 0) {
      fd.reset();
      return true;
    }
    if (text.size() + static_cast<size_t>(got) > limit) return false;
    text.append(buffer, static_cast<size_t>(got));
    return true;
  }

  void ReadControl() {
    char buffer[4096];
    const ssize_t got = recv(channels_.control.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    // The engine runs beside hostile code: a flood of half lines ends the channel, not the run.
    if (got <= 0 || pending_.size() > kMaxControlBytes) return channels_.control.reset();
    pending_.append(buffer, static_cast<size_t>(got));
    for (size_t end; (end = pending_.find('\n')) != std::string::npos; pending_.erase(0, end + 1)) {
      const std::vector<std::string> words = absl::StrSplit(absl::string_view(pending_).substr(0, end), ' ');
      uint32_t index = 0;
      if (words.size() == 2 && words[0] == "phase" && absl::SimpleAtoi(words[1], &index) && index < plan_.phases.size()) {
        if (sink_.phase_began) sink_.phase_began(plan_.phases[index].name, index, plan_.phases.size());
      } else if (words.size() == 4 && words[0] == "signal" && absl::SimpleAtoi(words[3], &index)) {
        Act(index);
      }
    }
  }

  // Only the plan's own actions, each once, whatever the line says.
  void Act(uint32_t index) {
    if (index >= plan_.actions.size() || !acted_.insert(index).second) return;
    const Action& action = plan_.actions[index];
    const int inner = action.to_listener && sink_.listener ? sink_.listener() : 0;
    const absl::Status status = target_.Signal(action.signal, inner);
    std::string line = absl::StrCat("done ", index, "\n");
    if (!status.ok()) line = absl::StrCat("failed ", index, " ", OneLine(status.message()), "\n");
    // The engine may be gone; then nobody needs the answer.
    if (send(channels_.control.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) channels_.control.reset();
    if (sink_.acted) sink_.acted(action.signal, action.to_listener, status);
  }

  static std::string OneLine(absl::string_view text) {
    std::string line(text.substr(0, 200));
    for (char& c : line) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    return line;
  }

  sandbox::Process& target_;
  const Plan& plan_;
  const ActionSink& sink_;
  Channels channels_;
  std::string output_, errors_, pending_;
  std::set<uint32_t> acted_;
};

}  // namespace

absl::StatusOr<std::string> RunPlan(sandbox::Launcher& launcher, sandbox::Process& target, absl::string_view plan_json,
                                    const ActionSink& sink, const std::string& engine_path) {
  // Checked here too: the sink's numbers come from this reading, and a bad plan costs no process.
  ASSAY_ASSIGN_OR_RETURN(const Plan plan, ParsePlan(plan_json));
  const absl::Time deadline = absl::Now() + plan.limits.wall + kGrace;
  std::string path = engine_path;
  if (path.empty()) {
    ASSAY_ASSIGN_OR_RETURN(const std::string folder, ExecutableDirectory());
    path = folder + "/assay-loadgen";
  }
  ASSAY_ASSIGN_OR_RETURN(Channels channels, MakeChannels(plan_json));
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<sandbox::Process> engine,
                         StartEngine(launcher, target, channels, plan.limits.wall, path));
  Run run(target, plan, sink, std::move(channels));
  ASSAY_RETURN_IF_ERROR(run.Pump(deadline));
  ASSAY_ASSIGN_OR_RETURN(const sandbox::ExitInfo exit, engine->Wait(kGrace));
  std::string result = run.TakeOutput();
  if (!exit.signalled && exit.code == 0 && !result.empty()) return result;
  return absl::InternalError(absl::StrCat("the load engine ended with ", exit.signalled ? "signal " : "code ", exit.code,
                                          ": ", absl::StripAsciiWhitespace(run.errors())));
}

}  // namespace assay::loadgen
