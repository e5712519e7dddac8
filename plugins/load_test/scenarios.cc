// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/scenarios.h"

#include <algorithm>
#include <cstdio>

namespace assay::load_test {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000 * kMillisecond;
constexpr size_t kScenarios = 6;
// Seconds after which the quick profile measures no steps again, so that it ends within 45.
constexpr double kQuickSteps = 26;

std::string Quoted(const Candidate& candidate) {
  std::string text = "node";
  for (const std::string& word : candidate.arguments) text += " " + word;
  return text;
}

// Ways the submission itself names as its start.
bool IsDeclared(const std::string& source) {
  return source.rfind("scripts.start", 0) == 0 || source == ".assay.yaml" || source == "task.json";
}

std::vector<std::string> ReadyPaths(const Facts& facts) {
  std::vector<std::string> paths;
  const auto add = [&](const std::string& path) {
    if (!path.empty() && path[0] == '/' && std::find(paths.begin(), paths.end(), path) == paths.end() && paths.size() < 12) paths.push_back(path);
  };
  add(facts.assay_yaml["ready"].text());
  for (const std::string& path : facts.health_paths) add(path);
  for (const char* path : {"/readyz", "/ready", "/health", "/healthz", "/status", "/"}) add(path);
  return paths;
}

}  // namespace

Scenarios::Scenarios(sdk::Evaluation& evaluation, const Facts& facts, const Profile& profile)
    : evaluation_(evaluation), facts_(facts), profile_(profile), ready_paths_(ReadyPaths(facts)), service_(ServiceOfPackage(facts.package)) {}

bool Scenarios::TimeFor(double seconds) const {
  return evaluation_.now_ns() + static_cast<uint64_t>(seconds * 1e9) < evaluation_.deadline_ns();
}

std::optional<LoadReport> Scenarios::Load(Server& server, const std::string& plan, sdk::Evidence& evidence, std::string& why) {
  const auto load = evaluation_.RunLoad(server.process(), plan);
  server.ReadOutput();
  if (!load.ok()) {
    why = "the platform could not drive the load: " + load.status().message();
    return std::nullopt;
  }
  evidence = load->evidence;
  auto report = ReadLoadResult(load->json);
  if (!report) why = "the platform's load result could not be read";
  return report;
}

std::string Scenarios::Lacking(Server& server, bool alive) const {
  server.ReadOutput();
  const std::string said = WantedService(server.printed_errors() + server.printed_output());
  return service_.empty() || (!alive && said.empty()) ? said : service_;
}

bool Scenarios::Prepare(Report& report) {
  evaluation_.Progress("installing dependencies", 0, kScenarios);
  uint32_t major = 0;
  for (const uint32_t wanted : facts_.node_majors) major = std::max(major, wanted);
  auto workspace = evaluation_.Prepare(major);
  const auto about_node = [](std::string_view failure) { return failure.substr(0, 4) == "node"; };
  if (workspace.ok() && workspace->handle == 0 && workspace->fault == ASSAY_FAULT_PLATFORM && major != 0 && about_node(workspace->failure)) {
    evaluation_.Log(ASSAY_LOG_INFO, "node " + std::to_string(major) + " is not to be had: " + std::string(workspace->failure));
    workspace = evaluation_.Prepare(0);
  }
  if (!workspace.ok()) {
    report.RestNotObservable("not observable here: this platform could not prepare the submission: " + workspace.status().message());
    return false;
  }
  workspace_ = *workspace;
  if (workspace_.handle != 0) return true;
  const std::string failure(workspace_.failure);
  if (workspace_.fault == ASSAY_FAULT_PLATFORM) {
    report.RestNotObservable("not observable here: this platform could not prepare the submission: " + failure);
    return false;
  }
  Judgement judgement;
  judgement.remarks.push_back({"LT0.dependencies", "run.starts", "The dependencies could not be installed: " + failure + ".",
                               "Commit a lockfile that installs with scripts switched off, and keep dependencies on a registry.",
                               "How does a new colleague, or a build machine, get exactly your dependencies?", "From a committed lockfile, by a clean install.", "dependencies.locked",
                               Remark::Severity::kError});
  report.Add(judgement, {workspace_.evidence});
  report.RestNotObservedYet("the dependencies could not be installed: " + failure);
  return false;
}

void Scenarios::NoStart(Report& report, const StartPlan& plan, const std::vector<StartFailure>& failures) {
  std::string reasons, lacks;
  sdk::Evidence evidence = workspace_.evidence;
  bool declared = false, asked_for = false;
  for (size_t i = 0; i < failures.size(); ++i) {
    const Candidate& candidate = plan.candidates[i];
    const StartFailure& failure = failures[i];
    reasons += (reasons.empty() ? "" : "; ") + candidate.source + " (" + Quoted(candidate) + "): " + failure.reason;
    if (lacks.empty()) lacks = failure.platform_lacks.empty() ? candidate.lacks : failure.platform_lacks;
    if (failure.evidence != 0) evidence = failure.evidence;
    declared |= IsDeclared(candidate.source);
    asked_for |= candidate.source.rfind("main", 0) != 0 && candidate.source != "listen" && candidate.source.rfind("the usual", 0) != 0;
  }
  for (const Passed& passed : plan.passed) {
    reasons += (reasons.empty() ? "" : "; ") + passed.source + ": " + passed.reason;
    // Where the declared way could be tried, the others need not.
    if (lacks.empty() && !declared) lacks = passed.lacks;
    asked_for = true;
  }
  if (!lacks.empty()) {
    report.RestNotObservable("not observable here: the server wants " + lacks + ", which this platform does not offer. " + reasons);
    return;
  }
  if (!asked_for) {
    // Modules that only export something are no server, and nobody said they were.
    const std::string tried = reasons.empty() ? "" : "; tried all the same: " + reasons;
    report.RestNotObservedYet("nothing says how to start a server: no start script, no bin" + tried);
    return;
  }
  Judgement judgement;
  judgement.remarks.push_back({"LT0.not_startable", "run.starts", "The run showed no way to start the server. " + reasons.substr(0, 1200) + ".",
                               "Make \"npm start\" work from a clean install with nothing but a port, and write down what else it needs (.env.example, .assay.yaml).",
                               "What does somebody need who runs this for the first time?", "One command and a documented environment; whatever is missing is named at once.",
                               "config.validated", Remark::Severity::kWarning});
  report.Add(judgement, {evidence});
  report.RestNotObservedYet("the server did not start: " + reasons);
}

void Scenarios::JudgeStart(Report& report, const Started& started, size_t place) {
  const std::string how = candidate_.source + " (" + Quoted(candidate_) + ")";
  // A published program's bin is its start command, and what a README shows is one; where there is a start script, that is.
  const bool shown = candidate_.source.rfind("bin", 0) == 0 || candidate_.source == "the README";
  const bool declared = place == 0 || IsDeclared(candidate_.source) || (shown && !scripted_);
  Judgement judgement;
  std::string text = "started by " + how + ", listens on port " + std::to_string(server_->port) + ", " + started.ready.path + " answers " + std::to_string(started.ready.status);
  if (!declared) text += "; the ways before it did not start";
  for (const ExampleFile& file : candidate_.files) text += "; " + file.name + " was written as the README shows it";
  if (server_->port != kPort) {
    text += "; it took no notice of PORT=" + std::to_string(kPort);
    if (IsDeclared(candidate_.source)) {
      judgement.remarks.push_back({"LT0.port", "run.starts", "The run showed that PORT is not looked at: told to listen on " + std::to_string(kPort) + ", the server listens on " +
                                   std::to_string(server_->port) + ".", "Read the port from the environment, with a default for the desk.",
                                   "Who decides on which port this service listens in production?", "The platform, by the environment; a fixed port collides as soon as two instances share a host.",
                                   "config.validated", Remark::Severity::kNote});
    }
  }
  judgement.values.push_back({"run.starts", declared ? 1.0 : 0.5, text});
  for (const std::string& path : facts_.health_paths) {
    for (const ReadyPath& answer : started.answers) {
      if (answer.path != path) continue;
      const bool good = answer.status >= 200 && answer.status < 400;
      judgement.tested.push_back({"health.probes", good ? Verdict::kConfirmed : Verdict::kRefuted,
                                  "GET " + path + (answer.status == 0 ? " got no answer" : " answered " + std::to_string(answer.status)) + " after the start"});
    }
  }
  report.Add(judgement, {started.evidence, workspace_.evidence});
}

std::string Scenarios::FileOf(const Candidate& candidate) const {
  for (const std::string& word : candidate.arguments) {
    if (evaluation_.File(word) != nullptr) return word;
  }
  return "package.json";
}

bool Scenarios::StartFirst(Report& report) {
  const auto has_file = [this](std::string_view path) { return evaluation_.File(path) != nullptr; };
  const StartPlan plan = FindStart(facts_, has_file, kPort);
  scripted_ = std::any_of(plan.candidates.begin(), plan.candidates.end(), [](const Candidate& c) { return IsDeclared(c.source); });
  std::vector<StartFailure> failures;
  for (size_t i = 0; i < plan.candidates.size() && !MustStop() && TimeFor(5); ++i) {
    evaluation_.Progress("starting by " + plan.candidates[i].source, 0, kScenarios);
    candidate_ = plan.candidates[i];
    environment_ = MakeEnvironment(facts_, candidate_, workspace_.node, kPort, evaluation_.seed());
    Started started = StartServer(evaluation_, workspace_, candidate_, environment_, ready_paths_, profile_, service_);
    if (started.server != nullptr) {
      server_ = std::move(started.server);
      reads_port_ = server_->port == kPort;
      ready_ = {started.ready.path, started.ready.status};
      entry_ = FileOf(candidate_);
      JudgeStart(report, started, i);
      return true;
    }
    evaluation_.Log(ASSAY_LOG_INFO, plan.candidates[i].source + ": " + started.failure.reason);
    if (i == 0) entry_ = FileOf(candidate_);
    const bool unbuilt = started.failure.reason.rfind(kWantsFile, 0) == 0 && !facts_.build_script.empty();
    if (unbuilt && started.failure.platform_lacks.empty()) started.failure.platform_lacks = "its build step (\"" + facts_.build_script + "\")";
    if (started.failure.stopped) return false;
    failures.push_back(std::move(started.failure));
  }
  NoStart(report, plan, failures);
  return false;
}

Server* Scenarios::Serve(bool fresh) {
  if (server_ != nullptr && !fresh && server_->Look().alive) return server_.get();
  server_.reset();
  if (MustStop()) return nullptr;
  Started started = StartServer(evaluation_, workspace_, candidate_, environment_, ready_paths_, profile_, service_);
  server_ = std::move(started.server);
  return server_.get();
}

bool Scenarios::EndsByItself(Report& report, double seconds) {
  Server* server = Serve(true);
  if (server == nullptr) return false;
  const sdk::ProcessState state = server->Await(static_cast<uint64_t>(std::clamp(seconds, 1.0, 10.0) * 1e9), false);
  if (!state.ended) return false;
  const double lived = static_cast<double>(state.wall_ns) / 1e9;
  char after[32];
  std::snprintf(after, sizeof after, "%.1f", lived);
  const std::string how = "left alone after its start, the server ended within " + std::string(after) + " s: " +
                          ExplainEnd(state, server->printed_errors(), server->LastWords());
  const sdk::Evidence run = server->End();
  const std::string lacks = Lacking(*server, false);
  ends_by_itself_ = true;
  if (!lacks.empty()) {
    report.RestNotObservable("not observable here: the server wants " + lacks + ", which this platform does not offer; " + how);
    return true;
  }
  Judgement judgement;
  judgement.remarks.push_back({"LT0.ends", "run.starts", "The run showed that the server does not stay: " + how + ".",
                               "Read what it printed last in the run's record; a server ends only when it is told to.",
                               "What brings this process down while nobody talks to it, and who would notice?",
                               "An error nobody listens to, outside of any request. A supervisor restarts it, and an alert on restarts tells.", "process.fatal_errors",
                               Remark::Severity::kError});
  report.Add(judgement, {run});
  report.RestNotObservedYet(how);
  return true;
}

void Scenarios::Probe() {
  const std::vector<std::string> paths = LoadPaths(facts_, 10);
  std::vector<std::pair<std::string, std::string>> bodies = BodyRoutes(facts_, 5);
  bodies.emplace_back("POST", "/assay-no-such-path");
  sdk::Evidence evidence = 0;
  std::string why;
  Server* server = Serve(false);
  const auto report = server == nullptr ? std::nullopt : Load(*server, ProbePlan(server->port, paths, bodies), evidence, why);
  const PhaseReport* gets = report ? report->Phase("gets") : nullptr;
  // What is found first; then whatever is answered steadily, as behind a sign-in.
  for (const int bound : {400, 500}) {
    for (size_t i = 0; gets != nullptr && i < paths.size() && steady_.size() < 3; ++i) {
      const Counts* counts = gets->Class(std::to_string(i));
      if (counts == nullptr || counts->failed() > 0 || counts->statuses.size() != 1) continue;
      const int status = counts->main_status();
      if (status >= 200 && status < bound && status != 429 && (bound == 400 || steady_.empty())) steady_.push_back({paths[i], status});
    }
  }
  if (steady_.empty()) steady_.push_back(ready_);
  const PhaseReport* slow = report ? report->Phase("bodies") : nullptr;
  for (size_t i = 0; slow != nullptr && i < bodies.size() && body_.path.empty(); ++i) {
    const Counts* counts = slow->Class("body-" + std::to_string(i));
    if (counts != nullptr && counts->answered() > 0 && counts->early == 0) body_ = {bodies[i].first, bodies[i].second};
  }
}

void Scenarios::BadInput(Report& report) {
  evaluation_.Progress("bad input", 1, kScenarios);
  Server* server = Serve(false);
  if (server == nullptr) return report.NotObservedYet("run.survives_bad_input", "the server did not start again");
  sdk::Evidence evidence = 0;
  std::string why;
  const auto result = Load(*server, BadInputPlan(server->port, facts_, ready_.path, profile_), evidence, why);
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
  report.Add(WithoutBlame(judgement, lacks), {evidence, run});
}

void Scenarios::Bodies(Report& report) {
  evaluation_.Progress("large bodies", 2, kScenarios);
  Server* server = Serve(false);
  if (server == nullptr) return report.NotObservedYet("run.body_limits", "the server did not start again");
  const uint64_t peak = server->Look().peak_bytes;
  const BodyPath path = body_.path.empty() ? BodyPath{"POST", "/assay-no-such-path"} : body_;
  sdk::Evidence evidence = 0;
  std::string why;
  const auto result = Load(*server, BodiesPlan(server->port, path), evidence, why);
  if (!result) return report.NotObservedYet("run.body_limits", why);
  const Aftermath aftermath = server->Look(peak);
  const sdk::Evidence run = aftermath.alive ? 0 : server->End();
  report.Add(JudgeBodies(*result, aftermath, !body_.path.empty()), {evidence, run});
}

void Scenarios::Steps(Report& report) {
  evaluation_.Progress("capacity and steps of load", 3, kScenarios);
  std::optional<Judgement> best;
  std::vector<sdk::Evidence> shown;
  for (int attempt = 0; attempt < 2; ++attempt) {
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
    if (!result->capacity.empty()) capacity_ = attempt == 0 ? result->capacity.back().rate : std::min(capacity_, result->capacity.back().rate);
    const Aftermath aftermath = server->Look();
    Judgement judgement = WithoutBlame(JudgeSteps(*result, aftermath), Lacking(*server, aftermath.alive));
    // A busy machine spoils single runs, and never makes one better than it is: the better of two counts.
    if (best.has_value() && ValueOfSteps(judgement) == 0 && ValueOfSteps(*best) == 0) judgement = SeenTwice(std::move(judgement));
    if (!best.has_value() || ValueOfSteps(judgement) >= ValueOfSteps(*best)) {
      best = std::move(judgement);
      shown = {evidence};
    }
    const double spent = static_cast<double>(evaluation_.now_ns() - began_) / 1e9;
    const bool time_left = profile_.quick ? spent < kQuickSteps : TimeFor(150);
    if (ValueOfSteps(*best) >= 1 || MustStop() || !time_left) break;
  }
  if (best.has_value()) report.Add(SettledBySteps(*std::move(best)), shown);
}

void Scenarios::DrainOnSignal(Report& report) {
  evaluation_.Progress("SIGTERM under load", 4, kScenarios);
  Server* server = Serve(true);
  if (server == nullptr) return report.NotObservedYet("run.drains_on_sigterm", "the server did not start again");
  const Drain drain = DrainPlan(server->port, steady_.front(), body_, capacity_, true, profile_);
  const uint64_t began = evaluation_.now_ns();
  sdk::Evidence evidence = 0;
  std::string why;
  const auto result = Load(*server, drain.plan, evidence, why);
  if (!result) return report.NotObservedYet("run.drains_on_sigterm", why);
  const sdk::ProcessState state = server->Await((profile_.quick ? 8 : 15) * kSecond, false);
  if (MustStop()) return;
  Aftermath aftermath;
  aftermath.alive = !state.ended;
  aftermath.exit_code = state.exit_code;
  aftermath.term_signal = state.term_signal;
  if (state.ended) {
    const ActionReport* action = result->actions.empty() ? nullptr : &result->actions[0];
    const ExitTime exit = action == nullptr ? ExitTime{0, true}
                                            : TimeToExit(server->started_ns(), state.wall_ns, began, action->asked_at_seconds, action->last_served_seconds);
    aftermath.exit_seconds = exit.seconds;
    aftermath.exit_at_least = exit.at_least;
  }
  const sdk::Evidence run = server->End();
  report.Add(JudgeDrain(*result, aftermath, drain.longest_seconds), {evidence, run});
}

void Scenarios::SignalStartCommand(Report& report) {
  evaluation_.Progress("SIGTERM to the start command", 5, kScenarios);
  Server* server = Serve(true);
  if (server == nullptr || !evaluation_.Signal(server->process(), 15, false).ok()) return;
  const uint64_t begin = evaluation_.now_ns();
  const sdk::ProcessState state = server->Await(5 * kSecond, false);
  if (MustStop()) return;
  const double seconds = static_cast<double>(evaluation_.now_ns() - begin) / 1e9;
  const sdk::Evidence run = server->End();
  report.Add(JudgeStartCommandSignal(state.ended, seconds, state.port != 0, Quoted(candidate_)), {run});
}

void Scenarios::FailFast(Report& report) {
  std::vector<std::string> names = RequiredVariables(facts_);
  WithoutVariables seen;
  Environment environment;
  std::string what;
  if (!names.empty()) {
    environment = Without(environment_, names);
    for (const std::string& name : names) what += (what.empty() ? "without " : " and ") + name;
  } else if (facts_.FindClaim("config.validated") != nullptr && (!facts_.port_variable.empty() || reads_port_)) {
    names = {facts_.port_variable.empty() ? "PORT" : facts_.port_variable};
    environment = With(environment_, names[0], "not-a-number");
    what = "with " + names[0] + "=not-a-number";
  } else {
    return;
  }
  evaluation_.Progress("starting " + what.substr(0, 80), 5, kScenarios);
  sdk::Evidence evidence = 0;
  seen = WatchStart(evaluation_, workspace_, candidate_, environment, names, evidence);
  seen.what = what.substr(0, 200);
  if (!MustStop() && evidence != 0) report.Add(JudgeFailFast(seen), {evidence});
}

sdk::Status Scenarios::Run(Report& report) {
  if (!Prepare(report) || MustStop()) return MustStop() ? sdk::Stopped() : sdk::Ok();
  began_ = evaluation_.now_ns();
  if (!StartFirst(report)) return MustStop() ? sdk::Stopped() : sdk::Ok();
  Probe();
  struct Step {
    void (Scenarios::*run)(Report&);
    double seconds;
    bool full_only;
  };
  const Step steps[] = {{&Scenarios::BadInput, profile_.quick ? 8.0 : 20.0, false},
                        {&Scenarios::Bodies, 8, false},
                        {&Scenarios::Steps, profile_.quick ? 20.0 : 90.0, false},
                        {&Scenarios::DrainOnSignal, profile_.quick ? 10.0 : 20.0, false},
                        {&Scenarios::SignalStartCommand, 10, true},
                        {&Scenarios::FailFast, 6, false}};
  for (const Step& step : steps) {
    if (MustStop()) return sdk::Stopped();
    if ((step.full_only && profile_.quick) || !TimeFor(step.seconds)) continue;
    (this->*step.run)(report);
    if (ends_by_itself_) break;
  }
  server_.reset();
  if (MustStop()) return sdk::Stopped();
  report.RestNotObservedYet("there was no time left for it");
  evaluation_.Progress("done", kScenarios, kScenarios);
  return sdk::Ok();
}

}  // namespace assay::load_test
