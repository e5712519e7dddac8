#include "plugins/code_analysis/model/application.h"

#include <algorithm>
#include <array>

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxApps = 2000;
constexpr size_t kMaxRegistrations = 20000;
constexpr int kMaxFollow = 12;

constexpr std::array<std::string_view, 14> kVerbs = {"get",    "post",    "put",       "delete", "patch",
                                                     "head",   "options", "del",       "copy",   "propfind",
                                                     "search", "report",  "subscribe", "purge"};

bool IsVerb(std::string_view name) { return std::find(kVerbs.begin(), kVerbs.end(), name) != kVerbs.end(); }

std::string MethodOf(std::string_view verb) {
  if (verb == "del") return "DELETE";
  std::string upper(verb);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return upper;
}

bool MakesApp(std::string_view origin, bool& router) {
  for (std::string_view name : {"express", "express-ws.app", "express.application", "@types/express"}) {
    if (origin == name) {
      router = false;
      return true;
    }
  }
  for (std::string_view name :
       {"express.Router", "express-promise-router", "express-promise-router.Router", "express.router", "router",
        "express.express.Router", "express-async-router.AsyncRouter", "@root/async-router.Router"}) {
    if (origin == name) {
      router = true;
      return true;
    }
  }
  return false;
}

// Calls that hand back the app or router they were called on.
bool ReturnsItself(std::string_view name) {
  return name == "use" || name == "all" || name == "param" || name == "set" || name == "enable" || name == "disable" ||
         name == "engine" || IsVerb(name);
}

bool ContainsFunctionNamed(std::string_view text, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view name) { return text.find(name) != std::string_view::npos; });
}

}  // namespace

Application::Application(Values& values) : values_(values), graph_(values.graph()) {
  FindApps();
  if (apps_.empty() && graph_.ImportersOf("express").empty()) return;
  FindRegistrations();
  SortRegistrations();
  FindListens();
  ComposeRoutes();
}

uint32_t Application::AddApp(Node creation, bool is_router) {
  const std::pair<uint32_t, uint32_t> key{graph_.IndexOf(creation.tree()), creation.id()};
  const auto [at, added] = app_at_.emplace(key, static_cast<uint32_t>(apps_.size()));
  if (added) {
    std::string name(NameOf(creation.parent()));
    if (name.empty()) name = is_router ? "router" : "app";
    apps_.push_back({.creation = creation, .is_router = is_router, .listens = false, .name = std::move(name)});
  }
  return at->second;
}

void Application::FindApps() {
  std::vector<bool> imports(graph_.modules().size(), false);
  for (std::string_view package :
       {"express", "express-promise-router", "router", "express-ws", "express-async-router"}) {
    for (uint32_t index : graph_.ImportersOf(package)) imports[index] = true;
  }
  for (const auto& module : graph_.modules()) {
    if (module->role == Role::kTest || module->role == Role::kDeclaration || module->role == Role::kConfiguration)
      continue;
    const auto look = [&](Node call) {
      bool router = false;
      if (apps_.size() < kMaxApps && MakesApp(values_.Resolve(CalleeOf(call)).origin, router)) AddApp(call, router);
    };
    if (imports[module->index]) {
      for (Kind kind : {Kind::kCall, Kind::kNew}) {
        for (uint32_t id : module->tree.All(kind)) look(Node(&module->tree, id));
      }
    } else {
      for (std::string_view name : {"Router", "express"}) {
        for (Node call : module->tree.CallsNamed(name)) look(call);
      }
    }
  }
}

std::vector<uint32_t> Application::AppsOf(Node expression) {
  std::vector<uint32_t> apps;
  AppendApps(expression, 0, apps);
  std::sort(apps.begin(), apps.end());
  apps.erase(std::unique(apps.begin(), apps.end()), apps.end());
  return apps;
}

void Application::AppendApps(Node expression, int depth, std::vector<uint32_t>& out) {
  const Node node = expression.Bare();
  if (!node || depth > kMaxFollow || out.size() > 64) return;
  if (node.Is(Kind::kTernary) || (node.Is(Kind::kBinary) && node.op() != Operator::kPlus)) {
    for (Field field : {Field::kConsequence, Field::kAlternative, Field::kLeft, Field::kRight})
      AppendApps(node[field], depth + 1, out);
    return;
  }
  if (node.Is(Kind::kAwait)) return AppendApps(node.first_child(), depth + 1, out);
  // app.use(…).use(…), router.route("/x").get(…)
  if (node.Is(Kind::kCall)) {
    const Node callee = CalleeOf(node);
    if (callee.Is(Kind::kMember) && (ReturnsItself(CalleeName(node)) || CalleeName(node) == "route")) {
      const size_t before = out.size();
      AppendApps(callee[Field::kObject], depth + 1, out);
      if (out.size() > before) return;
    }
  }
  const Value value = values_.Resolve(node);
  if (value.node) {
    const auto found = app_at_.find({graph_.IndexOf(value.node.tree()), value.node.id()});
    if (found != app_at_.end()) {
      out.push_back(found->second);
      return;
    }
  }
  if (value.node.Is(Kind::kCall) && !(value.node == node)) return AppendApps(value.node, depth + 1, out);
  // `new Controller().router` reaches the class's field; `expressWs(app).app`, `addAsync(app)` hand the app through.
  if (node.Is(Kind::kCall) || value.node.Is(Kind::kCall)) {
    const Node call = value.node.Is(Kind::kCall) ? value.node : node;
    const std::string origin = values_.Resolve(CalleeOf(call)).origin;
    if (ContainsFunctionNamed(origin, {"express-ws", "express-async", "@awaitjs/express", "asyncify", "vhost",
                                       "express-oas-generator", "swagger-express"})) {
      for (Node argument : ArgumentsOf(call)) AppendApps(argument, depth + 1, out);
    }
    return;
  }
  if (value.node.Is(Kind::kIdentifier) || value.node.Is(Kind::kShorthandPattern)) {
    const auto arguments = values_.ArgumentsFor(value.node);
    for (Node argument : arguments) AppendApps(argument, depth + 1, out);
    if (arguments.empty()) {
      if (const auto app = UncalledParameter(value.node)) out.push_back(*app);
    }
  }
}

// A function that nobody is seen to call and that registers on what it is given: called by a framework or by what could
// not be followed. Its parameter stands for an app of its own, mounted who knows where.
std::optional<uint32_t> Application::UncalledParameter(Node leaf) {
  const Binding* binding = values_.BindingOf(leaf);
  if (binding == nullptr || binding->kind != BindingKind::kParameter) return std::nullopt;
  const std::string_view name = leaf.text();
  const std::string_view type = TypeOf(leaf);
  const bool typed = type == "Router" || type == "Express" || type == "Application" || type == "express.Router" ||
                     type == "express.Application" || type == "express.Express" || type == "IRouter" ||
                     type == "core.Express";
  const bool named = name == "app" || name == "router" || name == "server" || name == "expressApp" || name == "route";
  if (!typed && !(named && (type.empty() || type == "any"))) return std::nullopt;
  const bool router = type.find("Router") != std::string_view::npos || name == "router" || name == "route";
  return AddApp(leaf, router);
}

bool Application::LooksLikePath(Node argument, bool verb, size_t remaining) {
  const Node node = argument.Bare();
  switch (node.kind()) {
    case Kind::kString:
    case Kind::kTemplate:
    case Kind::kRegex:
      return true;
    case Kind::kFunctionExpression:
    case Kind::kArrow:
      return false;
    default:
      break;
  }
  if (remaining == 0) return false;
  // A verb's first argument is its path, wherever it comes from; only use() may start with a function.
  if (verb) return !values_.Resolve(node).node.IsFunction();
  if (!AppsOf(node).empty()) return false;
  const Texts texts = values_.TextsOf(node);
  if (!texts.values.empty()) return true;
  const Value value = values_.Resolve(node);
  if (value.node.IsFunction() || node.Is(Kind::kArray)) return false;
  if (node.Is(Kind::kBinary) && node.op() == Operator::kPlus) return true;
  const std::string path = PathOf(node);
  std::string lower;
  for (char c : path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1))
    lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return ContainsFunctionNamed(lower, {"path", "prefix", "url", "uri", "endpoint", "base", "root"});
}

void Application::FindRegistrations() {
  for (const auto& module : graph_.modules()) {
    if (module->role != Role::kServer) continue;
    const auto read = [&](std::string_view name) {
      for (Node call : module->tree.CallsNamed(name)) ReadRegistration(call, name);
    };
    read("use");
    read("all");
    read("param");
    for (std::string_view verb : kVerbs) read(verb);
    // app[method](path, handler)
    for (uint32_t id : module->tree.All(Kind::kCall)) {
      const Node call(&module->tree, id);
      const Node callee = CalleeOf(call);
      if (!callee.Is(Kind::kSubscript) || ArgumentsOf(call).size() < 2) continue;
      const auto apps = AppsOf(callee[Field::kObject]);
      if (apps.empty()) continue;
      const Texts methods = values_.TextsOf(callee[Field::kIndex]);
      auto arguments = ArgumentsOf(call);
      const Node path = LooksLikePath(arguments[0], true, arguments.size() - 1) ? arguments[0] : Node();
      if (path) arguments.erase(arguments.begin());
      for (uint32_t app : apps) {
        if (methods.values.empty()) Register(app, call, "ALL", path, arguments);
        for (const std::string& method : methods.values) {
          if (IsVerb(method) || method == "all" || method == "use")
            Register(app, call, MethodOf(method), path, arguments);
        }
      }
    }
  }
}

void Application::ReadRegistration(Node call, std::string_view name) {
  const Node callee = CalleeOf(call);
  if (!call.Is(Kind::kCall) || !callee.Is(Kind::kMember) || registrations_.size() >= kMaxRegistrations) return;
  const bool verb = name != "use";
  auto arguments = ArgumentsOf(call);
  if (arguments.empty()) return;
  // Behind router.route(path) every argument is a handler.
  Node route = callee[Field::kObject].Bare();
  while (route.Is(Kind::kCall) && CalleeName(route) != "route" &&
         (IsVerb(CalleeName(route)) || CalleeName(route) == "all"))
    route = CalleeOf(route)[Field::kObject].Bare();
  const bool behind_route = route.Is(Kind::kCall) && CalleeName(route) == "route" && CalleeOf(route).Is(Kind::kMember);
  // app.get("setting") reads a setting; other objects have methods of these names too, mostly without a function.
  if (!behind_route && verb && arguments.size() < 2) return;
  const auto apps = AppsOf(behind_route ? CalleeOf(route)[Field::kObject] : callee[Field::kObject]);
  if (apps.empty()) return;
  Node path;
  if (behind_route) {
    path = ArgumentOf(route, 0);
  } else if (LooksLikePath(arguments[0], verb, arguments.size() - 1)) {
    path = arguments[0];
    arguments.erase(arguments.begin());
  }
  if (name == "param") {
    // Runs for routes that name the parameter; it is a handler, not a route.
    if (!arguments.empty()) {
      for (uint32_t app : apps) Register(app, call, "PARAM", {}, arguments);
    }
    return;
  }
  for (uint32_t app : apps) Register(app, call, MethodOf(name), path, arguments);
}

void Application::Register(uint32_t app, Node call, std::string method, Node path, std::vector<Node> arguments) {
  if (registrations_.size() >= kMaxRegistrations) return;
  Registration registration;
  registration.app = app;
  registration.method = std::move(method);
  registration.call = call;
  if (path) {
    Texts texts = values_.TextsOf(path);
    if (texts.values.empty()) texts = {.values = {""}, .exact = false};
    registration.paths = std::move(texts.values);
    registration.path_exact = texts.exact;
  } else {
    registration.paths.push_back("");
  }
  const GuardInfo guard = GuardAround(call);
  registration.guard = guard.guard;
  if (guard.condition) registration.guard_text = std::string(guard.condition.text().substr(0, 120));
  for (Node argument : arguments) AddHandler(argument, registration, 0);
  for (uint32_t handler : registration.handlers)
    handlers_[handler].registration = static_cast<uint32_t>(registrations_.size());
  positions_.push_back(PositionOf(call));
  registrations_.push_back(std::move(registration));
}

void Application::AddHandler(Node argument, Registration& registration, int depth) {
  Node node = argument.Bare();
  if (!node || depth > kMaxFollow) return;
  if (node.Is(Kind::kSpread)) node = node.first_child().Bare();
  if (node.Is(Kind::kArray)) {
    for (Node element : node.Children()) AddHandler(element, registration, depth + 1);
    return;
  }
  const auto mounts = AppsOf(node);
  if (!mounts.empty()) {
    registration.mounts.insert(registration.mounts.end(), mounts.begin(), mounts.end());
    return;
  }
  if (node.Is(Kind::kTernary) ||
      (node.Is(Kind::kBinary) &&
       (node.op() == Operator::kOr || node.op() == Operator::kAnd || node.op() == Operator::kNullish))) {
    const bool choice = node.Is(Kind::kTernary);
    AddHandler(node[choice ? Field::kConsequence : Field::kRight], registration, depth + 1);
    AddHandler(node[choice ? Field::kAlternative : Field::kLeft], registration, depth + 1);
    return;
  }
  const Value value = values_.Resolve(node);
  if (value.node.Is(Kind::kArray) && !(value.node == node)) return AddHandler(value.node, registration, depth + 1);
  Handler handler = HandlerOf(node);
  handler.is_middleware = registration.method == "USE";
  // A condition's other side (`flag || fn`) is no handler.
  if (!handler.function && handler.origin.empty() &&
      (StringValue(node) || BooleanValue(node) || node.Is(Kind::kObject)))
    return;
  registration.handlers.push_back(static_cast<uint32_t>(handlers_.size()));
  handlers_.push_back(std::move(handler));
}

// Unwraps calls around the function and names its parameters.
Handler Application::HandlerOf(Node argument) {
  Handler handler;
  handler.reference = argument;
  Node node = argument;
  for (int i = 0; i < kMaxFollow; ++i) {
    Value value = values_.Resolve(node);
    // What a factory of the repository returns; but where a function goes in, the call is a wrapper around it.
    Node call = node.Is(Kind::kCall) ? node : value.node.Is(Kind::kCall) ? value.node : Node();
    if (node.Is(Kind::kIdentifier) || node.Is(Kind::kMember)) {
      const Node declaration = node.Is(Kind::kIdentifier) ? values_.DeclarationOf(node) : Node();
      const Node initial = declaration.Is(Kind::kDeclarator) ? declaration[Field::kValue].Bare() : Node();
      if (initial.Is(Kind::kCall)) call = initial;
    }
    Node inner;
    if (call && CalleeName(call) != "bind") {
      for (Node candidate : ArgumentsOf(call)) {
        const Value passed = values_.Resolve(candidate);
        const bool wraps =
            candidate.Bare().IsFunction() || passed.node.IsFunction() ||
            (passed.node.Is(Kind::kCall) && ArgumentsOf(call).size() == 1 && candidate.Bare().Is(Kind::kCall));
        if (wraps) inner = candidate.Bare();
      }
    }
    if (inner) {
      handler.wrappers.push_back(call);
      node = inner;
      continue;
    }
    if (value.node.IsFunction()) handler.function = value.node;
    handler.origin = value.origin;
    break;
  }
  const auto parameters = ParametersOf(handler.function);
  const uint32_t arity = ArityOf(handler.function);
  handler.is_error_handler = handler.function && arity == 4;
  const size_t first = handler.is_error_handler ? 1 : 0;
  if (parameters.size() > first) handler.request = ParameterName(parameters[first]);
  if (parameters.size() > first + 1) handler.response = ParameterName(parameters[first + 1]);
  if (parameters.size() > first + 2) handler.next = ParameterName(parameters[first + 2]);
  return handler;
}

// Code in a function runs where the function is first called; a module's code where the module is first imported.
Application::Position Application::PositionOf(Node node) {
  Position position;
  Node at = node;
  for (int i = 0; i < kMaxFollow && at; ++i) {
    position.insert(position.begin(), {graph_.IndexOf(at.tree()), at.id()});
    Node function = at.EnclosingFunction();
    // Functions given to calls run in place (forEach, then, IIFE); methods and named functions run where they are
    // called.
    while (function && (function.parent().Is(Kind::kArguments) || function.parent().Is(Kind::kParenthesized) ||
                        function.parent().Is(Kind::kCall))) {
      function = function.EnclosingFunction();
    }
    if (function) {
      const auto& callers = values_.CallersOf(function);
      at = callers.empty() ? Node() : callers.front();
      if (at && at.tree() == node.tree() && function.Contains(at)) break;
      continue;
    }
    const auto& sites = graph_.ImportSites(graph_.IndexOf(at.tree()));
    const auto first = std::find_if(sites.begin(), sites.end(),
                                    [&](const auto& site) { return graph_.at(site.first).role == Role::kServer; });
    at = first == sites.end() ? Node() : first->second;
  }
  return position;
}

void Application::SortRegistrations() {
  std::vector<uint32_t> order(registrations_.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (registrations_[a].app != registrations_[b].app) return registrations_[a].app < registrations_[b].app;
    return positions_[a] < positions_[b];
  });
  std::vector<Registration> sorted;
  std::vector<uint32_t> moved(order.size());
  registrations_of_.assign(apps_.size(), {});
  for (uint32_t i = 0; i < order.size(); ++i) {
    moved[order[i]] = i;
    sorted.push_back(std::move(registrations_[order[i]]));
    auto& of = registrations_of_[sorted.back().app];
    sorted.back().order = static_cast<uint32_t>(of.size());
    of.push_back(i);
  }
  registrations_ = std::move(sorted);
  positions_.clear();
  for (Handler& handler : handlers_) handler.registration = moved[handler.registration];
}

void Application::FindListens() {
  for (const auto& module : graph_.modules()) {
    if (module->role != Role::kServer) continue;
    for (Node call : module->tree.CallsNamed("listen")) {
      const Node callee = CalleeOf(call);
      if (!callee.Is(Kind::kMember)) continue;
      Listen listen{.call = call, .server = callee[Field::kObject], .app = std::nullopt, .port = ArgumentOf(call, 0)};
      auto apps = AppsOf(listen.server);
      const Value server = values_.Resolve(listen.server);
      const bool http = ContainsFunctionNamed(
          server.origin, {"http.createServer", "https.createServer", "http2.create", "http.Server", "https.Server",
                          "spdy.createServer", "http-shutdown", "stoppable", "http-terminator"});
      if (apps.empty() && server.node.Is(Kind::kCall)) {
        // http.createServer(app); stoppable(http.createServer(app))
        for (Node inner = server.node; inner.Is(Kind::kCall) || inner.Is(Kind::kNew);) {
          Node next;
          for (Node argument : ArgumentsOf(inner)) {
            const auto found = AppsOf(argument);
            apps.insert(apps.end(), found.begin(), found.end());
            const Value passed = values_.Resolve(argument);
            if (passed.node.Is(Kind::kCall) && !(passed.node == inner) && !next) next = passed.node;
          }
          if (!apps.empty() || next == inner) break;
          inner = next;
        }
      }
      if (apps.empty() && !http) {
        // app.listen on an app that could not be followed is still a server when the module knows Express.
        const bool looks = NameOf(listen.server.Bare()) == "app" || NameOf(listen.server.Bare()) == "server" ||
                           PathOf(listen.server).find("server") != std::string::npos;
        if (!looks) continue;
      }
      if (!apps.empty()) {
        listen.app = apps.front();
        for (uint32_t app : apps) apps_[app].listens = true;
      }
      listens_.push_back(std::move(listen));
    }
    // http.createServer(app) makes the app a root even where listen could not be seen.
    for (Node call : module->tree.CallsNamed("createServer")) {
      for (Node argument : ArgumentsOf(call)) {
        for (uint32_t app : AppsOf(argument)) apps_[app].listens = true;
      }
    }
  }
  // An app born while its listen was looked at has no registrations of its own.
  registrations_of_.resize(apps_.size());
}

}  // namespace assay::code_analysis
