// E5, E7, E9 and the table of family E. E1 and E4 are in timeouts.cc, E8 in shutdown.cc.
#include "plugins/code_analysis/checks/resilience.h"

#include <algorithm>
#include <set>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/reading.h"

namespace assay::code_analysis {
namespace {

// A file that runs several copies of the server; null when none says so.
const SourceFile* SeveralCopies(const Model& model) {
  for (const SourceFile& file : model.files()) {
    const std::string_view path = file.path;
    const bool yaml =
        path.size() > 5 && (path.substr(path.size() - 5) == ".yaml" || path.substr(path.size() - 4) == ".yml");
    const bool pm2 = path.find("ecosystem.config") != std::string_view::npos;
    if ((!yaml && !pm2) || file.bytes.size() > (1u << 20)) continue;
    for (std::string_view key : {"replicas:", "minReplicas:", "scale:", "instances:"}) {
      const size_t at = file.bytes.find(key);
      if (at == std::string_view::npos) continue;
      const std::string_view rest = file.bytes.substr(at + key.size(), 12);
      const size_t digit = rest.find_first_not_of(" \t'\"");
      if (digit != std::string_view::npos && (rest[digit] == 'm' || (rest[digit] >= '2' && rest[digit] <= '9')))
        return &file;
    }
  }
  return nullptr;
}

// Is the value a limiter makes given to an app or router, itself or in an array or object that is?
bool Registered(const Model& model, Node made) {
  for (const Handler& handler : model.handlers()) {
    if (made.Contains(handler.reference) || handler.reference == made) return true;
    const Node resolved = model.Resolve(handler.reference).node;
    if (resolved == made) return true;
    if (handler.function && handler.function.Contains(made)) return true;
    for (Node wrapper : handler.wrappers) {
      if (wrapper == made || model.Resolve(wrapper).node == made) return true;
    }
  }
  return false;
}

std::string LastSegment(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool Among(const std::string& text, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return text == name; });
}

// Does the handler ask something it depends on, or a flag that a shutdown turns?
bool AsksDependencies(const Model& model, Node function, std::set<std::pair<const SyntaxTree*, uint32_t>>& seen) {
  if (!function || seen.size() > 32 || !seen.emplace(function.tree(), function.id()).second) return false;
  for (Node call : function.tree()->AllInside(Kind::kCall, function)) {
    if (model.DatabaseCall(call) != DatabaseKind::kNone || !model.OutboundCall(call).empty()) return true;
    const std::string_view name = CalleeName(call);
    for (std::string_view asks : {"ping", "authenticate", "isReady", "isConnected", "isHealthy", "checkHealth",
                                  "healthCheck", "check", "getHealth", "checkReadiness"}) {
      if (name == asks) return true;
    }
    if (AsksDependencies(model, model.FunctionCalledBy(call), seen)) return true;
  }
  for (Node member : function.tree()->MembersNamed("readyState")) {
    if (function.Contains(member)) return true;
  }
  return false;
}

bool ReadsFlag(const Model& model, Node function) {
  for (Node node : function.Descendants()) {
    if (!node.Is(Kind::kIdentifier)) continue;
    const Node declaration = model.DeclarationOf(node);
    if (!declaration.Is(Kind::kDeclarator) || declaration.EnclosingFunction()) continue;
    for (Node write : model.WritesTo(declaration)) {
      for (const SignalHandler& handler : model.signal_handlers()) {
        if (handler.function && (handler.function.Contains(write) || !(write.EnclosingFunction() == Node())))
          return true;
      }
    }
  }
  return false;
}

}  // namespace

void CheckShedding(const Model& model, Reporter& reporter) {
  std::vector<Node> registered, loops;
  for (const Registration& registration : model.registrations()) {
    for (uint32_t index : registration.handlers) {
      const Handler& handler = model.handlers()[index];
      if (ComesFrom(handler.origin,
                    {"overload-protection", "express-under-pressure", "under-pressure", "@dr.pogodin/under-pressure"}))
        registered.push_back(registration.call);
      if (!handler.function) continue;
      for (Node call : handler.function.tree()->AllInside(Kind::kCall, handler.function)) {
        const std::string origin = model.OriginOf(CalleeOf(call));
        if (ComesFrom(origin, {"toobusy-js", "toobusy"})) registered.push_back(registration.call);
      }
      // A handler of the repository that answers 503 by what the event loop or a count of requests in flight says.
      const std::string_view text = handler.function.text();
      const bool refuses = text.find("503") != std::string_view::npos;
      const bool measures =
          text.find("utilization") != std::string_view::npos || text.find("eventLoop") != std::string_view::npos ||
          text.find("inFlight") != std::string_view::npos || text.find("activeRequests") != std::string_view::npos ||
          text.find("overload") != std::string_view::npos || text.find("lag") != std::string_view::npos ||
          text.find("concurren") != std::string_view::npos;
      if (handler.is_middleware && refuses && measures) registered.push_back(registration.call);
    }
  }
  if (!registered.empty()) {
    reporter.Claim(model.SpanOf(registered[0]), "Under overload requests are refused early with 503.");
    return reporter.Observe(0.95, error_of::kCrossFile, "Requests are refused when the process is overloaded.",
                            SpansOf(model, registered));
  }
  for (std::string_view package : {"toobusy-js", "toobusy", "overload-protection", "express-under-pressure"}) {
    for (Node import : model.ImportsOf(package)) {
      if (model.ModuleOf(import).role != Role::kServer) continue;
      loops.push_back(import);
      reporter.Find(model.SpanOf(import),
                    "`" + std::string(package) + "` is imported, and no registered middleware was seen to ask it.");
    }
  }
  if (!loops.empty())
    return reporter.Observe(0.15, error_of::kSinglePlace, "A package against overload is imported and not registered.",
                            SpansOf(model, loops));
  reporter.NotObservedYet("No admission control by load was recognised.");
}

void CheckRateLimits(const Model& model, Reporter& reporter) {
  std::vector<Node> shared, alone, idle, guarded, made_elsewhere;
  const auto judge = [&](Node call, const std::string& origin) {
    const bool flexible = ComesFrom(origin, {"rate-limiter-flexible"});
    const Setting store = SettingOf(model, ArgumentOf(call, 0), "store");
    if (!flexible && !Registered(model, call)) {
      // What a function makes and hands out may be registered where it could not be followed.
      (call.EnclosingFunction() ? made_elsewhere : idle).push_back(call);
      return;
    }
    const bool outside = model.GuardOf(call) == Guard::kDevelopmentOnly;
    if (outside) guarded.push_back(call);
    const bool is_shared =
        flexible ? origin.find("Memory") == std::string::npos : static_cast<bool>(store) || !store.known;
    (is_shared ? shared : alone).push_back(call);
  };
  for (std::string_view package : {"express-rate-limit", "express-slow-down", "rate-limiter-flexible"}) {
    std::set<const SyntaxTree*> seen;
    for (Node import : model.ImportsOf(package)) {
      if (model.ModuleOf(import).role != Role::kServer || !seen.insert(import.tree()).second) continue;
      for (Kind kind : {Kind::kCall, Kind::kNew}) {
        for (uint32_t id : import.tree()->All(kind)) {
          const Node call(import.tree(), id);
          const std::string origin = model.OriginOf(CalleeOf(call));
          if (ComesFrom(origin, {package}) && origin.find("()") == std::string::npos &&
              origin.find("Store") == std::string::npos && origin.find("ipKey") == std::string::npos)
            judge(call, origin);
        }
      }
    }
  }
  const SourceFile* copies = SeveralCopies(model);
  for (Node call : idle)
    reporter.Find(model.SpanOf(call), "This limiter is made, and was not seen to be registered on any route.");
  for (Node call : guarded) reporter.Find(model.SpanOf(call), "This limiter works only outside production.");
  for (Node call : alone) {
    reporter.Find(
        model.SpanOf(call), copies != nullptr ? Severity::kWarning : Severity::kNote,
        "This limiter counts in the memory of one process" +
            (copies != nullptr ? ", and " + std::string(copies->path) +
                                     " runs several: the code suggests that the limit is a multiple of what is written."
                               : std::string(": with a second process the limit doubles, and a restart forgets it.")));
  }
  if (!guarded.empty())
    return reporter.Observe(0.15, error_of::kHarmfulPlace, "A limiter works only outside production.",
                            SpansOf(model, guarded));
  if (!alone.empty())
    return reporter.Observe(copies != nullptr ? 0.2 : 0.5, error_of::kSinglePlace,
                            "Rate limits are counted in each process alone.", SpansOf(model, alone));
  if (!shared.empty()) {
    reporter.Claim(model.SpanOf(shared[0]), "Requests beyond a rate are refused, counted over all processes.");
    return reporter.Observe(1, error_of::kCrossFile, "Rate limits are counted in a store that processes share.",
                            SpansOf(model, shared));
  }
  if (!idle.empty())
    return reporter.Observe(0.1, error_of::kSinglePlace, "A limiter is made and not registered.", SpansOf(model, idle));
  if (!made_elsewhere.empty())
    return reporter.NotObservedYet("A function makes a limiter (line " + std::to_string(made_elsewhere[0].line()) +
                                   " of " + std::string(made_elsewhere[0].tree()->file().path) +
                                   "); where it is registered could not be followed.");
  reporter.NotObservedYet("No rate limiter was recognised; a gateway may limit instead.");
}

namespace {

enum class Probe { kNone, kLive, kReady };

Probe ProbeOfPath(const std::string& path) {
  const std::string last = LastSegment(path);
  if (Among(last, {"ready", "readyz", "readiness", "_ready"})) return Probe::kReady;
  if (Among(last, {"live", "livez", "liveness", "alive", "health", "healthz", "_health", "healthcheck", "health-check",
                   "heartbeat", "ping", "status", "_status", "__health"}))
    return Probe::kLive;
  return Probe::kNone;
}

// A path from the configuration, told by what it is called: config.healthCheck.path, ENDPOINTS.ping.
Probe ProbeOfExpression(Node expression) {
  std::string name = PathOf(expression);
  if (name.empty()) return Probe::kNone;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (name.find("readiness") != std::string::npos || name.find("readypath") != std::string::npos) return Probe::kReady;
  for (std::string_view known : {"health", "liveness", "heartbeat"}) {
    if (name.find(known) != std::string::npos) return Probe::kLive;
  }
  return name.size() > 5 && name.substr(name.size() - 5) == ".ping" ? Probe::kLive : Probe::kNone;
}

// A call that hands a probe's path to something that could not be followed: this.use("/health", …).
Node UnfollowedProbe(const Model& model) {
  Node found;
  model.ForEachCall({"use", "get", "all", "route", "register", "addRoute"}, [&](Node call) {
    if (found || !CalleeOf(call).Is(Kind::kMember) || !ArgumentOf(call, 1)) return;
    const auto path = StringValue(ArgumentOf(call, 0));
    if (path && path->size() > 1 && (*path)[0] == '/' && ProbeOfPath(*path) != Probe::kNone &&
        model.OutboundCall(call).empty())
      found = call;
  });
  return found;
}

}  // namespace

void CheckProbes(const Model& model, Reporter& reporter) {
  std::vector<Node> liveness, readiness, constant;
  bool asks = false, flips = false;
  for (const Route& route : model.routes()) {
    if (route.method != "GET" && route.method != "ALL" && route.method != "HEAD") continue;
    const Node place = model.registrations()[route.registration].call;
    Probe probe = ProbeOfPath(route.path);
    if (probe == Probe::kNone && !route.path_exact) probe = ProbeOfExpression(ArgumentOf(place, 0));
    if (probe == Probe::kNone) continue;
    const bool ready = probe == Probe::kReady, live = !ready;
    bool depends = false;
    for (uint32_t index : route.handlers) {
      const Node function = model.handlers()[index].function;
      std::set<std::pair<const SyntaxTree*, uint32_t>> seen;
      depends = depends || AsksDependencies(model, function, seen);
      flips = flips || (function && ready && ReadsFlag(model, function));
    }
    asks = asks || depends;
    (ready ? readiness : live && depends ? readiness : liveness).push_back(place);
    if (!depends && !ready) constant.push_back(place);
  }
  Node package;
  for (std::string_view name :
       {"@godaddy/terminus", "lightship", "express-healthcheck", "@cloudnative/health-connect", "express-actuator"}) {
    for (Node import : model.ImportsOf(name)) package = package ? package : import;
  }
  if (package && liveness.empty() && readiness.empty())
    return reporter.Observe(0.75, 0.25, "A package that answers probes is wired.", {model.SpanOf(package)});
  if (model.routes().empty()) return reporter.NotObservedYet("No routes were found, probes among them.");
  std::vector<Node> all = readiness;
  all.insert(all.end(), liveness.begin(), liveness.end());
  if (all.empty()) {
    if (const Node call = UnfollowedProbe(model))
      return reporter.NotObservedYet("Something is registered for probes (line " + std::to_string(call.line()) +
                                     " of " + std::string(call.tree()->file().path) +
                                     ") in a way that could not be followed.");
    reporter.Find(model.Anchor(),
                  "No route for probes was found: whoever runs several copies cannot tell one that serves from one "
                  "that does not.");
    return reporter.Observe(0.15, error_of::kAbsence, "No route for probes was found.", {model.Anchor()});
  }
  reporter.Claim(model.SpanOf(all[0]), "A probe tells whether the server can serve.");
  if (!liveness.empty() && !readiness.empty()) {
    const double value = 0.7 + (asks ? 0.2 : 0) + (flips ? 0.1 : 0);
    return reporter.Observe(value, error_of::kCrossFile,
                            std::string("Liveness and readiness are two routes") +
                                (asks ? "; one asks what the server depends on" : "") +
                                (flips ? " and turns when the server stops." : "."),
                            SpansOf(model, all));
  }
  if (!readiness.empty())
    return reporter.Observe(0.6, error_of::kCrossFile, "One route answers for readiness; none for liveness alone.",
                            SpansOf(model, all));
  reporter.Find(model.SpanOf(constant.empty() ? all[0] : constant[0]),
                "This probe answers the same whatever happens to what the server depends on: the code suggests that "
                "traffic keeps coming while the database is away.");
  reporter.Observe(0.4, error_of::kSinglePlace, "A probe answers without asking what the server depends on.",
                   SpansOf(model, all));
}

namespace {

constexpr Check kChecks[] = {
    {.id = "E1",
     .criterion = "outbound.timeouts",
     .title = "Calls to other services have a time limit",
     .severity = Severity::kWarning,
     .help = "axios, fetch and http.request wait for ever by default. Give each call a limit below the caller's own "
             "(AbortSignal.timeout, the client's timeout option), on the shared instance if there is one, and answer "
             "503 or 504 when it is reached.",
     .question = "The service behind this line accepts the connection and never answers. What happens to this request, "
                 "and to the next thousand?",
     .good_answer = "Knows the client's default, sets a limit that fits the route's own budget, and says what the "
                    "caller answers and whether a retry is safe.",
     .run = CheckOutboundTimeouts},
    {.id = "E4",
     .criterion = "server.timeouts",
     .title = "The server bounds how long clients may take",
     .severity = Severity::kWarning,
     .help = "Set requestTimeout, headersTimeout and keepAliveTimeout on purpose: keepAliveTimeout above the proxy's "
             "idle time, headersTimeout not above requestTimeout, which covers the headers too. Only Node before 14 "
             "needs headersTimeout above keepAliveTimeout. Never 0 on a server that faces the internet.",
     .question = "Which of these limits ends a client that sends one byte a second, and which one decides over resets "
                 "behind a load balancer?",
     .good_answer =
         "Tells the limits apart, knows Node's defaults (headers 60 s, whole request 300 s, keep-alive 5 s), "
         "and puts keep-alive above the proxy's idle time.",
     .run = CheckServerTimeouts},
    {.id = "E5",
     .criterion = "load.shedding",
     .title = "Overload is refused early",
     .severity = Severity::kWarning,
     .help = "Measure the event loop's delay or requests in flight, and answer 503 with Retry-After before work "
             "begins, except for probes. Then those who are admitted still get an answer in time.",
     .question = "Three times the load you can serve arrives here. Which requests are answered, and who decides that?",
     .good_answer = "Explains queueing under overload, a signal (delay, utilisation, in flight), early refusal with "
                    "Retry-After, and what must never be shed.",
     .run = CheckShedding},
    {.id = "E7",
     .criterion = "limits.rate_shared",
     .title = "Rate limits count over all processes",
     .severity = Severity::kWarning,
     .help = "Give the limiter a store that all processes share (Redis, Memcached), decide what happens when the store "
             "is away, and register it before the handlers it guards, in production too.",
     .question = "Four processes run this line behind a balancer. How many requests does one client get through in a "
                 "window, and after a deployment?",
     .good_answer = "Multiplies by the processes, names a shared store and its failure mode, the key that is counted, "
                    "and the headers a client sees.",
     .run = CheckRateLimits},
    {.id = "E8",
     .criterion = "shutdown.drains",
     .title = "A stop loses no request",
     .severity = Severity::kWarning,
     .help = "On SIGTERM turn readiness off, call server.close(), wait for its callback (it returns no promise), close "
             "databases after that, then exit; an unref'd timer below the platform's limit forces the end. stoppable, "
             "http-terminator and terminus do this.",
     .question = "SIGTERM arrives while a request is waiting for the database. Walk through this code: what happens to "
                 "that request?",
     .good_answer = "Knows that close() stops accepting and calls back when connections are done, orders dependencies "
                    "after the drain, handles kept-alive connections, bounds the whole by a timer.",
     .run = CheckShutdown},
    {.id = "E9",
     .criterion = "health.probes",
     .title = "Liveness and readiness are told apart",
     .severity = Severity::kNote,
     .help = "Liveness says that the process should not be restarted: answer it without asking others. Readiness says "
             "that it can serve: ask the database with a short limit, and turn it off when SIGTERM arrives.",
     .question = "The database is away for a minute. What does this route answer, and what does the platform do with "
                 "the process?",
     .good_answer = "Separates restart from routing, keeps dependencies out of liveness, bounds the readiness check, "
                    "turns it off while draining.",
     .run = CheckProbes},
};

}  // namespace

std::span<const Check> ResilienceChecks() { return kChecks; }

}  // namespace assay::code_analysis
