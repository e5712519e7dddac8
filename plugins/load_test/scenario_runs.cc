// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plugins/load_test/scenarios.h"

namespace assay::load_test {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// Seconds the quick profile may take, and what follows its steps needs of them on a busy machine.
constexpr double kQuickMost = 45;
constexpr double kQuickRest = 12;
// What the full profile needs for steps once more and all that follows.
constexpr double kFullSteps = 190;

// The same server as its author starts it.
Candidate ByNpm(Candidate candidate) {
  candidate.arguments = candidate.npm;
  candidate.by_npm = true;
  candidate.files.clear();
  return candidate;
}

}  // namespace

void Scenarios::BadInput(Report& report) {
  evaluation_.Progress("bad input", 1, kSteps);
  Server* server = Serve(false);
  if (server == nullptr) return report.NotObservedYet("run.survives_bad_input", "the server did not start again");
  sdk::Evidence evidence = 0;
  std::string why;
  const auto plan = BadInputPlan(server->port, facts_, ready_.path, profile_);
  const auto result = Load(*server, plan.plan, evidence, why);
  if (!result) {
    report.NotObservedYet("run.survives_bad_input", why);
    return report.NotObservedYet("run.error_answers", why);
  }
  const PhaseReport* after = result->Phase("after");
  const Aftermath aftermath = server->Look();
  const sdk::Evidence run = aftermath.alive ? 0 : server->End();
  const double lived = static_cast<double>(evaluation_.now_ns() - server->started_ns()) / 1e9;
  const std::string lacks = Lacking(*server, aftermath.alive);
  if (!aftermath.alive && EndsByItself(report, lived)) return;
  const Judgement judgement = JudgeBadInput(*result, aftermath, after == nullptr ? 0 : after->total.main_status());
  report.Add(CoveringRoutes(WithoutBlame(judgement, lacks), plan.routes, plan.all_routes), {evidence, run});
}

void Scenarios::Bodies(Report& report) {
  evaluation_.Progress("large bodies", 2, kSteps);
  Server* server = Serve(false);
  if (server == nullptr) return report.NotObservedYet("run.body_limits", "the server did not start again");
  const uint64_t peak = server->Look().peak_bytes;
  const BodyPath path = body_.path.empty() ? BodyPath{"POST", "/assay-no-such-path"} : body_;
  sdk::Evidence evidence = 0;
  std::string why;
  const auto result = Load(*server, BodiesPlan(server->port, path, steady_.front().path), evidence, why);
  if (!result) return report.NotObservedYet("run.body_limits", why);
  const Aftermath aftermath = server->Look(peak);
  const sdk::Evidence run = aftermath.alive ? 0 : server->End();
  report.Add(JudgeBodies(*result, aftermath, !body_.path.empty()), {evidence, run});
}

void Scenarios::Steps(Report& report) {
  evaluation_.Progress("capacity and steps of load", 3, kSteps);
  std::optional<Judgement> best;
  std::vector<sdk::Evidence> shown;
  std::vector<double> loaded_ms;
  const int most = profile_.quick ? 2 : 3;
  for (int attempt = 0; attempt < most; ++attempt) {
    const uint64_t begin = evaluation_.now_ns();
    // What earlier scenarios left behind is not this one's load.
    Server* server = Serve(true);
    if (server == nullptr) {
      report.NotObservedYet("run.latency_under_load", "the server did not start again");
      break;
    }
    sdk::Evidence evidence = 0;
    std::string why;
    const auto result = Load(*server, StepsPlan(server->port, steady_, profile_), evidence, why);
    if (!result) {
      report.NotObservedYet("run.latency_under_load", why);
      break;
    }
    // The lower of two: what is asked of the server afterwards must be easy for it.
    if (!result->capacity.empty())
      capacity_ = attempt == 0 ? result->capacity.back().rate : std::min(capacity_, result->capacity.back().rate);
    if (const PhaseReport* loaded = result->Phase("0.8C"); loaded != nullptr && loaded->total.measured)
      loaded_ms.push_back(loaded->total.p99_ms);
    const Aftermath aftermath = server->Look();
    Judgement judgement = WithoutBlame(JudgeSteps(*result, aftermath), Lacking(*server, aftermath.alive));
    // A busy machine spoils single runs, and never makes one better than it is: the best of them counts.
    if (best.has_value() && ValueOfSteps(judgement) == 0 && ValueOfSteps(*best) == 0)
      judgement = SeenTwice(std::move(judgement));
    if (!best.has_value() || ValueOfSteps(judgement) >= ValueOfSteps(*best)) {
      best = std::move(judgement);
      shown = {evidence};
    }
    const double spent = static_cast<double>(evaluation_.now_ns() - began_) / 1e9;
    const double took = static_cast<double>(evaluation_.now_ns() - begin) / 1e9;
    const bool time_left = profile_.quick ? spent + took + kQuickRest < kQuickMost : TimeFor(kFullSteps);
    if (ValueOfSteps(*best) >= 1 || MustStop() || !time_left) break;
  }
  if (best.has_value()) report.Add(AmongRuns(SettledBySteps(*std::move(best)), loaded_ms), shown);
}

void Scenarios::DrainOnSignal(Report& report) {
  evaluation_.Progress("SIGTERM under load", 4, kSteps);
  Server* server = Serve(true);
  if (server == nullptr) return report.NotObservedYet("run.drains_on_sigterm", "the server did not start again");
  const Drain drain = DrainPlan(server->port, steady_.front(), body_, readiness_, capacity_, true, profile_);
  const uint64_t began = evaluation_.now_ns();
  sdk::Evidence evidence = 0;
  std::string why;
  const auto result = Load(*server, drain.plan, evidence, why);
  if (!result) return report.NotObservedYet("run.drains_on_sigterm", why);
  const Aftermath aftermath = AwaitEnd(*server, *result, began);
  if (MustStop()) return;
  const sdk::Evidence run = server->End();
  report.Add(JudgeDrain(*result, aftermath, drain.under_way), {evidence, run});
}

Aftermath Scenarios::AwaitEnd(Server& server, const LoadReport& result, uint64_t began) {
  const sdk::ProcessState state = server.Await((profile_.quick ? 6 : 15) * kSecond, false);
  Aftermath aftermath;
  aftermath.alive = !state.ended;
  aftermath.exit_code = state.exit_code;
  aftermath.term_signal = state.term_signal;
  if (!state.ended) return aftermath;
  const ActionReport* action = result.actions.empty() ? nullptr : &result.actions[0];
  const ExitTime exit = action == nullptr ? ExitTime{0, true}
                                          : TimeToExit(server.started_ns(), state.wall_ns, began,
                                                       action->asked_at_seconds, action->last_served_seconds);
  aftermath.exit_seconds = exit.seconds;
  aftermath.exit_at_least = exit.at_least;
  return aftermath;
}

void Scenarios::SignalStartCommand(Report& report) {
  if (!candidate_.npm.empty() && !profile_.quick) return SignalThroughNpm(report);
  if (!candidate_.npm.empty()) {
    Judgement judgement;
    judgement.notes.push_back(
        {"run.drains_on_sigterm", SignalReadFromScript(CommandLine(ByNpm(candidate_)), candidate_.script)});
    return report.Add(judgement, {});
  }
  // Node itself is the start command, and in the quick profile what it does is known from the run before.
  if (profile_.quick) return;
  evaluation_.Progress("SIGTERM to the start command", 5, kSteps);
  Server* server = Serve(true);
  if (server == nullptr || !evaluation_.Signal(server->process(), 15, false).ok()) return;
  const uint64_t begin = evaluation_.now_ns();
  const sdk::ProcessState state = server->Await(5 * kSecond, false);
  if (MustStop()) return;
  const double seconds = static_cast<double>(evaluation_.now_ns() - begin) / 1e9;
  const sdk::Evidence run = server->End();
  report.Add(JudgeStartCommandSignal(state.ended, seconds, state.port != 0, CommandLine(candidate_)), {run});
}

void Scenarios::SignalThroughNpm(Report& report) {
  evaluation_.Progress("SIGTERM to npm", 5, kSteps);
  const Candidate by_npm = ByNpm(candidate_);
  const std::string command = CommandLine(by_npm);
  Judgement not_seen;
  server_.reset();
  Started started = StartServer(evaluation_, workspace_, by_npm, environment_, ready_paths_, profile_, service_);
  if (MustStop()) return;
  if (started.server == nullptr) {
    const std::string why =
        started.failure.platform_lacks.empty() ? started.failure.reason : started.failure.platform_lacks;
    not_seen.notes.push_back(
        {"run.drains_on_sigterm",
         "what SIGTERM to \"" + command + "\" does was not seen: it did not start here (" + why + ")"});
    return report.Add(not_seen, {});
  }
  const Drain drain = DrainPlan(started.server->port, steady_.front(), body_, readiness_, capacity_, false, profile_);
  const uint64_t began = evaluation_.now_ns();
  sdk::Evidence evidence = 0;
  std::string why;
  const auto result = Load(*started.server, drain.plan, evidence, why);
  if (!result) {
    not_seen.notes.push_back(
        {"run.drains_on_sigterm", "what SIGTERM to \"" + command + "\" does was not seen: " + why});
    return report.Add(not_seen, {});
  }
  const Aftermath aftermath = AwaitEnd(*started.server, *result, began);
  if (MustStop()) return;
  const sdk::Evidence run = started.server->End();
  report.Add(JudgeSignalThroughShell(*result, aftermath, drain.under_way, command), {evidence, run});
}

void Scenarios::FailFast(Report& report) {
  struct Start {
    std::string what, name;
    Environment environment;
  };
  const std::vector<std::string> required = RequiredVariables(facts_);
  const size_t most = profile_.quick ? 2 : 5;
  std::vector<Start> starts;
  for (const std::string& name : required) {
    if (starts.size() < most) starts.push_back({"without " + name, name, Without(environment_, {name})});
  }
  if (starts.empty() && facts_.FindClaim("config.validated") != nullptr &&
      (!facts_.port_variable.empty() || reads_port_)) {
    const std::string name = facts_.port_variable.empty() ? "PORT" : facts_.port_variable;
    starts.push_back({"with " + name + "=not-a-number", name, With(environment_, name, "not-a-number")});
  }
  std::vector<WithoutVariables> seen;
  std::vector<sdk::Evidence> shown;
  for (const Start& start : starts) {
    if (MustStop() || !TimeFor(6)) break;
    evaluation_.Progress("starting " + start.what.substr(0, 80), 5, kSteps);
    sdk::Evidence evidence = 0;
    WithoutVariables one = WatchStart(evaluation_, workspace_, candidate_, start.environment, {start.name}, evidence);
    if (evidence == 0) break;
    one.what = start.what.substr(0, 200);
    seen.push_back(std::move(one));
    shown.push_back(evidence);
    // One that starts without it settles the matter, and is the run to show.
    if (JudgeFailFast({seen.back()}, 1).tested[0].verdict == Verdict::kRefuted) {
      shown = {evidence};
      break;
    }
  }
  if (!MustStop() && !seen.empty()) report.Add(JudgeFailFast(seen, std::max(required.size(), seen.size())), shown);
}

}  // namespace assay::load_test
