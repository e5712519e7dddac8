#include "plugins/code_analysis/checks/shutdown_path.h"

#include <algorithm>

#include "plugins/code_analysis/checks/reading.h"

namespace assay::code_analysis {
namespace {

constexpr int kMaxSteps = 20000;

bool IsExit(const std::string& origin) {
  return origin == "process.exit" || origin == "process.kill" || origin == "process.abort" ||
         origin == "process.reallyExit";
}

bool NamesAStop(std::string_view name) {
  return name == "stop" || name == "close" || name == "shutdown" || name == "terminate" || name == "drain" ||
         name == "gracefulShutdown" || name == "teardown";
}

bool IsDrainLibrary(const std::string& origin) {
  return ComesFrom(origin,
                   {"stoppable().stop", "http-terminator.createHttpTerminator().terminate", "http-shutdown().shutdown",
                    "http-shutdown().forceShutdown", "lightship.createLightship().shutdown", "server-stop",
                    "http-graceful-shutdown()", "httpolyglot"});
}

bool ClosesDependency(const Model& model, Node call, const std::string& origin) {
  const std::string_view name = CalleeName(call);
  static constexpr std::string_view kNames[] = {
      "disconnect", "$disconnect",     "quit",          "end",          "close",
      "destroy",    "closeConnection", "closeDatabase", "disconnectDB", "release"};
  if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) return false;
  if (ComesFrom(origin, {"mongoose", "pg", "mysql", "mysql2", "mysql2/promise", "mongodb", "sequelize", "knex",
                         "typeorm", "@prisma/client", "ioredis", "redis", "sqlite3", "better-sqlite3", "amqplib",
                         "kafkajs", "bullmq", "bull", "mssql"}))
    return true;
  if (!origin.empty()) return false;
  const std::string path = PathOf(CalleeOf(call)[Field::kObject]);
  const std::string last = path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
  for (const char* known : {"db", "pool", "redis", "mongoose", "sequelize", "prisma", "knex", "connection", "database",
                            "redisClient", "mongoClient", "dbConnection"}) {
    if (last == known) return true;
  }
  (void)model;
  return false;
}

}  // namespace

ShutdownFacts ShutdownPath::Read(Node listener) {
  State state;
  VisitFunction(listener, state);
  return facts_;
}

bool ShutdownPath::IsServer(Node object) const {
  const Value value = model_.Resolve(object);
  const std::string& origin = value.origin;
  for (std::string_view made : {".listen()", "http.createServer()", "https.createServer()", "http2.createServer()",
                                "http2.createSecureServer()", "http.Server()", "https.Server()", "spdy.createServer()",
                                "stoppable()", "http-shutdown()"}) {
    if (origin.size() >= made.size() && origin.substr(origin.size() - made.size()) == made) return true;
  }
  if (!origin.empty()) return false;
  const std::string path = PathOf(object);
  std::string last = path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
  std::transform(last.begin(), last.end(), last.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return last == "server" || last == "httpserver" || last == "httpsserver" || last == "srv" || last == "listener" ||
         last == "webserver" || last == "app" || last == "http_server";
}

bool ShutdownPath::ContainsClose(Node node) {
  for (Node call : node.tree()->AllInside(Kind::kCall, node)) {
    if (CalleeName(call) == "close" && IsServer(CalleeOf(call)[Field::kObject])) return true;
    if (IsDrainLibrary(model_.OriginOf(CalleeOf(call)))) return true;
  }
  return false;
}

bool ShutdownPath::VisitFunction(Node function, State& state) {
  if (!function.IsFunction() || !active_.emplace(function.tree(), function.id()).second) return false;
  const Node body = BodyOf(function);
  bool drains = false;
  if (body.Is(Kind::kBlock)) {
    State inside = state;
    for (Node statement : body.Children()) {
      const bool promise = Visit(statement, inside);
      if (statement.Is(Kind::kReturn)) drains = drains || promise;
    }
    // What an async function awaited is done when its own promise is kept; a plain one has only started it.
    if (function.Has(attribute::kAsync)) drains = drains || (inside.drained && !state.drained);
  } else {
    drains = Visit(body, state);
  }
  active_.erase({function.tree(), function.id()});
  return drains;
}

bool ShutdownPath::Visit(Node node, State& state) {
  if (!node || ++steps_ > kMaxSteps) return false;
  switch (node.kind()) {
    case Kind::kFunctionDeclaration:
    case Kind::kFunctionExpression:
    case Kind::kArrow:
    case Kind::kMethod:
    case Kind::kClass:
      return false;  // runs only when it is called
    case Kind::kCall:
      return VisitCall(node, state, false);
    case Kind::kAwait: {
      const Node inner = node.first_child().Bare();
      const bool drains = inner.Is(Kind::kCall) ? VisitCall(inner, state, true) : Visit(inner, state);
      if (drains) state.drained = true;
      return drains;
    }
    case Kind::kNew: {
      if (CalleeName(node) != "Promise") break;
      // new Promise((resolve) => server.close(resolve)): kept when the server has drained, because close's callback
      // keeps it.
      const Node executor = model_.Resolve(ArgumentOf(node, 0)).node;
      const bool waits = executor.IsFunction() && ContainsClose(executor);
      State inside = state;
      VisitFunction(executor, inside);
      return waits;
    }
    case Kind::kIf:
      return VisitIf(node, state);
    case Kind::kCatch: {
      // Exits after a failed shutdown are as they should be.
      State inside = state;
      inside.drained = true;
      for (Node child : node.Children()) Visit(child, inside);
      return false;
    }
    default:
      break;
  }
  bool drains = false;
  for (Node child : node.Children()) drains = Visit(child, state) || drains;
  const bool carries = node.Is(Kind::kReturn) || node.Is(Kind::kArray) || node.Is(Kind::kArguments) ||
                       node.Is(Kind::kParenthesized) || node.Is(Kind::kExpressionStatement) || node.Is(Kind::kSpread);
  return drains && carries;
}

// `if (server) { close … } else { process.exit() }`: where there is no server, nothing is lost. And an early way out
// for a second signal says nothing about the first.
bool ShutdownPath::VisitIf(Node statement, State& state) {
  const Node first = statement[Field::kConsequence], other = statement[Field::kAlternative];
  Visit(statement[Field::kCondition], state);
  const bool closes_first = ContainsClose(first), closes_other = other && ContainsClose(other);
  State branch = state;
  if (!closes_first && (closes_other || first.text().find("exit") != std::string_view::npos)) branch.drained = true;
  const bool drains = Visit(first, branch);
  if (closes_first) state = branch;
  if (other) {
    State second = state;
    if (closes_first && !closes_other) second.drained = true;
    Visit(other, second);
    if (closes_other) state.drained = state.drained || second.drained;
  }
  return drains && closes_first;
}

void ShutdownPath::Exit(Node call, const State& state) {
  if (state.in_timer) {
    if (!facts_.timer) facts_.timer = call;
  } else if (state.drained) {
    if (!facts_.late_exit) facts_.late_exit = call;
  } else if (!facts_.early_exit) {
    facts_.early_exit = call;
  }
}

void ShutdownPath::VisitTimer(Node call, State state) {
  const bool was_set = static_cast<bool>(facts_.timer);
  state.in_timer = true;
  const Node body = model_.Resolve(ArgumentOf(call, 0)).node;
  if (body.IsFunction()) VisitFunction(body, state);
  // setTimeout(process.exit, 5000, 1)
  if (IsExit(model_.OriginOf(ArgumentOf(call, 0)))) Exit(call, state);
  if (was_set || !facts_.timer) return;
  facts_.timer_milliseconds = NumberValue(model_.Resolve(ArgumentOf(call, 1)).node).value_or(0);
  const Node around = call.parent();
  facts_.timer_unrefed = around.Is(Kind::kMember) && around[Field::kProperty].text() == "unref";
  const Node holder = around.Is(Kind::kDeclarator) ? around[Field::kName] : Node();
  for (Node other : call.tree()->CallsNamed("unref")) {
    if (holder && PathOf(CalleeOf(other)[Field::kObject]) == holder.text()) facts_.timer_unrefed = true;
  }
}

bool ShutdownPath::VisitArguments(Node call, State& state) {
  bool drains = false;
  for (Node argument : ArgumentsOf(call)) {
    const Node bare = argument.Bare();
    const Node function = bare.IsFunction()                                      ? bare
                          : bare.Is(Kind::kIdentifier) || bare.Is(Kind::kMember) ? model_.Resolve(bare).node
                                                                                 : Node();
    if (function.IsFunction()) {
      drains = VisitFunction(function, state) || drains;
    } else {
      drains = Visit(bare, state) || drains;
    }
  }
  return drains;
}

bool ShutdownPath::VisitClose(Node call, State& state, bool awaited) {
  if (!facts_.close) facts_.close = call;
  const Node callback = ArgumentOf(call, 0).Bare();
  const Node function = callback.IsFunction() ? callback : model_.Resolve(callback).node;
  if (function.IsFunction()) {
    State after = state;
    after.drained = true;
    VisitFunction(function, after);
  } else if (callback && IsExit(model_.OriginOf(callback))) {
    State after = state;
    after.drained = true;
    Exit(call, after);
  }
  if (!callback && awaited && !facts_.vain_await) facts_.vain_await = call;
  return false;
}

bool ShutdownPath::VisitCall(Node call, State& state, bool awaited) {
  if (++steps_ > kMaxSteps) return false;
  const Node callee = CalleeOf(call);
  const std::string_view name = CalleeName(call);
  const std::string origin = model_.OriginOf(callee);
  const Node object = callee[Field::kObject];
  if (IsExit(origin)) {
    Exit(call, state);
    return false;
  }
  if (name == "setTimeout") {
    VisitTimer(call, state);
    return false;
  }
  if (name == "unref" && object.Bare().Is(Kind::kCall)) return VisitCall(object.Bare(), state, false);
  if (IsDrainLibrary(origin)) {
    if (!facts_.library) facts_.library = call;
    if (!facts_.close) facts_.close = call;
    State after = state;
    after.drained = true;
    VisitArguments(call, after);
    return true;
  }
  const bool on_server = callee.Is(Kind::kMember) && IsServer(object);
  // util.promisify(server.close).call(server), promisify(server.close.bind(server))()
  const bool promisified = callee.Is(Kind::kCall) ? CalleeName(callee) == "promisify" && ContainsClose(callee) : false;
  const Node declaration = callee.Is(Kind::kIdentifier) ? model_.DeclarationOf(callee) : Node();
  const Node initial = declaration.Is(Kind::kDeclarator) ? declaration[Field::kValue].Bare() : Node();
  const bool kept = CalleeName(initial) == "promisify" && initial.text().find(".close") != std::string_view::npos;
  if (promisified || kept ||
      (CalleeName(callee) == "promisify" && callee.text().find(".close") != std::string_view::npos)) {
    if (!facts_.close) facts_.close = call;
    return true;
  }
  if (on_server && (name == "close" || name == "stop" || name == "closeAsync" || name == "shutdown")) {
    if (name != "close") {
      const Node own = model_.FunctionCalledBy(call);
      if (own) return VisitFunction(own, state);
      if (!facts_.close) facts_.close = call;
      State after = state;
      after.drained = true;
      VisitArguments(call, after);
      return true;
    }
    const Node own = model_.FunctionCalledBy(call);
    return own ? VisitFunction(own, state) : VisitClose(call, state, awaited);
  }
  if (on_server && (name == "closeAllConnections") && !state.in_timer && !state.drained) {
    if (!facts_.destroys) facts_.destroys = call;
    return false;
  }
  if (name == "destroy" && !state.in_timer && !state.drained && facts_.close) {
    const std::string_view path = object.text();
    if (path.find("ocket") != std::string_view::npos || path.find("onn") != std::string_view::npos) {
      if (!facts_.destroys) facts_.destroys = call;
      return false;
    }
  }
  if (ClosesDependency(model_, call, origin)) {
    Node& slot = state.drained || state.in_timer ? facts_.late_dependency : facts_.early_dependency;
    if (!slot) slot = call;
    State after = state;
    VisitArguments(call, after);
    return false;
  }
  if (callee.Is(Kind::kMember) && (name == "then" || name == "finally" || name == "catch")) {
    const bool waits = Visit(object, state);
    State after = state;
    after.drained = after.drained || waits || name == "catch";
    VisitArguments(call, after);
    return waits;
  }
  if (origin == "Promise.all" || origin == "Promise.allSettled" || origin == "Promise.race")
    return VisitArguments(call, state);
  const Node own = model_.FunctionCalledBy(call);
  if (own) {
    bool drains = VisitFunction(own, state);
    // A callback given to a function of the repository runs when that function says so: after the drain, if it drains.
    State after = state;
    after.drained = after.drained || ContainsClose(own);
    VisitArguments(call, after);
    return drains;
  }
  if (NamesAStop(name) && callee.Is(Kind::kMember) && origin.empty() && (awaited || ArgumentOf(call, 0))) {
    if (!facts_.unknown_stop) facts_.unknown_stop = call;
    State after = state;
    after.drained = true;
    VisitArguments(call, after);
    return awaited;
  }
  // Other calls run their callbacks at once or later (forEach, logger.info(…, done)).
  if (callee.Is(Kind::kMember)) Visit(object, state);
  return VisitArguments(call, state) && (name == "map" || name == "race" || name == "all");
}

}  // namespace assay::code_analysis
