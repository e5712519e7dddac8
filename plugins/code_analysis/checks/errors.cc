// B6 and B7: what clients read of errors, and errors that nobody reads.
#include <algorithm>

#include "plugins/code_analysis/checks/async.h"
#include "plugins/code_analysis/checks/reading.h"

namespace assay::code_analysis {
namespace {

// The error a name stands for: the parameter of a catch clause, of an error handler, of a callback or of .catch(…).
bool IsError(const Model& model, Node identifier) {
  const Node declaration = model.DeclarationOf(identifier);
  if (!declaration) return false;
  if (declaration.Enclosing(Kind::kCatch) && declaration.field() == Field::kParameter) return true;
  const Node function = declaration.EnclosingFunction();
  const auto parameters = ParametersOf(function);
  if (parameters.empty() || !(parameters[0] == declaration)) return false;
  if (ArityOf(function) == 4) return true;
  const std::string_view name = identifier.text();
  if (name == "err" || name == "error" || name == "e" || name == "ex") return function.parent().Is(Kind::kArguments);
  return false;
}

enum class Leak { kNone, kMessage, kObject, kStack };

bool OnlyOutsideProduction(const Model& model, Node node) { return model.GuardOf(node) == Guard::kDevelopmentOnly; }

// What an argument of a response tells of an error. Looks through objects, templates and choices, not through calls.
Leak LeakIn(const Model& model, Node expression, Node& place) {
  const Node node = expression.Bare();
  if (OnlyOutsideProduction(model, node)) return Leak::kNone;
  const auto found = [&](Leak leak) {
    place = node;
    return leak;
  };
  switch (node.kind()) {
    case Kind::kIdentifier:
    case Kind::kShorthand:
      if (IsError(model, node)) return found(Leak::kObject);
      return Leak::kNone;
    case Kind::kMember: {
      const Node object = node[Field::kObject].Bare();
      if (!object.Is(Kind::kIdentifier) || !IsError(model, object)) return Leak::kNone;
      if (node[Field::kProperty].text() == "stack") return found(Leak::kStack);
      if (node[Field::kProperty].text() == "message") return found(Leak::kMessage);
      return Leak::kNone;
    }
    case Kind::kObject:
    case Kind::kPair:
    case Kind::kTemplate:
    case Kind::kSubstitution:
    case Kind::kTernary:
    case Kind::kBinary:
    case Kind::kSpread: {
      Leak worst = Leak::kNone;
      for (Node child : node.Children()) {
        if (node.Is(Kind::kPair) && child.field() == Field::kKey) continue;
        if (node.Is(Kind::kTernary) && child.field() == Field::kCondition) continue;
        Node inner;
        const Leak leak = LeakIn(model, child, inner);
        if (leak > worst) {
          worst = leak;
          place = inner;
        }
      }
      return worst;
    }
    default:
      return Leak::kNone;
  }
}

// Does the function sort errors before it shows their text: by a flag, a class, or a status below 500?
bool SortsErrors(Node node) {
  const Node function = node.EnclosingFunction();
  const std::string_view text = function.text();
  for (std::string_view mark :
       {"instanceof", "isOperational", ".expose", "isJoi", "isBoom", ".isPublic", "ValidationError", "isAxiosError",
        "isHttpError", "< 500", ">= 500", "=== 500", ".name ===", ".code ==="}) {
    if (text.find(mark) != std::string_view::npos) return true;
  }
  return false;
}

// `try { value = JSON.parse(text) } catch {}` asks whether a text is one: that it is not is an answer, no failure.
bool OnlyParses(const Model& model, Node block) {
  if (!block) return false;
  size_t parses = 0;
  for (Kind kind : {Kind::kCall, Kind::kNew}) {
    for (Node call : block.tree()->AllInside(kind, block)) {
      const std::string origin = model.OriginOf(CalleeOf(call));
      const std::string_view name = CalleeName(call);
      if (ComesFrom(origin, {"JSON.parse", "URL", "url.URL", "decodeURIComponent", "decodeURI", "RegExp", "BigInt"})) {
        ++parses;
      } else if (name != "toString" && name != "trim" && name != "slice" && name != "String") {
        return false;
      }
    }
  }
  return parses > 0 && block.tree()->AllInside(Kind::kAwait, block).empty();
}

bool HasStatements(Node block) { return static_cast<bool>(block.first_child()); }

}  // namespace

void CheckErrorLeaks(const Model& model, Reporter& reporter) {
  std::vector<Node> stacks, objects, messages;
  size_t answers_of_errors = 0;
  model.ForEachCall({"send", "json", "end", "render", "jsonp"}, [&](Node call) {
    if (!Answers(model, call)) return;
    const int status = StatusOf(call);
    const Node function = call.EnclosingFunction();
    if (call.Enclosing(Kind::kCatch) || ArityOf(function) == 4) ++answers_of_errors;
    for (Node argument : ArgumentsOf(call)) {
      Node place;
      const Leak leak = LeakIn(model, argument, place);
      if (leak == Leak::kNone || OnlyOutsideProduction(model, call)) continue;
      if (leak == Leak::kStack) {
        stacks.push_back(place);
        reporter.Find(model.SpanOf(place), Severity::kError,
                      "The code suggests that clients receive the stack of an error.");
      } else if (status >= 400 && status < 500) {
        continue;  // texts for client errors are meant for the client
      } else if (leak == Leak::kObject && CalleeName(call) != "end" && !SortsErrors(call)) {
        objects.push_back(place);
        reporter.Find(model.SpanOf(place),
                      "The code suggests that clients receive the whole error object, with whatever the failing "
                      "library put on it.");
      } else if (leak == Leak::kMessage && !SortsErrors(call)) {
        messages.push_back(place);
        reporter.Find(model.SpanOf(place), Severity::kNote,
                      "The code suggests that clients receive the message of any error, expected or not.");
      }
    }
  });
  for (const Registration& registration : model.registrations()) {
    if (registration.guard == Guard::kDevelopmentOnly) continue;
    for (const std::string& origin : OriginsOf(model, registration)) {
      if (!ComesFrom(origin, {"errorhandler"})) continue;
      stacks.push_back(registration.call);
      reporter.Find(model.SpanOf(registration.call), Severity::kError,
                    "The code suggests that clients receive the stack of an error: `errorhandler` is made for "
                    "development, and nothing keeps it out of production here.");
      break;
    }
  }
  if (!stacks.empty())
    return reporter.Observe(0.05, error_of::kHarmfulPlace, Counted(stacks.size(), "answer") + " with a stack.",
                            SpansOf(model, stacks));
  if (!objects.empty())
    return reporter.Observe(0.25, error_of::kSinglePlace,
                            Counted(objects.size(), "answer") + " with a whole error object.", SpansOf(model, objects));
  if (!messages.empty())
    return reporter.Observe(0.4, error_of::kSinglePlace,
                            Counted(messages.size(), "answer") + " with the message of any error.",
                            SpansOf(model, messages));
  if (answers_of_errors == 0) return reporter.NotObservedYet("No answer to a failed request was found in the code.");
  reporter.Observe(0.85, error_of::kAbsence, "No answer was found that tells a client about the inside of an error.",
                   {model.Anchor()});
}

void CheckSwallowedErrors(const Model& model, Reporter& reporter) {
  size_t clauses = 0;
  std::vector<Node> empty;
  const auto dropped = [&](Node place, Node block) {
    // A comment in it says that somebody thought of it.
    const bool explained = HasCommentInside(block);
    if (explained) return;
    empty.push_back(place);
    reporter.Find(model.SpanOf(place), model.OnRequestPath(place) ? Severity::kWarning : Severity::kNote,
                  "An error ends here without a trace: the code suggests that nobody learns of it.");
  };
  for (const auto& module : model.modules()) {
    if (module->role != Role::kServer) continue;
    for (uint32_t id : module->tree.All(Kind::kCatch)) {
      const Node clause(&module->tree, id);
      ++clauses;
      if (!HasStatements(clause[Field::kBody]) && !OnlyParses(model, clause.parent()[Field::kBody]))
        dropped(clause, clause[Field::kBody]);
    }
    for (Node call : module->tree.CallsNamed("catch")) {
      const Node handler = ArgumentOf(call, 0).Bare();
      if (!CalleeOf(call).Is(Kind::kMember) || !handler.IsFunction()) continue;
      ++clauses;
      if (BodyOf(handler).Is(Kind::kBlock) && !HasStatements(BodyOf(handler))) dropped(handler, BodyOf(handler));
    }
  }
  if (clauses == 0) return reporter.NotObservedYet("No place that catches errors was found.");
  if (empty.empty())
    return reporter.Observe(0.85, error_of::kAbsence, "No empty catch was found among " + std::to_string(clauses) + ".",
                            {model.Anchor()});
  const double share = static_cast<double>(empty.size()) / static_cast<double>(clauses);
  reporter.Observe(
      std::max(0.0, 0.7 - 2 * share), error_of::kSinglePlace,
      std::to_string(empty.size()) + " of " + std::to_string(clauses) + " places that catch errors drop them.",
      SpansOf(model, empty));
}

}  // namespace assay::code_analysis
