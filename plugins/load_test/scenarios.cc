// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/scenarios.h"

#include <algorithm>
#include <cstdio>

namespace assay::load_test {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000 * kMillisecond;

// Ways the submission itself names as its start.
bool IsDeclared(const std::string& source) {
  return source.rfind("scripts.start", 0) == 0 || source == ".assay.yaml" || source == "task.json";
}

// The path that tells a platform whether to send requests: one that promises it, else any of the health paths that is
// found.
std::string ReadinessPath(const std::vector<ReadyPath>& answers) {
  std::string found;
  for (const ReadyPath& answer : answers) {
    if (answer.path == "/" || answer.status < 200 || answer.status >= 400) continue;
    if (answer.path.find("ready") != std::string::npos) return answer.path;
    if (found.empty()) found = answer.path;
  }
  return found;
}

std::vector<std::string> ReadyPaths(const Facts& facts) {
  std::vector<std::string> paths;
  const auto add = [&](const std::string& path) {
    if (!path.empty() && path[0] == '/' && std::find(paths.begin(), paths.end(), path) == paths.end() &&
        paths.size() < 12)
      paths.push_back(path);
  };
  add(facts.assay_yaml["ready"].text());
  for (const std::string& path : facts.health_paths) add(path);
  for (const char* path : {"/readyz", "/ready", "/health", "/healthz", "/status", "/"}) add(path);
  return paths;
}

}  // namespace

Scenarios::Scenarios(sdk::Evaluation& evaluation, const Facts& facts, const Profile& profile)
    : evaluation_(evaluation),
      facts_(facts),
      profile_(profile),
      ready_paths_(ReadyPaths(facts)),
      service_(ServiceOfPackage(facts.package)) {}

bool Scenarios::TimeFor(double seconds) const {
  return evaluation_.now_ns() + static_cast<uint64_t>(seconds * 1e9) < evaluation_.deadline_ns();
}

std::optional<LoadReport> Scenarios::Load(Server& server, const std::string& plan, sdk::Evidence& evidence,
                                          std::string& why) {
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
  evaluation_.Progress("installing dependencies", 0, kSteps);
  uint32_t major = 0;
  for (const uint32_t wanted : facts_.node_majors) major = std::max(major, wanted);
  auto workspace = evaluation_.Prepare(major);
  const auto about_node = [](std::string_view failure) { return failure.substr(0, 4) == "node"; };
  if (workspace.ok() && workspace->handle == 0 && workspace->fault == ASSAY_FAULT_PLATFORM && major != 0 &&
      about_node(workspace->failure)) {
    evaluation_.Log(ASSAY_LOG_INFO,
                    "node " + std::to_string(major) + " is not to be had: " + std::string(workspace->failure));
    workspace = evaluation_.Prepare(0);
  }
  if (!workspace.ok()) {
    report.RestNotObservable("not observable here: this platform could not prepare the submission: " +
                             workspace.status().message());
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
  judgement.remarks.push_back(
      {"LT0.dependencies", "run.starts", "The dependencies could not be installed: " + failure + ".",
       "Commit a lockfile that installs with scripts switched off, and keep dependencies on a registry.",
       "How does a new colleague, or a build machine, get exactly your dependencies?",
       "From a committed lockfile, by a clean install.", "dependencies.locked", Remark::Severity::kError});
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
    reasons +=
        (reasons.empty() ? "" : "; ") + candidate.source + " (" + CommandLine(candidate) + "): " + failure.reason;
    if (lacks.empty()) lacks = failure.platform_lacks.empty() ? candidate.lacks : failure.platform_lacks;
    if (failure.evidence != 0) evidence = failure.evidence;
    declared |= IsDeclared(candidate.source);
    asked_for |= candidate.source.rfind("main", 0) != 0 && candidate.source != "listen" &&
                 candidate.source.rfind("the usual", 0) != 0;
  }
  for (const Passed& passed : plan.passed) {
    reasons += (reasons.empty() ? "" : "; ") + passed.source + ": " + passed.reason;
    // Where the declared way could be tried, the others need not.
    if (lacks.empty() && !declared) lacks = passed.lacks;
    asked_for = true;
  }
  if (!lacks.empty()) {
    report.RestNotObservable("not observable here: the server wants " + lacks +
                             ", which this platform does not offer. " + reasons);
    return;
  }
  if (!asked_for) {
    // Modules that only export something are no server, and nobody said they were.
    const std::string tried = reasons.empty() ? "" : "; tried all the same: " + reasons;
    report.RestNotObservedYet("nothing says how to start a server: no start script, no bin" + tried);
    return;
  }
  Judgement judgement;
  judgement.remarks.push_back({"LT0.not_startable", "run.starts",
                               "The run showed no way to start the server. " + reasons.substr(0, 1200) + ".",
                               "Make \"npm start\" work from a clean install with nothing but a port, and write down "
                               "what else it needs (.env.example, .assay.yaml).",
                               "What does somebody need who runs this for the first time?",
                               "One command and a documented environment; whatever is missing is named at once.",
                               "config.validated", Remark::Severity::kWarning});
  report.Add(judgement, {evidence});
  report.RestNotObservedYet("the server did not start: " + reasons);
}

void Scenarios::JudgeStart(Report& report, const Started& started, size_t place) {
  const std::string how = candidate_.source + " (" + CommandLine(candidate_) + ")";
  // A published program's bin is its start command, and what a README shows is one; where there is a start script, that
  // is.
  const bool shown = candidate_.source.rfind("bin", 0) == 0 || candidate_.source == "the README";
  const bool declared = place == 0 || IsDeclared(candidate_.source) || (shown && !scripted_);
  Judgement judgement;
  std::string text = "started by " + how + ", listens on port " + std::to_string(server_->port) + ", " +
                     started.ready.path + " answers " + std::to_string(started.ready.status);
  if (!declared) text += "; the ways before it did not start";
  for (const ExampleFile& file : candidate_.files) text += "; " + file.name + " was written as the README shows it";
  if (server_->port != kPort) {
    text += "; it took no notice of PORT=" + std::to_string(kPort);
    if (IsDeclared(candidate_.source)) {
      judgement.remarks.push_back(
          {"LT0.port", "run.starts",
           "The run showed that PORT is not looked at: told to listen on " + std::to_string(kPort) +
               ", the server listens on " + std::to_string(server_->port) + ".",
           "Read the port from the environment, with a default for the desk.",
           "Who decides on which port this service listens in production?",
           "The platform, by the environment; a fixed port collides as soon as two instances share a host.",
           "config.validated", Remark::Severity::kNote});
    }
  }
  judgement.values.push_back({"run.starts", declared ? 1.0 : 0.5, text});
  for (const std::string& path : facts_.health_paths) {
    for (const ReadyPath& answer : started.answers) {
      if (answer.path != path) continue;
      const bool good = answer.status >= 200 && answer.status < 400;
      judgement.tested.push_back(
          {"health.probes", good ? Verdict::kConfirmed : Verdict::kRefuted,
           "GET " + path + (answer.status == 0 ? " got no answer" : " answered " + std::to_string(answer.status)) +
               " after the start"});
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
  scripted_ = std::any_of(plan.candidates.begin(), plan.candidates.end(),
                          [](const Candidate& c) { return IsDeclared(c.source); });
  std::vector<StartFailure> failures;
  for (size_t i = 0; i < plan.candidates.size() && !MustStop() && TimeFor(5); ++i) {
    evaluation_.Progress("starting by " + plan.candidates[i].source, 0, kSteps);
    candidate_ = plan.candidates[i];
    environment_ = MakeEnvironment(facts_, candidate_, workspace_.node, kPort, evaluation_.seed());
    Started started = StartServer(evaluation_, workspace_, candidate_, environment_, ready_paths_, profile_, service_);
    if (started.server != nullptr) {
      server_ = std::move(started.server);
      reads_port_ = server_->port == kPort;
      ready_ = {started.ready.path, started.ready.status};
      readiness_ = ReadinessPath(started.answers);
      entry_ = FileOf(candidate_);
      JudgeStart(report, started, i);
      return true;
    }
    evaluation_.Log(ASSAY_LOG_INFO, plan.candidates[i].source + ": " + started.failure.reason);
    if (i == 0) entry_ = FileOf(candidate_);
    const bool unbuilt = started.failure.reason.rfind(kWantsFile, 0) == 0 && !facts_.build_script.empty();
    if (unbuilt && started.failure.platform_lacks.empty())
      started.failure.platform_lacks = "its build step (\"" + facts_.build_script + "\")";
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
  const std::string how = "left alone after its start, the server ended within " + std::string(after) +
                          " s: " + ExplainEnd(state, server->printed_errors(), server->LastWords());
  const sdk::Evidence run = server->End();
  const std::string lacks = Lacking(*server, false);
  ends_by_itself_ = true;
  if (!lacks.empty()) {
    report.RestNotObservable("not observable here: the server wants " + lacks +
                             ", which this platform does not offer; " + how);
    return true;
  }
  Judgement judgement;
  judgement.remarks.push_back(
      {"LT0.ends", "run.starts", "The run showed that the server does not stay: " + how + ".",
       "Read what it printed last in the run's record; a server ends only when it is told to.",
       "What brings this process down while nobody talks to it, and who would notice?",
       "An error nobody listens to, outside of any request. A supervisor restarts it, and an alert on restarts tells.",
       "process.fatal_errors", Remark::Severity::kError});
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
  const auto report =
      server == nullptr ? std::nullopt : Load(*server, ProbePlan(server->port, paths, bodies), evidence, why);
  const PhaseReport* gets = report ? report->Phase("gets") : nullptr;
  // What is found first; then whatever is answered steadily, as behind a sign-in.
  for (const int bound : {400, 500}) {
    for (size_t i = 0; gets != nullptr && i < paths.size() && steady_.size() < 3; ++i) {
      const Counts* counts = gets->Class(std::to_string(i));
      if (counts == nullptr || counts->failed() > 0 || counts->statuses.size() != 1) continue;
      const int status = counts->main_status();
      if (status >= 200 && status < bound && status != 429 && (bound == 400 || steady_.empty()))
        steady_.push_back({paths[i], status});
    }
  }
  if (steady_.empty()) steady_.push_back(ready_);
  const PhaseReport* slow = report ? report->Phase("bodies") : nullptr;
  for (size_t i = 0; slow != nullptr && i < bodies.size() && body_.path.empty(); ++i) {
    const Counts* counts = slow->Class("body-" + std::to_string(i));
    if (counts != nullptr && counts->answered() > 0 && counts->early == 0) body_ = {bodies[i].first, bodies[i].second};
  }
}

sdk::Status Scenarios::Run(Report& report) {
  began_ = evaluation_.now_ns();
  if (!Prepare(report) || MustStop()) return MustStop() ? sdk::Stopped() : sdk::Ok();
  if (!StartFirst(report)) return MustStop() ? sdk::Stopped() : sdk::Ok();
  Probe();
  struct Step {
    void (Scenarios::*run)(Report&);
    double seconds;
  };
  const Step steps[] = {{&Scenarios::BadInput, profile_.quick ? 8.0 : 20.0},
                        {&Scenarios::Bodies, 8},
                        {&Scenarios::Steps, profile_.quick ? 20.0 : 100.0},
                        {&Scenarios::DrainOnSignal, profile_.quick ? 10.0 : 25.0},
                        {&Scenarios::SignalStartCommand, profile_.quick ? 0.0 : 35.0},
                        {&Scenarios::FailFast, 6}};
  for (const Step& step : steps) {
    if (MustStop()) return sdk::Stopped();
    if (!TimeFor(step.seconds)) continue;
    (this->*step.run)(report);
    if (ends_by_itself_) break;
  }
  server_.reset();
  if (MustStop()) return sdk::Stopped();
  report.RestNotObservedYet("there was no time left for it");
  evaluation_.Progress("done", kSteps, kSteps);
  return sdk::Ok();
}

}  // namespace assay::load_test
