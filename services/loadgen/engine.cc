// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/engine.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"

namespace assay::loadgen {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// A sleeping thread wakes up to 0.1 ms late here; from this long before a start on, the loop polls.
constexpr int64_t kPollAhead = 120'000;
constexpr int64_t kSweepEvery = 10'000'000;
constexpr int64_t kReadEvery = 100'000'000;
// Overdue requests sent in one go before answers are looked at again, so that catching up is no burst of its own.
constexpr int kBurst = 32;
constexpr int kEvents = 256;
constexpr uint32_t kNone = UINT32_MAX;  // no slot
constexpr uint64_t kControlSlot = kNone;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int WaitFor(int epoll, epoll_event* events, int64_t timeout_ns) {
  if (timeout_ns <= 0) return epoll_wait(epoll, events, kEvents, 0);
  const timespec timeout{timeout_ns / kSecond, timeout_ns % kSecond};
  const int count = epoll_pwait2(epoll, events, kEvents, &timeout, nullptr);
  // Old kernels and strict filters lack it; whole milliseconds then, rounded down, and polling for the rest.
  if (count < 0 && (errno == ENOSYS || errno == EPERM)) {
    return epoll_wait(epoll, events, kEvents, static_cast<int>(timeout_ns / 1'000'000));
  }
  return count;
}

}  // namespace

int64_t Engine::Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const Plan& plan, Control& control, int64_t deadline_ns) {
  absl::StatusOr<Target> target = TargetOf(plan);
  if (!target.ok()) return target.status();
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return ErrnoStatus(errno, "epoll_create1");
  if (control.fd() >= 0) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = kControlSlot}};
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, control.fd(), &event) < 0) return ErrnoStatus(errno, "control descriptor");
  }
  return std::unique_ptr<Engine>(new Engine(plan, control, deadline_ns, *target, std::move(epoll)));
}

Engine::Engine(const Plan& plan, Control& control, int64_t deadline_ns, const Target& target, UniqueFd epoll)
    : plan_(plan),
      control_(control),
      deadline_ns_(deadline_ns),
      target_(target),
      epoll_(std::move(epoll)),
      buffer_(64 << 10),
      connections_(plan.limits.connections) {
  for (uint32_t slot = plan.limits.connections; slot-- > 0;) free_.push_back(slot);
}

std::string Engine::InvalidReason(const Limits& limits, const PhaseResult& result) {
  const ClassResult total = result.Total();
  if (total.dropped > 0) {
    return absl::StrCat(total.dropped, " of ", total.scheduled, " requests were not sent: all ", limits.connections,
                        " connections were busy");
  }
  const int64_t delay = total.send_delay.Quantile(0.99);
  const auto share = static_cast<int64_t>(limits.send_delay_share * static_cast<double>(total.response.Quantile(0.99)));
  const int64_t bound = std::max(absl::ToInt64Nanoseconds(limits.send_delay), share);
  if (delay <= bound) return "";
  return absl::StrCat("the engine itself was late: p99 of its send delay ", delay / 1000, " us is over ", bound / 1000, " us");
}

void Engine::Register(uint32_t slot, bool add) {
  Connection& c = connections_[slot];
  const bool slow = c.request != nullptr && c.request->read_bytes_per_second > 0;
  epoll_event event{};
  event.events = (slow ? 0u : EPOLLIN) | (c.wants_write ? EPOLLOUT : 0u);
  event.data.u64 = slot | (uint64_t{c.generation} << 32);
  epoll_ctl(epoll_.get(), add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c.fd.get(), &event);
}

void Engine::CloseConnection(uint32_t slot) {
  connections_[slot].Close();
  free_.push_back(slot);
  --open_;
}

uint32_t Engine::OpenConnection(bool slow_reader) {
  const uint32_t slot = free_.back();
  Connection& c = connections_[slot];
  if (!c.Open(target_, slow_reader)) return kNone;
  free_.pop_back();
  ++result_->connections_opened;
  result_->connections_peak = std::max(result_->connections_peak, ++open_);
  c.wants_write = true;
  return slot;
}

void Engine::Preconnect() {
  const uint32_t wanted = std::min<uint32_t>(phase_->connections, plan_.limits.connections);
  for (uint32_t i = 0; phase_->keep_alive && i < wanted; ++i) {
    const uint32_t slot = OpenConnection(false);
    if (slot == kNone) return;
    Register(slot, true);
  }
  const int64_t until = Now() + kSecond;
  const auto connecting = [this] {
    return std::any_of(connections_.begin(), connections_.end(),
                       [](const Connection& c) { return c.state == Connection::State::kConnecting; });
  };
  epoll_event events[kEvents];
  while (connecting() && Now() < until) {
    const int count = WaitFor(epoll_.get(), events, 10'000'000);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kControlSlot) {
        ReceiveControl();
      } else {
        OnConnecting(static_cast<uint32_t>(events[i].data.u64), events[i].events);
      }
    }
  }
}

void Engine::Begin(const Request& request, PhaseResult& result, RunResult& run) {
  phase_ = request.phase;
  run_ = &run;
  result_ = &result;
  result.name = phase_->name;
  result.record = phase_->record;
  result.rate_asked = request.rate;
  result.seconds = absl::ToDoubleSeconds(request.duration);
  actions_ = request.actions;
  std::stable_sort(actions_.begin(), actions_.end(),
                   [this](uint32_t a, uint32_t b) { return plan_.actions[a].at < plan_.actions[b].at; });
  std::vector<ActionResult*> outcomes;
  for (uint32_t index : actions_) outcomes.push_back(&run.actions[index]);
  account_ = std::make_unique<Account>(plan_, *phase_, result, std::move(outcomes), run.samples);
  account_->set_late_limit(request.late_limit_ns);
  schedule_ = BuildSchedule(*phase_, request.rate, request.duration);
  for (const Arrival& arrival : schedule_) account_->Scheduled(arrival.request_class);
  next_arrival_ = next_action_ = 0;
  busy_ = 0;
  hopeless_ = false;
  idle_.clear();
  paced_ = {};
}

PhaseResult Engine::Run(const Request& request, RunResult& run) {
  PhaseResult result;
  Begin(request, result, run);
  const double cpu = CpuSeconds();
  Preconnect();
  begin_ns_ = Now() + 1'000'000;
  next_sweep_ns_ = kSweepEvery;
  Loop();
  const bool cut = OverTime();
  Abandon();
  result.cpu_seconds = CpuSeconds() - cpu;
  result.stopped_early = hopeless_;
  result.rate_sent = static_cast<double>(result.Total().sent) / result.seconds;
  if (cut) {
    result.state = PhaseResult::State::kCut;
    result.reason = "the plan's wall time was over";
  } else if (result.reason = InvalidReason(plan_.limits, result); !result.reason.empty()) {
    result.state = PhaseResult::State::kInvalid;
  }
  return result;
}

void Engine::Loop() {
  epoll_event events[kEvents];
  while ((next_arrival_ < schedule_.size() || busy_ > 0 || next_action_ < actions_.size()) && !hopeless_ && !OverTime()) {
    const int64_t now = SinceBegin();
    // Whatever needs no precision may be up to a poll-ahead late.
    int64_t wake = next_sweep_ns_;
    if (next_action_ < actions_.size()) {
      wake = std::min(wake, absl::ToInt64Nanoseconds(plan_.actions[actions_[next_action_]].at));
    }
    if (!paced_.empty()) wake = std::min(wake, paced_.top().at_ns);
    if (next_arrival_ < schedule_.size()) wake = std::min(wake, schedule_[next_arrival_].at_ns - kPollAhead);
    const int count = WaitFor(epoll_.get(), events, wake - now);
    for (int i = 0; i < count; ++i) {
      const auto slot = static_cast<uint32_t>(events[i].data.u64);
      if (events[i].data.u64 == kControlSlot) {
        ReceiveControl();
        continue;
      }
      Connection& c = connections_[slot];
      if (c.state == Connection::State::kClosed || c.generation != events[i].data.u64 >> 32) continue;
      if (c.state == Connection::State::kConnecting) {
        OnConnecting(slot, events[i].events);
        continue;
      }
      if (c.state == Connection::State::kBusy && c.wants_write && (events[i].events & EPOLLOUT) != 0) Push(slot);
      if (c.state != Connection::State::kClosed && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) OnReadable(slot);
    }
    SendDue();
    ActDue();
    PaceDue();
    if (SinceBegin() >= next_sweep_ns_) Sweep();
  }
}

void Engine::SendDue() {
  for (int sent = 0; sent < kBurst && next_arrival_ < schedule_.size(); ++sent) {
    const Arrival& arrival = schedule_[next_arrival_];
    if (arrival.at_ns > SinceBegin()) return;
    ++next_arrival_;
    StartOne(arrival);
  }
}

uint32_t Engine::TakeIdle() {
  while (!idle_.empty()) {
    const uint32_t slot = idle_.back();
    idle_.pop_back();
    if (connections_[slot].state == Connection::State::kIdle) return slot;
  }
  return kNone;
}

void Engine::StartOne(const Arrival& arrival) {
  const RequestClass& request_class = plan_.classes[arrival.request_class];
  Sent sent;
  sent.request_class = arrival.request_class;
  sent.intended_ns = arrival.at_ns;
  sent.upload_end_ns = arrival.at_ns + absl::ToInt64Nanoseconds(request_class.upload);
  sent.taken_ns = SinceBegin();
  const bool keep = phase_->keep_alive && request_class.keep_alive && request_class.read_bytes_per_second == 0;
  uint32_t slot = keep ? TakeIdle() : kNone;
  if (slot == kNone && free_.empty()) return account_->Dropped(sent);
  account_->TakenUp(sent);
  if (slot == kNone) slot = OpenConnection(request_class.read_bytes_per_second > 0);
  if (slot == kNone) {
    account_->Finished(sent, Outcome::kConnectError, ResponseParser(), SinceBegin());
    return;
  }
  Connection& c = connections_[slot];
  ResponseParser::Bounds bounds{plan_.limits.header_bytes, plan_.limits.body_bytes, account_->WantedSample()};
  c.Carry(request_class, keep, sent,
          arrival.at_ns + absl::ToInt64Nanoseconds(request_class.timeout), bounds);
  ++busy_;
  if (c.state == Connection::State::kConnecting) {
    Register(slot, true);
    return;
  }
  c.state = Connection::State::kBusy;
  Push(slot);
}

void Engine::OnConnecting(uint32_t slot, uint32_t events) {
  Connection& c = connections_[slot];
  if (c.state != Connection::State::kConnecting || (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
  const bool carries = c.request != nullptr;
  if (!c.FinishConnecting()) {
    if (carries) {
      Finish(slot, Outcome::kConnectError);
    } else {
      CloseConnection(slot);
    }
    return;
  }
  c.wants_write = false;
  if (!carries) {
    c.state = Connection::State::kIdle;
    Register(slot, false);
    idle_.push_back(slot);
    return;
  }
  c.state = Connection::State::kBusy;
  Register(slot, false);
  if (c.request->read_bytes_per_second > 0) paced_.push({SinceBegin() + kReadEvery, slot, c.generation});
  Push(slot);
}

void Engine::Push(uint32_t slot) {
  Connection& c = connections_[slot];
  const Connection::Io io = c.Send(SinceBegin());
  const bool blocked = io == Connection::Io::kBlocked;
  if (io == Connection::Io::kProgress) paced_.push({c.next_piece(), slot, c.generation});
  // A write that fails may still leave an answer to read: reading decides. A slow reader is not waited for.
  if (io == Connection::Io::kBroken) return OnReadable(slot);
  if (blocked != c.wants_write) {
    c.wants_write = blocked;
    Register(slot, false);
  }
}

void Engine::OnReadable(uint32_t slot) {
  Connection& c = connections_[slot];
  if (c.state == Connection::State::kIdle) return CloseConnection(slot);
  if (c.state != Connection::State::kBusy) return;
  size_t capacity = buffer_.size();
  if (c.request->read_bytes_per_second > 0) {
    capacity = std::clamp<size_t>(c.request->read_bytes_per_second / 10, 1, capacity);
  }
  switch (c.Receive(buffer_.data(), capacity)) {
    case Connection::Io::kProgress:
    case Connection::Io::kBlocked:
      return;
    case Connection::Io::kBroken:
      return Finish(slot, c.broken_by_reset() || c.parser.started() ? Outcome::kReset : Outcome::kUnanswered);
    case Connection::Io::kComplete:
      break;
  }
  if (c.parser.state() == ResponseParser::State::kMalformed) return Finish(slot, Outcome::kMalformed);
  Finish(slot, c.request->Expects(c.parser.status()) ? Outcome::kOk : Outcome::kUnexpectedStatus);
}

void Engine::Finish(uint32_t slot, Outcome outcome) {
  Connection& c = connections_[slot];
  account_->Finished(c.sent, outcome, c.parser, SinceBegin());
  --busy_;
  const bool answered = outcome == Outcome::kOk || outcome == Outcome::kUnexpectedStatus;
  if (!answered || !c.Reusable()) return CloseConnection(slot);
  c.BecomeIdle();
  idle_.push_back(slot);
  // Answered while the last piece still waited for room: the connection is clean, the wish to write is not.
  if (c.wants_write) {
    c.wants_write = false;
    Register(slot, false);
  }
}

void Engine::ActDue() {
  while (next_action_ < actions_.size()) {
    const uint32_t index = actions_[next_action_];
    const Action& action = plan_.actions[index];
    const int64_t now = SinceBegin();
    if (absl::ToInt64Nanoseconds(action.at) > now) return;
    ++next_action_;
    ActionResult& outcome = run_->actions[index];
    outcome.asked = true;
    outcome.asked_ns = now;
    if (!control_.AskForSignal(action.signal, action.to_listener, index)) {
      outcome.error = "nobody takes actions: descriptor 3 is not open";
    }
  }
}

void Engine::ReceiveControl() {
  const int fd = control_.fd();
  const bool alive = control_.Receive([this](uint32_t id, const std::string& error) {
    if (run_ == nullptr || id >= run_->actions.size() || !run_->actions[id].asked) return;
    run_->actions[id].done_ns = SinceBegin();
    run_->actions[id].error = error.substr(0, 256);
  });
  if (!alive) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Engine::PaceDue() {
  for (int64_t now = SinceBegin(); !paced_.empty() && paced_.top().at_ns <= now;) {
    const Paced due = paced_.top();
    paced_.pop();
    Connection& c = connections_[due.slot];
    if (c.generation != due.generation || c.state != Connection::State::kBusy) continue;
    if (!c.sent.entirely_sent && !c.wants_write) Push(due.slot);
    if (c.state == Connection::State::kBusy && c.generation == due.generation && c.request->read_bytes_per_second > 0) {
      OnReadable(due.slot);
      if (c.state == Connection::State::kBusy && c.generation == due.generation) {
        paced_.push({now + kReadEvery, due.slot, due.generation});
      }
    }
  }
}

void Engine::Sweep() {
  const int64_t now = SinceBegin();
  next_sweep_ns_ = now + kSweepEvery;
  uint64_t late = account_->late();
  for (uint32_t slot = 0; slot < connections_.size() && busy_ > 0; ++slot) {
    Connection& c = connections_[slot];
    if (c.request == nullptr || c.state == Connection::State::kClosed) continue;
    if (now > c.deadline_ns) {
      Finish(slot, Outcome::kTimeout);
    } else if (account_->late_limit() > 0 && now - c.sent.intended_ns > account_->late_limit()) {
      ++late;
    }
  }
  // More than one in a hundred late settles a p99 whatever the rest does.
  hopeless_ = account_->late_limit() > 0 && late > 2 + schedule_.size() / 100;
}

void Engine::Abandon() {
  for (uint32_t slot = 0; slot < connections_.size(); ++slot) {
    Connection& c = connections_[slot];
    if (c.state == Connection::State::kClosed) continue;
    if (c.request != nullptr) {
      Finish(slot, Outcome::kUnanswered);
      if (c.state == Connection::State::kClosed) continue;
    }
    CloseConnection(slot);
  }
  // An acknowledgement that is on its way belongs to this phase.
  const int64_t until = std::min(Now() + kSecond, deadline_ns_);
  const auto awaited = [this] {
    return std::any_of(actions_.begin(), actions_.end(), [this](uint32_t index) {
      const ActionResult& a = run_->actions[index];
      return a.asked && a.done_ns < 0 && a.error.empty();
    });
  };
  epoll_event events[kEvents];
  while (control_.fd() >= 0 && awaited() && Now() < until) {
    if (WaitFor(epoll_.get(), events, 10'000'000) > 0) ReceiveControl();
  }
}

}  // namespace assay::loadgen
