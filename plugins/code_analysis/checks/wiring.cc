// A2, A3, A4, A6, A7, A8, A9: how the application is put together.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/reading.h"
#include "plugins/code_analysis/checks/wiring.h"

namespace assay::code_analysis {
namespace {

bool NamesError(std::string_view name) {
  return name == "err" || name == "error" || name == "exception" || name == "ex";
}

bool HandlesErrors(const Handler& handler) {
  if (handler.is_error_handler) return true;
  if (ComesFrom(handler.origin,
                {"errorhandler", "@sentry/node.Handlers.errorHandler", "@sentry/node.expressErrorHandler",
                 "celebrate.errors", "express-boom", "api-error-handler", "strong-error-handler",
                 "express-error-handler", "newrelic", "@bugsnag/plugin-express", "boom-express"})) {
    return true;
  }
  // Factories of error handlers that could not be followed, told by their name.
  if (handler.function) return false;
  std::string name = PathOf(handler.reference.Is(Kind::kCall) ? CalleeOf(handler.reference) : handler.reference);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return name.find("error") != std::string::npos;
}

// Is the last thing for errors behind everything that can fail?
void ErrorHandlerLast(const Model& model, Reporter& reporter) {
  size_t routes = 0;
  std::vector<Node> good, late, without;
  bool routers_only = false;
  for (uint32_t app : MainApps(model)) {
    const Registration* last = nullptr;
    const size_t before = routes;
    for (const Registration* registration : RegistrationsOn(model, app)) {
      if (BringsRoutes(model, *registration)) {
        ++routes;
        continue;
      }
      if (registration->guard == Guard::kDevelopmentOnly) continue;
      for (uint32_t handler : registration->handlers) {
        if (HandlesErrors(model.handlers()[handler])) last = registration;
      }
    }
    if (last == nullptr) {
      if (routes > before && model.apps()[app].creation.Is(Kind::kCall)) without.push_back(model.apps()[app].creation);
      continue;
    }
    bool routes_behind = false;
    for (const Registration* registration : RegistrationsOn(model, app)) {
      if (registration->order <= last->order || !BringsRoutes(model, *registration)) continue;
      routes_behind = true;
      reporter.Find(model.SpanOf(last->call),
                    "The code suggests that errors of routes registered after this error handler, such as line " +
                        std::to_string(registration->call.line()) + " of " +
                        std::string(registration->call.tree()->file().path) +
                        ", do not reach it: Express looks only further down.");
      break;
    }
    (routes_behind ? late : good).push_back(last->call);
  }
  model.ForEachCall({"setupExpressErrorHandler"}, [&](Node call) { good.push_back(call); });
  for (const Registration& registration : model.registrations()) {
    if (registration.guard == Guard::kDevelopmentOnly) continue;
    for (uint32_t handler : registration.handlers)
      routers_only = routers_only || HandlesErrors(model.handlers()[handler]);
  }
  if (routes == 0 && model.routes().empty())
    return reporter.NotObservedYet("No routes were found whose errors would need a handler.");
  if (!late.empty())
    return reporter.Observe(0.3, error_of::kCrossFile, "An error handler is registered before routes it should serve.",
                            SpansOf(model, late));
  if (!good.empty() && !without.empty()) {
    for (Node creation : without)
      reporter.Find(model.SpanOf(creation),
                    "This application has routes of its own and no error handler, unlike the one beside it: the code "
                    "suggests that its errors are answered by Express's own page.");
    good.insert(good.begin(), without.begin(), without.end());
    return reporter.Observe(0.5, error_of::kCrossFile, "One application has an error handler, another has none.",
                            SpansOf(model, good));
  }
  if (!good.empty())
    return reporter.Observe(1, error_of::kCrossFile, "The last middleware for errors stands behind all routes.",
                            SpansOf(model, good));
  if (routers_only)
    return reporter.Observe(0.55, 0.3, "Error handlers stand on routers; none was found on the application itself.",
                            {model.Anchor()});
  reporter.Find(model.Anchor(),
                "No error handler of four parameters was found on this application: the code suggests that errors are "
                "answered by Express's own page, in HTML, with the stack outside production.");
  reporter.Observe(0.15, error_of::kAbsence, "No error handler was found on the application.", {model.Anchor()});
}

void ErrorHandlerArity(const Model& model, Reporter& reporter) {
  std::vector<Node> right, wrong;
  for (const Handler& handler : model.handlers()) {
    if (!handler.function) continue;
    if (handler.is_error_handler) {
      right.push_back(handler.function);
      continue;
    }
    const auto parameters = ParametersOf(handler.function);
    if (!handler.is_middleware || parameters.size() < 2 || parameters.size() > 4 ||
        !NamesError(ParameterName(parameters[0])))
      continue;
    wrong.push_back(handler.function);
    reporter.Find(model.SpanOf(handler.function),
                  "The first parameter is called `" + std::string(ParameterName(parameters[0])) +
                      "`, but Express counts " + std::to_string(ArityOf(handler.function)) +
                      " parameters: the code suggests that this runs as ordinary middleware, with the request in that "
                      "parameter, and never for errors.");
  }
  if (!wrong.empty())
    return reporter.Observe(0, error_of::kHarmfulPlace,
                            Counted(wrong.size(), "function") + " for errors without four parameters.",
                            SpansOf(model, wrong));
  if (right.empty()) return reporter.NotObservedYet("No function that handles errors was found.");
  reporter.Observe(1, error_of::kSinglePlace, "Every function for errors takes four parameters.",
                   SpansOf(model, right));
}

bool IsProbePath(const Registration& registration) {
  return std::any_of(registration.paths.begin(), registration.paths.end(), [](const std::string& path) {
    for (std::string_view probe : {"health", "live", "ready", "ping", "status", "favicon", "robots", "metrics"}) {
      if (path.find(probe) != std::string::npos) return true;
    }
    return false;
  });
}

// A route that only sends the client elsewhere: the request that counts comes to another one.
bool OnlyRedirects(const Model& model, const Registration& registration) {
  if (registration.handlers.size() != 1 || !registration.mounts.empty()) return false;
  const Node function = model.handlers()[registration.handlers[0]].function;
  const auto calls = function ? function.tree()->AllInside(Kind::kCall, function) : std::vector<Node>();
  return calls.size() == 1 && CalleeName(calls[0]) == "redirect";
}

bool IsChange(const std::string& method) {
  return method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE" || method == "ALL";
}

bool BringsChanges(const Model& model, const Registration& registration) {
  if (IsChange(registration.method)) return true;
  if (registration.mounts.empty()) return false;
  for (const Registration& inner : model.registrations()) {
    if (std::find(registration.mounts.begin(), registration.mounts.end(), inner.app) == registration.mounts.end())
      continue;
    if (IsChange(inner.method) || !inner.mounts.empty()) return true;
  }
  return false;
}

void SecurityOrder(const Model& model, Reporter& reporter) {
  std::vector<Node> early, late;
  for (uint32_t app : MainApps(model)) {
    const Registration *first_route = nullptr, *first_change = nullptr;
    for (const Registration* registration : RegistrationsOn(model, app)) {
      if (BringsRoutes(model, *registration) && !IsProbePath(*registration) && !OnlyRedirects(model, *registration)) {
        if (first_route == nullptr) first_route = registration;
        if (first_change == nullptr && BringsChanges(model, *registration)) first_change = registration;
      }
      if (registration->method != "USE") continue;
      const auto origins = OriginsOf(model, *registration);
      const auto guards = std::find_if(origins.begin(), origins.end(), [](const std::string& origin) {
        return ComesFrom(origin, {"helmet", "cors", "express-rate-limit", "csurf", "csrf-csrf", "lusca", "hpp",
                                  "express-slow-down", "express-mongo-sanitize", "rate-limiter-flexible"});
      });
      if (guards == origins.end()) continue;
      // A limiter on its own path guards what comes later on purpose.
      const bool everywhere =
          std::all_of(registration->paths.begin(), registration->paths.end(),
                      [](const std::string& path) { return path.empty() || path == "/" || path == "*"; });
      // Tokens against forged requests are asked of requests that change something.
      const Registration* exposed =
          ComesFrom(*guards, {"csurf", "csrf-csrf", "csrf-sync"}) ? first_change : first_route;
      if (exposed == nullptr || !everywhere) {
        early.push_back(registration->call);
        continue;
      }
      late.push_back(registration->call);
      reporter.Find(model.SpanOf(registration->call), "`" + guards->substr(0, guards->find_first_of(".(")) +
                                                          "` is registered after routes (the first at line " +
                                                          std::to_string(exposed->call.line()) + " of " +
                                                          std::string(exposed->call.tree()->file().path) +
                                                          "): the code suggests that those answer without it.");
    }
  }
  if (early.empty() && late.empty())
    return reporter.NotObservedYet("No security middleware for the whole application was found.");
  if (late.empty())
    return reporter.Observe(1, error_of::kCrossFile, "Security middleware stands before the routes it guards.",
                            SpansOf(model, early));
  const double value = 0.5 * static_cast<double>(early.size()) / static_cast<double>(early.size() + late.size());
  reporter.Observe(value, error_of::kHarmfulPlace,
                   Counted(late.size(), "security middleware registration") + " behind routes.", SpansOf(model, late));
}

constexpr Check kChecks[] = {
    {.id = "A2",
     .criterion = "errors.handler_last",
     .title = "The error handler comes last",
     .severity = Severity::kWarning,
     .help = "Express passes an error to the next function of four parameters that was registered after the failing "
             "one. Register one error handler on the application, behind all "
             "routes and routers, that answers in the API's own format and hides details of unexpected errors.",
     .question = "A handler registered further down in this application throws. Follow the error: which functions see "
                 "it, and what does the client get?",
     .good_answer = "Names the order of registration, the four parameters, what Express's default handler answers "
                    "(HTML, stack outside production), and where headersSent matters.",
     .run = ErrorHandlerLast},
    {.id = "A3",
     .criterion = "errors.handler_arity",
     .title = "Error handlers take four parameters",
     .severity = Severity::kError,
     .help = "Express tells error handlers from other middleware by Function.length alone. Declare all four "
             "parameters, without defaults or rest, even if `next` is not used.",
     .question = "When does Express call this function, and with what in its first parameter?",
     .good_answer = "Says that fewer than four parameters make it ordinary middleware, called for every request with "
                    "the request first, and that a test which fails a route would show it.",
     .run = ErrorHandlerArity},
    {.id = "A4",
     .criterion = "security.middleware_order",
     .title = "Security middleware stands before the routes",
     .severity = Severity::kWarning,
     .help = "Middleware runs in the order of registration. Headers, CORS and limits that are registered after a route "
             "do not touch its answers. Move them in front of the first route.",
     .question = "Which of this application's responses carry what this line adds, and which do not?",
     .good_answer = "Walks through the order of registration, names the routes above the line, and moves it or argues "
                    "why those are left out on purpose.",
     .run = SecurityOrder},
    {.id = "A6",
     .criterion = "security.trust_proxy",
     .title = "trust proxy fits what depends on the client's address",
     .severity = Severity::kWarning,
     .help = "With `trust proxy` true, anyone can choose req.ip by sending X-Forwarded-For; without it, every request "
             "behind a proxy comes from the proxy. Set the number of hops or the "
             "proxy's address range, and let limiters and secure cookies rest on that.",
     .question = "A client sends X-Forwarded-For with an address of its choice. What is req.ip here, and what does the "
                 "limiter count?",
     .good_answer = "Explains hop counts or address ranges, why true is open to forgery, and what happens to limiters "
                    "and secure cookies behind a proxy without the setting.",
     .run = CheckTrustProxy},
    {.id = "A7",
     .criterion = "security.headers",
     .title = "Security headers are sent",
     .severity = Severity::kNote,
     .help = "Register helmet (or set the headers at the proxy) for all responses, keep its content security policy "
             "on, and switch X-Powered-By off. An API needs at least nosniff, HSTS and no X-Powered-By.",
     .question = "Which security headers does a response of this application carry, and who sets them?",
     .good_answer = "Knows helmet's defaults, what CSP protects and costs, what is left to a proxy, and how to check "
                    "it with one request.",
     .run = CheckHeaders},
    {.id = "A8",
     .criterion = "security.cors",
     .title = "CORS admits only who should read",
     .severity = Severity::kWarning,
     .help = "`cors()` without options lets every web site read the answers. Reflecting the caller's origin together "
             "with credentials gives every site the user's session. List the origins that may read.",
     .question = "A page of another site calls this API from a signed-in user's browser. What can it read with this "
                 "configuration?",
     .good_answer = "Tells wildcard from reflection, knows that credentials forbid the wildcard but not reflection, "
                    "names the allowed origins and the preflight.",
     .run = CheckCors},
    {.id = "A9",
     .criterion = "limits.body_size",
     .title = "Bodies and uploads are bounded",
     .severity = Severity::kWarning,
     .help = "Body parsers stop at 100 kB unless told otherwise. Raise the limit only on the routes that need it, and "
             "give every upload parser limits for size and number of files: memory and disk are shared by all clients.",
     .question = "Ten clients each send the largest body this line accepts, at once. What happens to memory and to the "
                 "other requests?",
     .good_answer = "Does the arithmetic, knows that JSON is buffered and parsed in one go, puts large limits on "
                    "single routes, streams uploads.",
     .run = CheckBodySize},
};

}  // namespace

std::span<const Check> WiringChecks() { return kChecks; }

}  // namespace assay::code_analysis
