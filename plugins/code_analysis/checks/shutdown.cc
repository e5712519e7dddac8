// E8: does a stop lose requests?
#include "plugins/code_analysis/checks/reading.h"
#include "plugins/code_analysis/checks/resilience.h"
#include "plugins/code_analysis/checks/shutdown_path.h"

namespace assay::code_analysis {
namespace {

constexpr double kLongestTimer = 30000;

struct Verdict {
  double value = 0;
  double standard_error = error_of::kCrossFile;
  Node place;
  std::string message;  // empty: nothing to report
  std::string rationale;
};

// Packages that install the signal handlers themselves and drain.
Node DrainingPackage(const Model& model) {
  static constexpr std::string_view kPackages[] = {
      "@godaddy/terminus",        "http-graceful-shutdown",          "lightship",
      "close-with-grace",         "express-graceful-exit",           "graceful-http-shutdown",
      "node-graceful-shutdown",   "@moebius/http-graceful-shutdown", "graceful-shutdown",
      "express-graceful-shutdown"};
  for (std::string_view package : kPackages) {
    for (Node import : model.ImportsOf(package)) {
      const Module& module = model.ModuleOf(import);
      if (module.role != Role::kServer) continue;
      for (uint32_t id : module.tree.All(Kind::kCall)) {
        const Node call(&module.tree, id);
        if (ComesFrom(model.OriginOf(CalleeOf(call)), {package}) && !CalleeOf(call).Is(Kind::kImportKeyword) &&
            CalleeName(call) != "require")
          return call;
      }
    }
  }
  return {};
}

Verdict Judge(const Model& model, const SignalHandler& handler, const ShutdownFacts& facts) {
  const bool database = !model.ImportsOf("mongoose").empty() || !model.ImportsOf("pg").empty() ||
                        !model.ImportsOf("mysql2").empty() || !model.ImportsOf("sequelize").empty() ||
                        !model.ImportsOf("ioredis").empty() || !model.ImportsOf("redis").empty() ||
                        !model.ImportsOf("mongodb").empty() || !model.ImportsOf("@prisma/client").empty() ||
                        !model.ImportsOf("knex").empty();
  if (!facts.close && facts.unknown_stop && !facts.early_exit)
    return {0.6, error_of::kAbsence, facts.unknown_stop, "",
            "The process ends after something that is called a stop; what that waits for could not be followed."};
  if (!facts.close) {
    const Node exit = facts.early_exit ? facts.early_exit : facts.late_exit ? facts.late_exit : facts.timer;
    if (exit)
      return {0.05, error_of::kHarmfulPlace, exit,
              "The code suggests that the process ends here without closing the server: requests in flight on " +
                  handler.event + " are lost.",
              "The process ends without closing its server."};
    return {0.1, error_of::kSinglePlace, handler.call,
            "The listener for " + handler.event +
                " takes Node's own answer away and was not seen to close the server or to end the process.",
            "The signal is taken, and nothing was seen to end the server."};
  }
  if (facts.destroys) {
    return {
        0.15, error_of::kHarmfulPlace, facts.destroys,
        "The code suggests that all open connections are cut right after close(): requests in flight get no answer.",
        "Open connections are cut before requests are answered."};
  }
  if (facts.early_exit) {
    const bool vain = static_cast<bool>(facts.vain_await);
    return {0.1, error_of::kHarmfulPlace, facts.early_exit,
            vain ? "`await server.close()` waits for nothing, because close() returns the server and not a promise: "
                   "the code suggests that the process ends here while requests are in flight."
                 : "The code suggests that the process ends here right after close() was called, without waiting until "
                   "requests in flight are answered.",
            "The process ends before close() has drained."};
  }
  if (facts.early_dependency) {
    return {0.4, error_of::kCrossFile, facts.early_dependency,
            "The code suggests that this connection is closed while requests in flight may still need it; the server "
            "drains later.",
            "Dependencies are closed before the server has drained."};
  }
  if (!facts.late_exit && !facts.timer && database && !facts.late_dependency) {
    return {0.4, error_of::kSinglePlace, facts.close,
            "The server is closed, and nothing was seen to close the connections to databases or to end the process: "
            "the code suggests that it stays until it is killed.",
            "After close() nothing ends the process while other connections stay open."};
  }
  if (!facts.timer) {
    return {facts.library ? 0.9 : 0.8, error_of::kCrossFile, facts.close, "",
            "The server is closed and drained before the process ends; no timer bounds how long that takes."};
  }
  if (facts.timer_milliseconds > kLongestTimer) {
    return {0.85, error_of::kCrossFile, facts.timer,
            "The timer that forces the end waits " + std::to_string(static_cast<int>(facts.timer_milliseconds / 1000)) +
                " s; most platforms kill a process after 30 s or less.",
            "The server is drained before the process ends; the timer is longer than platforms wait."};
  }
  return {facts.timer_unrefed ? 1 : 0.95, error_of::kCrossFile, facts.close, "",
          "The server is closed and drained before the process ends, within a bounded time."};
}

void ObserveGuarded(const Model& model, Reporter& reporter, const SignalHandler& handler, Verdict verdict,
                    std::vector<Span> evidence) {
  if (handler.guard == Guard::kConfigurable || handler.guard == Guard::kDevelopmentOnly) {
    reporter.Find(model.SpanOf(handler.call),
                  "Signals are handled only under a condition of the environment: where it does not hold, the process "
                  "ends at once.");
    verdict.value = std::min(verdict.value, handler.guard == Guard::kDevelopmentOnly ? 0.1 : 0.5);
    verdict.rationale += " Only under a condition of the environment.";
  }
  reporter.Observe(verdict.value, verdict.standard_error, verdict.rationale, std::move(evidence));
}

}  // namespace

void CheckShutdown(const Model& model, Reporter& reporter) {
  const bool serves = !model.listens().empty() || !MainApps(model).empty();
  if (!serves) return reporter.NotObservedYet("No server that listens was found.");
  const SignalHandler* term = nullptr;
  for (const SignalHandler& handler : model.signal_handlers()) {
    if (handler.event == "SIGTERM" && (term == nullptr || (!term->function && handler.function))) term = &handler;
  }
  const Node package = DrainingPackage(model);
  if (term == nullptr && package) {
    reporter.Claim(model.SpanOf(package), "On SIGTERM requests in flight are answered before the process ends.");
    return reporter.Observe(0.9, error_of::kCrossFile, "A package that drains the server is wired.",
                            {model.SpanOf(package)});
  }
  if (term == nullptr) {
    const Span place = model.listens().empty() ? model.Anchor() : model.SpanOf(model.listens()[0].call);
    if (model.listens().empty())
      return reporter.NotObservedYet(
          "No listen call and no listener for SIGTERM were found; the server may be started from outside.");
    for (const Skipped& skipped : model.skipped()) {
      if (skipped.reason == "minified or bundled" && skipped.file->bytes.find("SIGTERM") != std::string_view::npos)
        return reporter.NotObservedYet("SIGTERM is named in " + std::string(skipped.file->path) +
                                       ", which is minified and was not read.");
    }
    reporter.Find(place,
                  "No listener for SIGTERM was found: the code suggests that a stop ends the process at once, with "
                  "every request in flight lost.");
    return reporter.Observe(0.1, error_of::kAbsence, "Nothing was found that answers SIGTERM.", {place});
  }
  if (!term->function) {
    reporter.Claim(model.SpanOf(term->call), "SIGTERM is handled.");
    return reporter.Observe(0.5, 0.4, "A listener for SIGTERM is registered; what it does could not be followed.",
                            {model.SpanOf(term->call)});
  }
  const ShutdownFacts facts = ShutdownPath(model).Read(term->function);
  Verdict verdict = Judge(model, *term, facts);
  if (package && !facts.close)
    verdict = {0.85, error_of::kCrossFile, package, "",
               "A package that drains the server is wired beside a listener of its own."};
  if (!verdict.message.empty()) reporter.Find(model.SpanOf(verdict.place), verdict.message);
  if (facts.close) {
    reporter.Claim(model.SpanOf(facts.close),
                   verdict.value >= 0.6 ? "On SIGTERM requests in flight are answered before the process ends."
                                        : "On SIGTERM the server is closed.");
  }
  std::vector<Span> evidence = {model.SpanOf(verdict.place), model.SpanOf(term->call)};
  for (Node node : {facts.close, facts.late_exit, facts.timer, facts.late_dependency}) {
    if (node) evidence.push_back(model.SpanOf(node));
  }
  ObserveGuarded(model, reporter, *term, verdict, std::move(evidence));
}

}  // namespace assay::code_analysis
