// B1, B4, B5: rejections, answers and fatal errors. The table of the family; B6 and B7 are in errors.cc.
#include <algorithm>
#include <set>

#include "plugins/code_analysis/checks/async.h"
#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/reading.h"

namespace assay::code_analysis {
namespace {

// ---- B1 ----

// Is there a try with a catch around the node, inside the function?
bool InsideTry(Node node, Node function) {
  Node inner = node;
  for (Node around = node.parent(); around && !(around == function); inner = around, around = around.parent()) {
    if (around.Is(Kind::kTry) && inner.field() == Field::kBody && around[Field::kHandler]) return true;
  }
  return false;
}

// The first await or throw of an async function whose rejection leaves it.
Node Escaping(Node function) {
  const SyntaxTree& tree = *function.tree();
  std::vector<Node> places = tree.AllInside(Kind::kAwait, function);
  for (Node place : tree.AllInside(Kind::kThrow, function)) places.push_back(place);
  std::sort(places.begin(), places.end(), [](Node a, Node b) { return a.id() < b.id(); });
  for (Node place : places) {
    if (!(place.EnclosingFunction() == function) || InsideTry(place, function)) continue;
    // await x.catch(…) does not reject.
    if (place.Is(Kind::kAwait) && CalleeName(place.first_child().Bare()) == "catch") continue;
    return place;
  }
  return {};
}

enum class Wrapping { kNone, kForwards, kLoses, kUnknown };

// A wrapper forwards rejections when its body catches: what it is called does not matter.
Wrapping JudgeWrapper(const Model& model, Node wrapper) {
  const Node callee = CalleeOf(wrapper);
  const Node function = model.FunctionCalledBy(wrapper);
  if (!function) {
    const std::string origin = model.OriginOf(callee);
    if (ComesFrom(origin, {"express-async-handler", "express-async-wrap", "async-middleware", "express-asyncify",
                           "async-express-mw", "express-wrap-async", "@awaitjs/express", "express-promise-router",
                           "throwback"})) {
      return Wrapping::kForwards;
    }
    return Wrapping::kUnknown;
  }
  const SyntaxTree& tree = *function.tree();
  for (Node call : tree.AllInside(Kind::kCall, function)) {
    const std::string_view name = CalleeName(call);
    if (name == "catch" || (name == "then" && ArgumentOf(call, 1)) || name == "asyncHandler" || name == "catchAsync")
      return Wrapping::kForwards;
  }
  for (Node clause : tree.AllInside(Kind::kCatch, function)) {
    if (clause.parent()[Field::kBody] && !tree.AllInside(Kind::kAwait, clause.parent()).empty())
      return Wrapping::kForwards;
  }
  // A wrapper of another kind (validation, rights) may hand the promise back; what it wraps is then on its own.
  return Wrapping::kLoses;
}

bool PatchedByPackage(const Model& model) {
  for (Node import : model.ImportsOf("express-async-errors")) {
    // `await import(…)` in a module's body runs after all hoisted imports: routers made there stay unpatched.
    const bool dynamic = CalleeOf(import).Is(Kind::kImportKeyword);
    if (!dynamic) return true;
  }
  return !model.ImportsOf("express-promise-router").empty() || !model.ImportsOf("@awaitjs/express").empty() ||
         !model.ImportsOf("express-async-router").empty();
}

std::string Effect(const Model& model) {
  for (const SignalHandler& handler : model.signal_handlers()) {
    if (handler.event == "unhandledRejection")
      return EndsProcess(model, handler.function) ? "the process's own listener then ends it"
                                                  : "the process's listener only notes it and the request hangs";
  }
  return model.versions().RejectionsEndTheProcess() ? "on this Node version the process ends" : "the request hangs";
}

void RejectionsHandled(const Model& model, Reporter& reporter) {
  std::vector<Node> handled, lost;
  std::set<std::pair<const SyntaxTree*, uint32_t>> seen;
  const bool patched = PatchedByPackage(model);
  const int express = model.versions().express_major;
  for (const Handler& handler : model.handlers()) {
    const Node function = handler.function;
    if (!function || !function.Has(attribute::kAsync) || !seen.emplace(function.tree(), function.id()).second) continue;
    const Node place = Escaping(function);
    if (!place || express >= 5 || patched) {
      handled.push_back(function);
      continue;
    }
    Wrapping wrapping = Wrapping::kNone;
    for (Node wrapper : handler.wrappers) {
      const Wrapping one = JudgeWrapper(model, wrapper);
      if (one == Wrapping::kForwards || wrapping == Wrapping::kNone ||
          (one == Wrapping::kUnknown && wrapping == Wrapping::kLoses))
        wrapping = one;
      if (one == Wrapping::kForwards) break;
    }
    if (wrapping == Wrapping::kForwards || wrapping == Wrapping::kUnknown) {
      handled.push_back(function);
      continue;
    }
    lost.push_back(place);
    std::string message =
        "The code suggests that a rejection here reaches nobody: Express 4 does not look at what an async handler "
        "returns, nothing catches it, and " +
        Effect(model) + ".";
    if (wrapping == Wrapping::kLoses) message += " The wrapper around the handler does not catch either.";
    reporter.Find(model.SpanOf(place), std::move(message));
  }
  const std::string version = "Express " + std::to_string(express);
  if (handled.empty() && lost.empty()) return reporter.NotObservedYet("No async handler was found.");
  if (lost.empty()) {
    reporter.Claim(model.SpanOf(handled[0]), "Rejections of async handlers reach the error handler.");
    return reporter.Observe(0.95, express >= 5 ? error_of::kSinglePlace : error_of::kCrossFile,
                            express >= 5 ? version + " passes rejections of handlers on."
                                         : "Every async handler catches, is wrapped, or cannot reject.",
                            SpansOf(model, handled));
  }
  const double share = static_cast<double>(handled.size()) / static_cast<double>(handled.size() + lost.size());
  reporter.Observe(0.6 * share, error_of::kHarmfulPlace,
                   Counted(lost.size(), "async handler") + " of " + std::to_string(handled.size() + lost.size()) +
                       " lose rejections on " + version + ".",
                   SpansOf(model, lost));
}

// ---- B4 ----

constexpr int kMaxStatements = 200;  // looked at behind an answer

bool Continues(const Model& model, Node call, std::string_view next) {
  return !next.empty() && CalleeOf(call).Is(Kind::kIdentifier) && CalleeName(call) == next && ArgumentOf(call, 0) &&
         model.DeclarationOf(CalleeOf(call));
}

// The statement answers, whatever happens before it: an expression statement, or a return of one.
Node AnswerIn(const Model& model, Node statement) {
  Node expression =
      statement.Is(Kind::kExpressionStatement) || statement.Is(Kind::kReturn) ? statement.first_child().Bare() : Node();
  if (expression.Is(Kind::kAwait)) expression = expression.first_child().Bare();
  return Answers(model, expression) && CalleeName(expression) != "writeHead" ? expression : Node();
}

bool EndsFlow(Node statement) {
  switch (statement.kind()) {
    case Kind::kReturn:
    case Kind::kThrow:
    case Kind::kBreak:
    case Kind::kContinue:
      return true;
    default:
      return false;
  }
}

// Another answer that is sent when the flow goes on behind `statement`, up to the end of the function.
Node NextAnswer(const Model& model, Node statement) {
  int seen = 0;
  for (Node at = statement; at && !at.IsFunction(); at = at.parent()) {
    const Node around = at.parent();
    const bool sequence =
        around.Is(Kind::kBlock) || around.Is(Kind::kCase) || around.Is(Kind::kDefault) || around.Is(Kind::kProgram);
    if (around.Is(Kind::kFor) || around.Is(Kind::kForIn) || around.Is(Kind::kWhile)) return {};
    if (around.Is(Kind::kSwitchBody)) return {};
    if (!sequence) continue;
    for (Node later = at.next_sibling(); later; later = later.next_sibling()) {
      if (++seen > kMaxStatements) return {};
      if (const Node answer = AnswerIn(model, later)) return answer;
      if (EndsFlow(later)) return {};
    }
  }
  return {};
}

void SingleResponse(const Model& model, Reporter& reporter) {
  size_t answers = 0;
  std::vector<Node> doubles;
  for (const auto& module : model.modules()) {
    if (module->role != Role::kServer) continue;
    for (uint32_t id : module->tree.All(Kind::kCall)) {
      const Node call(&module->tree, id);
      const Node statement = call.parent().Is(Kind::kAwait) ? call.parent().parent() : call.parent();
      const bool answering = Answers(model, call) && CalleeName(call) != "writeHead";
      if (answering) ++answers;
      if (!statement.Is(Kind::kExpressionStatement)) continue;
      const Node function = call.EnclosingFunction();
      const auto parameters = ParametersOf(function);
      const bool passes = CalleeName(call) == "next" && !parameters.empty() && Continues(model, call, "next");
      if (!answering && !passes) continue;
      // res.write(…) may be followed by res.end(); two ends in one straight line are seen by anyone who runs it.
      const Node other = NextAnswer(model, statement);
      if (!other) continue;
      // After send() a bare end() does nothing.
      const bool nothing_more = CalleeName(other) == "end" && !ArgumentOf(other, 0) && !passes &&
                                CalleeName(call) != "render" && CalleeName(call) != "sendFile" &&
                                CalleeName(call) != "download";
      if (nothing_more) continue;
      doubles.push_back(call);
      reporter.Find(model.SpanOf(call), std::string(passes ? "`next(…)` is called" : "The request is answered") +
                                            " and the function goes on: the code suggests that line " +
                                            std::to_string(other.line()) + " answers a second time.");
    }
  }
  if (!doubles.empty())
    return reporter.Observe(0.15, error_of::kHarmfulPlace,
                            Counted(doubles.size(), "path") + " on which a request is answered twice.",
                            SpansOf(model, doubles));
  if (answers == 0) return reporter.NotObservedYet("No answers to requests were found.");
  reporter.Observe(0.85, error_of::kAbsence, "No path was found on which a request is answered twice.",
                   {model.Anchor()});
}

// ---- B5 ----

void FatalErrors(const Model& model, Reporter& reporter) {
  std::vector<Node> ends, swallows;
  for (const SignalHandler& handler : model.signal_handlers()) {
    if (handler.event != "uncaughtException" && handler.event != "unhandledRejection") continue;
    if (!handler.function || EndsProcess(model, handler.function)) {
      ends.push_back(handler.call);
      continue;
    }
    swallows.push_back(handler.call);
    reporter.Find(model.SpanOf(handler.call),
                  "The listener for `" + handler.event +
                      "` neither ends the process nor throws: the code suggests that the server goes on in an unknown "
                      "state, and that requests which failed stay unanswered.");
  }
  if (!swallows.empty())
    return reporter.Observe(0.1, error_of::kHarmfulPlace,
                            Counted(swallows.size(), "listener") + " for fatal errors that let the process go on.",
                            SpansOf(model, swallows));
  if (!ends.empty())
    return reporter.Observe(0.95, error_of::kSinglePlace, "Fatal errors are noted and the process ends.",
                            SpansOf(model, ends));
  reporter.NotObservedYet("No listener for fatal errors; Node's own answer holds.");
}

constexpr Check kChecks[] = {
    {.id = "B1",
     .criterion = "async.rejections_handled",
     .title = "Rejections of async handlers reach the error handler",
     .severity = Severity::kError,
     .help = "Express 4 ignores the promise that a handler returns. Catch and call next(error), wrap every async "
             "handler in one function that does, or move to Express 5, which passes rejections on. Test it with a "
             "handler that rejects.",
     .question = "The promise awaited on this line rejects. Which code runs next, what does the client see, and what "
                 "happens to the process?",
     .good_answer = "Separates Express 4 from 5, names Node's behaviour for unhandled rejections since version 15, and "
                    "shows where one wrapper or error handler takes them all.",
     .run = RejectionsHandled},
    {.id = "B4",
     .criterion = "async.single_response",
     .title = "A request is answered once",
     .severity = Severity::kError,
     .help = "`next(error)` and `res.json(…)` do not end the function. Put `return` in front, or move what follows "
             "into an else. Otherwise the second answer throws ERR_HTTP_HEADERS_SENT.",
     .question = "Take the branch of this line. What runs after it, and what does Node say about the second answer?",
     .good_answer =
         "Follows the flow past the line, names ERR_HTTP_HEADERS_SENT and where it surfaces, and returns early.",
     .run = SingleResponse},
    {.id = "B5",
     .criterion = "process.fatal_errors",
     .title = "Fatal errors end the process",
     .severity = Severity::kError,
     .help =
         "After an uncaught exception the state is unknown. Log it, stop accepting requests, give those in flight a "
         "bounded time, and exit with a code that is not zero, so that whoever runs the process starts a fresh one.",
     .question = "This listener runs. Which invariants can you still rely on, and who starts a clean process?",
     .good_answer = "Says that state may be broken, exits after a bounded drain, leaves restarting to a supervisor, "
                    "and keeps the reason.",
     .run = FatalErrors},
    {.id = "B6",
     .criterion = "errors.no_leak",
     .title = "Errors do not tell clients about the inside",
     .severity = Severity::kWarning,
     .help = "Stacks and messages of unexpected errors name paths, queries and libraries. Answer a stable code and a "
             "text written for clients; log the rest with an id that both carry.",
     .question = "A database query fails in this request. Which words of that error does the client read?",
     .good_answer = "Tells expected errors from unexpected ones, keeps details in the log, links both by an id, and "
                    "knows what Express does by itself outside production.",
     .run = CheckErrorLeaks},
    {.id = "B7",
     .criterion = "errors.not_swallowed",
     .title = "Errors are not dropped",
     .severity = Severity::kWarning,
     .help = "An empty catch turns a failure into a wrong answer later. Handle what is expected by its kind, pass "
             "everything else on, or say in one line why nothing needs to happen.",
     .question = "Which failures end here, and how would anyone notice that one of them happened a thousand times?",
     .good_answer = "Names the failure that is expected, narrows the catch to it, and counts or logs the rest.",
     .run = CheckSwallowedErrors},
};

// Does the code below end the process, itself or in functions of the repository that it calls?
bool Ends(const Model& model, Node function, std::set<std::pair<const SyntaxTree*, uint32_t>>& seen) {
  if (seen.size() > 64 || !seen.emplace(function.tree(), function.id()).second) return false;
  const SyntaxTree& tree = *function.tree();
  for (Node statement : tree.AllInside(Kind::kThrow, function)) {
    if (statement.EnclosingFunction() == function) return true;
  }
  for (Node call : tree.AllInside(Kind::kCall, function)) {
    const std::string origin = model.OriginOf(CalleeOf(call));
    if (origin == "process.exit" || origin == "process.kill" || origin == "process.abort" ||
        origin == "process.reallyExit")
      return true;
    for (Node argument : ArgumentsOf(call)) {
      if (PathOf(argument) == "process.exit") return true;
    }
    const std::string_view name = CalleeName(call);
    for (std::string_view ending : {"shutdown", "Shutdown", "exit", "Exit", "terminate", "stop", "close", "fatal"}) {
      if (!model.FunctionCalledBy(call) && name.size() >= ending.size() && name.find(ending) != std::string_view::npos)
        return true;
    }
    const Node called = model.FunctionCalledBy(call);
    if (called && Ends(model, called, seen)) return true;
  }
  // process.exitCode = 1 beside a server that is closed.
  for (Node member : tree.MembersNamed("exitCode")) {
    if (function.Contains(member)) return true;
  }
  return false;
}

}  // namespace

bool EndsProcess(const Model& model, Node function) {
  std::set<std::pair<const SyntaxTree*, uint32_t>> seen;
  return function && Ends(model, function, seen);
}

std::span<const Check> AsyncChecks() { return kChecks; }

}  // namespace assay::code_analysis
