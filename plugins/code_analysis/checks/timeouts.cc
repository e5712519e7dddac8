// E1 and E4: how long the application waits for others, and others for it.
#include <algorithm>

#include "plugins/code_analysis/checks/reading.h"
#include "plugins/code_analysis/checks/resilience.h"

namespace assay::code_analysis {
namespace {

enum class Bound { kYes, kNo, kUnknown };

// Before this major, headersTimeout also ran while a kept connection was idle; since then it starts with the first byte
// of a request.
constexpr int kCountsHeadersFromRequest = 14;

Bound AnyOption(const Model& model, Node options, std::initializer_list<std::string_view> keys) {
  bool known = true;
  for (std::string_view key : keys) {
    const Setting option = SettingOf(model, options, key);
    if (option) return Bound::kYes;
    known = known && option.known;
  }
  return known ? Bound::kNo : Bound::kUnknown;
}

// The call that made the client instance a call is made on: axios.create({…}).
Node InstanceOf(const Model& model, Node call) {
  Node object = CalleeOf(call);
  if (object.Is(Kind::kMember)) object = object[Field::kObject];
  const Node made = model.Resolve(object).node;
  return made.Is(Kind::kCall) || made.Is(Kind::kNew) ? made : Node();
}

// Are defaults of a client set anywhere: axios.defaults.timeout = …
bool DefaultTimeout(const Model& model) {
  bool found = false;
  model.ForEachMember({"timeout"}, [&](Node member) {
    found = found || PathOf(member[Field::kObject]).find("defaults") != std::string::npos;
  });
  return found;
}

// A chained .timeout(…), or a setTimeout and a timeout event on the request that was made.
bool BoundLater(Node call) {
  for (Node around = call.parent(); around; around = around.parent()) {
    if (around.Is(Kind::kMember) && around[Field::kProperty].text() == "timeout") return true;
    if (!around.Is(Kind::kMember) && !around.Is(Kind::kCall)) break;
  }
  const Node function = call.EnclosingFunction();
  const Node scope = function ? function : call.tree()->root();
  for (Node other : call.tree()->CallsNamed("setTimeout")) {
    if (scope.Contains(other) && CalleeOf(other).Is(Kind::kMember)) return true;
  }
  for (std::string_view name : {"race", "withTimeout", "pTimeout", "timeout"}) {
    for (Node other : call.tree()->CallsNamed(name)) {
      if (other.Contains(call)) return true;
    }
  }
  return false;
}

Bound JudgeCall(const Model& model, Node call, const std::string& origin) {
  const auto arguments = ArgumentsOf(call);
  Bound bound = Bound::kNo;
  const auto look = [&](Node options, std::initializer_list<std::string_view> keys) {
    if (!options) return;
    const Bound one = AnyOption(model, options, keys);
    if (one == Bound::kYes || (one == Bound::kUnknown && bound == Bound::kNo)) bound = one;
  };
  if (BoundLater(call)) return Bound::kYes;
  if (ComesFrom(origin, {"ky"})) return Bound::kYes;  // ten seconds by default
  if (origin == "fetch" || ComesFrom(origin, {"node-fetch", "cross-fetch", "isomorphic-fetch", "undici"})) {
    if (arguments.size() < 2) return Bound::kNo;
    look(arguments[1], {"signal", "timeout", "dispatcher", "headersTimeout", "bodyTimeout"});
    return bound;
  }
  if (ComesFrom(origin, {"http", "https"})) {
    for (Node argument : arguments) {
      const Value value = model.Resolve(argument);
      const bool address =
          StringValue(argument) || argument.Is(Kind::kTemplate) || ComesFrom(value.origin, {"URL", "url.URL"});
      if (!argument.Bare().IsFunction() && !value.node.IsFunction() && !address) look(argument, {"timeout", "signal"});
    }
    return bound;
  }
  // Clients whose options may stand in any argument, or on the instance.
  for (Node argument : arguments) {
    const Node value = model.Resolve(argument).node;
    if (value.Is(Kind::kObject))
      look(argument, {"timeout", "signal", "response_timeout", "open_timeout", "read_timeout", "cancelToken"});
  }
  const Node instance = InstanceOf(model, call);
  if (bound == Bound::kNo && instance) {
    for (Node argument : ArgumentsOf(instance)) look(argument, {"timeout", "signal", "response_timeout"});
  }
  if (bound == Bound::kNo && DefaultTimeout(model)) return Bound::kYes;
  // A configuration object that is the only argument and could not be followed.
  if (bound == Bound::kNo && arguments.size() == 1 && !model.Resolve(arguments[0]).node.Is(Kind::kObject) &&
      CalleeName(call) == "request")
    return Bound::kUnknown;
  return bound;
}

// What a listen() or createServer() gave.
bool IsHttpServer(const Model& model, Node object) {
  const std::string origin = model.OriginOf(object);
  for (std::string_view made :
       {".listen()", "createServer()", "createSecureServer()", "http.Server()", "https.Server()", "stoppable()"}) {
    if (origin.size() >= made.size() && origin.substr(origin.size() - made.size()) == made) return true;
  }
  const std::string path = PathOf(object);
  return origin.empty() && (path == "server" || path == "httpServer" || path == "this.server" ||
                            path == "this.httpServer" || path == "srv");
}

}  // namespace

void CheckOutboundTimeouts(const Model& model, Reporter& reporter) {
  std::vector<Node> bounded, open, unknown;
  model.ForEachCall(
      {"fetch",  "axios", "get",        "post", "put",  "patch",   "delete", "head",   "request", "got",
       "needle", "ky",    "superagent", "bent", "phin", "default", "http",   "client", "api",     "instance"},
      [&](Node call) {
        const std::string origin = model.OutboundCall(call);
        if (origin.empty()) return;
        switch (JudgeCall(model, call, origin)) {
          case Bound::kYes:
            bounded.push_back(call);
            break;
          case Bound::kUnknown:
            unknown.push_back(call);
            break;
          case Bound::kNo:
            open.push_back(call);
            reporter.Find(
                model.SpanOf(call),
                "This call to another service has no time limit: the code suggests that a service which hangs keeps " +
                    std::string(model.OnRequestPath(call) ? "the request" : "the caller") + " waiting for good.");
            break;
        }
      });
  const size_t judged = bounded.size() + open.size();
  if (judged == 0 && unknown.empty()) return reporter.NotObservedYet("No call to another service was found.");
  if (judged == 0)
    return reporter.Observe(0.6, 0.4, "Calls to other services take options that could not be followed.",
                            SpansOf(model, unknown));
  if (open.empty()) {
    reporter.Claim(model.SpanOf(bounded[0]), "Calls to other services end after a time limit.");
    return reporter.Observe(1, error_of::kSinglePlace,
                            Counted(bounded.size(), "outbound call") + ", each with a time limit.",
                            SpansOf(model, bounded));
  }
  const double share = static_cast<double>(bounded.size()) / static_cast<double>(judged);
  reporter.Observe(0.7 * share, error_of::kHarmfulPlace,
                   std::to_string(open.size()) + " of " + Counted(judged, "outbound call") + " without a time limit.",
                   SpansOf(model, open));
}

void CheckServerTimeouts(const Model& model, Reporter& reporter) {
  std::vector<Node> set, disabled;
  double keep_alive = -1, headers = -1, request = -1;
  Node keep_alive_place, headers_place;
  const auto note = [&](std::string_view name, Node value, Node place) {
    const auto number = NumberValue(model.Resolve(value).node);
    // A socket's `timeout` is 0 by default: writing that down bounds nothing and takes nothing away.
    if (number && *number == 0 && name == "timeout") return;
    if (number && *number == 0 && name != "keepAliveTimeout") {
      disabled.push_back(place);
      reporter.Find(
          model.SpanOf(place),
          "`" + std::string(name) + "` is 0: the code suggests that a client may take for ever to send its request.");
      return;
    }
    if (number && name == "keepAliveTimeout") {
      keep_alive = *number;
      keep_alive_place = place;
    }
    if (number && name == "headersTimeout") {
      headers = *number;
      headers_place = place;
    }
    if (number && name == "requestTimeout") request = *number;
    set.push_back(place);
  };
  bool wholesale = false;
  model.ForEachMember({"requestTimeout", "headersTimeout", "keepAliveTimeout", "timeout"}, [&](Node member) {
    const Node assignment = member.parent();
    if (!assignment.Is(Kind::kAssignment) || !(assignment[Field::kLeft] == member) ||
        !IsHttpServer(model, member[Field::kObject]))
      return;
    note(member[Field::kProperty].text(), assignment[Field::kRight], assignment);
  });
  model.ForEachCall({"setTimeout"}, [&](Node call) {
    const Node callee = CalleeOf(call);
    if (callee.Is(Kind::kMember) && IsHttpServer(model, callee[Field::kObject]))
      note("timeout", ArgumentOf(call, 0), call);
  });
  model.ForEachCall({"createServer"}, [&](Node call) {
    for (std::string_view key : {"requestTimeout", "headersTimeout", "keepAliveTimeout"}) {
      const Setting option = SettingOf(model, ArgumentOf(call, 0), key);
      if (option && model.Resolve(ArgumentOf(call, 0)).node.Is(Kind::kObject)) note(key, option.value, option.value);
    }
  });
  Node assigned;
  model.ForEachCall({"assign"}, [&](Node call) {
    if (!IsHttpServer(model, ArgumentOf(call, 0))) return;
    wholesale = true;
    assigned = call;
  });
  if (!disabled.empty())
    return reporter.Observe(0.1, error_of::kHarmfulPlace, "A time limit of the server is switched off.",
                            SpansOf(model, disabled));
  if (set.empty() && wholesale)
    return reporter.Observe(
        0.7, 0.4, "Settings of the server are assigned wholesale from a configuration; a run has to show them.",
        {model.SpanOf(assigned)});
  if (set.empty())
    return reporter.NotObservedYet(
        "No time limit of the server is set; Node's own hold (headers 60 s, whole request 300 s).");
  reporter.Claim(model.SpanOf(set[0]), "The server bounds how long a client may take.");
  const std::vector<int>& majors = model.versions().node_majors;
  if (keep_alive >= 0 && headers >= 0 && keep_alive >= headers && !majors.empty() &&
      majors.front() < kCountsHeadersFromRequest) {
    reporter.Find(model.SpanOf(keep_alive_place),
                  "keepAliveTimeout is not below headersTimeout, and the repository admits Node " +
                      std::to_string(majors.front()) +
                      ", which counts headersTimeout from the end of the last answer: the code suggests that a kept "
                      "connection can be cut while the next request's headers arrive.");
    return reporter.Observe(0.35, error_of::kHarmfulPlace,
                            "The server's time limits are set in an order that cuts live connections on old Node.",
                            SpansOf(model, set));
  }
  if (request > 0 && headers > request && (majors.empty() || majors.back() >= kCountsHeadersFromRequest)) {
    const bool option = !headers_place.Is(Kind::kAssignment);
    reporter.Find(model.SpanOf(headers_place),
                  option ? "headersTimeout is above requestTimeout: since Node 18 createServer refuses these options "
                           "(ERR_OUT_OF_RANGE), so the server does not start."
                         : "headersTimeout is above requestTimeout, which covers the headers too and ends the request "
                           "first: the code suggests that this limit has no effect.");
    return reporter.Observe(option ? 0.2 : 0.6, error_of::kSinglePlace,
                            "headersTimeout is longer than the limit for the whole request.", SpansOf(model, set));
  }
  reporter.Observe(0.95, error_of::kSinglePlace, "Time limits of the server are set on purpose.", SpansOf(model, set));
}

}  // namespace assay::code_analysis
