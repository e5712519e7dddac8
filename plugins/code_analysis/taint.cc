// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/taint.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr int kMaxHelpers = 2;
constexpr int kMaxDepth = 12;
constexpr size_t kMaxFixedText = 4u << 10;
constexpr size_t kMaxNodes = 20'000;

// Calls in a condition that compare a value with what is allowed.
bool ComparesWithAllowed(std::string_view name) {
  return text::IsOneOf(
      name, {"includes",       "has",      "indexOf",    "test",          "match", "exec",     "startsWith", "endsWith",
             "hasOwnProperty", "hasOwn",   "isInteger",  "isSafeInteger", "isNaN", "isFinite", "some",       "every",
             "find",           "relative", "isAbsolute", "safeParse",     "equals"});
}

// Names of functions that say they check something.
bool SaysItChecks(std::string_view name) {
  for (const char* word :
       {"valid", "safe", "allow", "assert", "ensure", "check", "sanit",     "verify",  "permit",  "whitelist",
        "known", "isIn", "isInt", "isUUID", "isUrl",  "isURL", "isNumeric", "isAlpha", "isLocal", "isSame"}) {
    if (text::Contains(text::Lower(name), text::Lower(word))) return true;
  }
  return false;
}

bool MakesHarmless(std::string_view name) {
  return text::IsOneOf(name, {"parseInt", "parseFloat", "Number", "BigInt", "Boolean", "basename", "encodeURIComponent",
                              "escape", "escapeId", "escapeLiteral", "escapeIdentifier", "toInteger", "toNumber"});
}

// What carries the data near the place: its path and the names of variables in between.
struct Carriers {
  std::string path;
  std::vector<std::string_view> names;

  bool Mention(Node node) const {
    if (node.Is(Kind::kIdentifier) || node.Is(Kind::kShorthand)) return text::IsOneOf(node.text(), names);
    return !path.empty() && node.Is(Kind::kMember) && PathOf(node) == path;
  }
};

bool MentionedIn(const Carriers& carriers, Node node) {
  if (carriers.Mention(node)) return true;
  for (const Node child : node.Descendants()) {
    if (carriers.Mention(child)) return true;
  }
  return false;
}

// What a condition on a carrier says of it.
struct Narrowing {
  bool by_call = false;  // compared with what is allowed: includes, a pattern, a table, a function that says it checks
  bool is_one = false;   // x === "a"
  bool is_not = false;   // x !== "a"
};

// A pattern that is not tied to the start of the text lets anything else stand beside what it finds.
bool IsLoosePattern(const Model& model, Node call) {
  const std::string_view name = CalleeName(call);
  if (name != "test" && name != "exec" && name != "match") return false;
  Node pattern = name == "match" ? ArgumentOf(call, 0).Bare() : CalleeOf(call)[Field::kObject].Bare();
  if (pattern.Is(Kind::kIdentifier)) pattern = model.Resolve(pattern).node.Bare();
  return pattern.Is(Kind::kRegex) && !pattern.text().starts_with("/^");
}

Narrowing NarrowingOf(const Model& model, Node condition, const Carriers& carriers) {
  Narrowing narrowing;
  bool mentions = false;
  const auto look = [&](Node node) {
    mentions |= carriers.Mention(node);
    if (node.Is(Kind::kCall)) {
      const bool compares = ComparesWithAllowed(CalleeName(node)) && !IsLoosePattern(model, node);
      narrowing.by_call |= compares || SaysItChecks(CalleeName(node));
    }
    if (node.Is(Kind::kSubscript)) narrowing.by_call = true;  // ALLOWED[x]
    if (!node.Is(Kind::kBinary)) return;
    const Operator op = node.op();
    if (op == Operator::kIn || op == Operator::kInstanceof) narrowing.by_call = true;
    // `x === "asc"`, and hosts or resolved paths compared with what is expected; not `x === undefined` or a type's
    // name.
    const Node left = node[Field::kLeft].Bare(), right = node[Field::kRight].Bare();
    const Node other = MentionedIn(carriers, left) ? right : left;
    const bool expected = !StringValue(other).value_or("").empty() || other.Is(Kind::kMember);
    if (!expected || left.Is(Kind::kUnary) || right.Is(Kind::kUnary)) return;
    narrowing.is_one |= op == Operator::kEqual || op == Operator::kStrictEqual;
    narrowing.is_not |= op == Operator::kNotEqual || op == Operator::kStrictNotEqual;
  };
  look(condition);
  for (const Node node : condition.Descendants()) look(node);
  return mentions ? narrowing : Narrowing();
}

bool LeavesOrReplaces(Node branch, const Carriers& carriers) {
  const auto leaves = [&](Node node) {
    if (node.Is(Kind::kReturn) || node.Is(Kind::kThrow) || node.Is(Kind::kContinue) || node.Is(Kind::kBreak))
      return true;
    return node.Is(Kind::kAssignment) && carriers.Mention(node[Field::kLeft].Bare());
  };
  if (leaves(branch)) return true;
  for (const Node node : branch.Descendants()) {
    if (leaves(node)) return true;
  }
  return false;
}

// Whether an `if` or a ternary before or around `place` keeps unknown values away from it.
bool BranchGuards(const Model& model, Node branch, Node place, const Carriers& carriers) {
  const Node condition = branch[Field::kCondition], consequence = branch[Field::kConsequence];
  if (condition.Contains(place)) return false;
  const Narrowing narrowing = NarrowingOf(model, condition, carriers);
  const bool around = branch.Contains(place), within = consequence.Contains(place) || consequence == place;
  const bool left_before = !around && branch.Is(Kind::kIf) && LeavesOrReplaces(consequence, carriers);
  if (narrowing.by_call) return around || left_before;
  if (within) return narrowing.is_one;
  return narrowing.is_not && (around || left_before);
}

// Whether something in the function around `place`, before it, keeps unknown values away.
bool IsGuardedAt(const Model& model, Node place, const Carriers& carriers) {
  const Node function = place.EnclosingFunction();
  const Node scope = function ? function : place.tree()->root();
  size_t seen = 0;
  for (const Node node : scope.Descendants()) {
    if (node.begin() >= place.end() || ++seen > kMaxNodes) break;
    if (node.Is(Kind::kIf) || (node.Is(Kind::kTernary) && node.Contains(place))) {
      if (BranchGuards(model, node, place, carriers)) return true;
    } else if (node.Is(Kind::kSwitch) && node.Contains(place) && MentionedIn(carriers, node.first_child())) {
      return true;
    } else if (node.Is(Kind::kExpressionStatement)) {
      const Node call = node.first_child().Is(Kind::kAwait) ? node.first_child().first_child() : node.first_child();
      if (call.Is(Kind::kCall) && SaysItChecks(CalleeName(call)) && MentionedIn(carriers, call[Field::kArguments]))
        return true;
    } else if (node.Is(Kind::kAssignment) && carriers.Mention(node[Field::kLeft].Bare())) {
      const Node right = node[Field::kRight].Bare();
      if (right.Is(Kind::kCall) && MakesHarmless(CalleeName(right))) return true;
    }
  }
  return false;
}

std::string_view VariableAround(Node source) {
  for (Node node = source; node; node = node.parent()) {
    if (node.Is(Kind::kDeclarator)) return NameOf(node[Field::kName]);
    if (node.Is(Kind::kAssignment)) return NameOf(node[Field::kLeft].Bare());
    if (node.IsFunction() || node.Is(Kind::kBlock) || node.Is(Kind::kArguments)) return {};
  }
  return {};
}

// The source with the properties read from it: `req.query.name` where the data enters at `req.query`.
Node WholeAccess(Node source) {
  while (source.parent().Is(Kind::kMember) && source.parent()[Field::kObject].Bare() == source) {
    const Node call = source.parent().parent();
    if (call.Is(Kind::kCall) && call[Field::kFunction] == source.parent()) break;
    source = source.parent();
  }
  return source;
}

Carriers CarriersOf(Node expression, Node source) {
  Carriers carriers;
  const Node whole = WholeAccess(source);
  carriers.path = PathOf(whole);
  if (whole.Is(Kind::kIdentifier) || whole.Is(Kind::kShorthandPattern) || whole.Is(Kind::kShorthand))
    carriers.names.push_back(whole.text());
  if (const std::string_view variable = VariableAround(whole); !variable.empty()) carriers.names.push_back(variable);
  const auto add = [&](Node node) {
    const bool callee = node.parent().Is(Kind::kCall) && node.parent()[Field::kFunction] == node;
    const std::string_view name = node.text();
    if (node.Is(Kind::kIdentifier) && !callee &&
        !text::IsOneOf(name, {"req", "request", "path", "fs", "res", "db", "process"}))
      carriers.names.push_back(name);
  };
  add(expression.Bare());
  for (const Node node : expression.Descendants()) add(node);
  return carriers;
}

// A file that a body parser stored: its place on disk was chosen by the server.
bool IsServerChosen(Node source) {
  const std::string_view name = source.Is(Kind::kMember) ? source[Field::kProperty].text() : source.text();
  if (name != "file" && name != "files") return false;
  for (Node node = source.parent(); node.Is(Kind::kMember) || node.Is(Kind::kSubscript); node = node.parent()) {
    if (node.Is(Kind::kMember) &&
        text::IsOneOf(node[Field::kProperty].text(), {"originalname", "name", "originalFilename"}))
      return false;
  }
  return true;
}

class TaintFinder {
 public:
  explicit TaintFinder(const Model& model) : model_(model) {}

  std::optional<Taint> Find(Node expression, Node place, int helpers) {
    if (const std::optional<RequestData> data = model_.RequestDataIn(expression)) {
      const Carriers carriers = CarriersOf(expression, data->source);
      const bool guarded = IsServerChosen(data->source) || IsChosenFromAllowed(expression) ||
                           IsGuardedAt(model_, place, carriers) || IsGuardedAt(model_, data->source, carriers);
      if (!guarded) return Describe(data->source);
      return std::nullopt;
    }
    return helpers < kMaxHelpers ? InHelpers(expression, helpers) : std::nullopt;
  }

 private:
  // `const ext = ALLOWED.includes(x) ? x : "jpg"`, used by its name.
  bool IsChosenFromAllowed(Node expression) const {
    const auto chosen = [&](Node name) {
      const Node declaration = name.Is(Kind::kIdentifier) ? model_.DeclarationOf(name) : Node();
      const Node value = declaration.Is(Kind::kDeclarator) ? declaration[Field::kValue].Bare() : Node();
      if (!value.Is(Kind::kTernary)) return false;
      const Carriers carriers = CarriersOf(value, value[Field::kConsequence]);
      return NarrowingOf(model_, value[Field::kCondition], carriers).by_call;
    };
    if (chosen(expression.Bare())) return true;
    for (const Node node : expression.Descendants()) {
      if (chosen(node)) return true;
    }
    return false;
  }

  static Taint Describe(Node source) {
    const Node whole = WholeAccess(source);
    const std::string path = PathOf(whole);
    return {source, path.empty() ? std::string(whole.text().substr(0, 60)) : path};
  }

  // Functions of the repository that make (part of) the value from what this call gives them.
  std::optional<Taint> InHelpers(Node expression, int helpers) {
    std::vector<Node> calls;
    Collect(expression.Bare(), 0, &calls);
    for (const Node call : calls) {
      const Node function = model_.FunctionCalledBy(call);
      if (!function || SaysItChecks(CalleeName(call)) || MakesHarmless(CalleeName(call))) continue;
      const auto parameters = ParametersOf(function);
      for (const Node returned : ReturnedBy(function)) {
        for (uint32_t i = 0; i < parameters.size(); ++i) {
          const std::string_view name = ParameterName(parameters[i]);
          if (name.empty() || !HandsOn(returned, function, name, 0)) continue;
          if (IsGuardedAt(model_, returned, Carriers{{}, {name}})) continue;
          if (const auto found = Find(ArgumentOf(call, i), call, helpers + 1)) return found;
        }
      }
    }
    return std::nullopt;
  }

  // Whether a value made inside `function` holds the text of its parameter.
  bool HandsOn(Node node, Node function, std::string_view parameter, int depth) {
    node = node.Bare();
    if (!node || depth > kMaxDepth) return false;
    const auto any = [&](auto nodes) {
      for (const Node each : nodes) {
        if (HandsOn(each, function, parameter, depth + 1)) return true;
      }
      return false;
    };
    switch (node.kind()) {
      case Kind::kIdentifier: {
        const Node declaration = model_.DeclarationOf(node);
        if (declaration.Is(Kind::kDeclarator))
          return function.Contains(declaration) && HandsOn(declaration[Field::kValue], function, parameter, depth + 1);
        return node.text() == parameter && declaration.EnclosingFunction() == function;
      }
      case Kind::kMember:
      case Kind::kSubscript:
        return HandsOn(node[Field::kObject], function, parameter, depth + 1);
      case Kind::kTemplate:
      case Kind::kSubstitution:
      case Kind::kAwait:
      case Kind::kArray:
        return any(node.Children());
      case Kind::kBinary:
        return (node.op() == Operator::kPlus || node.op() == Operator::kOr || node.op() == Operator::kNullish) &&
               any(node.Children());
      case Kind::kTernary:
        return HandsOn(node[Field::kConsequence], function, parameter, depth + 1) ||
               HandsOn(node[Field::kAlternative], function, parameter, depth + 1);
      case Kind::kCall: {
        const std::string_view name = CalleeName(node);
        if (MakesHarmless(name) || SaysItChecks(name) || name.starts_with("replace")) return false;
        const std::string origin = model_.OriginOf(CalleeOf(node));
        if (text::IsOneOf(origin, {"String", "decodeURIComponent", "path.join", "path.resolve", "path.normalize",
                                   "util.format", "JSON.stringify"})) {
          return any(ArgumentsOf(node));
        }
        const Node callee = CalleeOf(node);
        const bool of_text = text::IsOneOf(
            name, {"trim", "toLowerCase", "toUpperCase", "toString", "concat", "slice", "substring", "join", "split"});
        return of_text && callee.Is(Kind::kMember) && HandsOn(callee[Field::kObject], function, parameter, depth + 1);
      }
      default:
        return false;
    }
  }

  // Calls whose value becomes part of the expression.
  void Collect(Node node, int depth, std::vector<Node>* calls) {
    node = node.Bare();
    if (!node || depth > kMaxDepth || calls->size() > 8) return;
    switch (node.kind()) {
      case Kind::kCall:
        calls->push_back(node);
        return;
      case Kind::kAwait:
      case Kind::kTemplate:
      case Kind::kSubstitution:
      case Kind::kBinary:
      case Kind::kTernary:
      case Kind::kArray:
        for (const Node child : node.Children()) Collect(child, depth + 1, calls);
        return;
      case Kind::kIdentifier: {
        const Node declarator = model_.DeclarationOf(node);
        if (declarator.Is(Kind::kDeclarator)) Collect(declarator[Field::kValue], depth + 4, calls);
        return;
      }
      default:
        return;
    }
  }

  static std::vector<Node> ReturnedBy(Node function) {
    const Node body = BodyOf(function);
    if (!body.Is(Kind::kBlock)) return {body};
    std::vector<Node> values;
    for (const Node node : body.Descendants()) {
      if (node.Is(Kind::kReturn) && node.EnclosingFunction() == function && node.first_child())
        values.push_back(node.first_child());
      if (values.size() > 8) break;
    }
    return values;
  }

  const Model& model_;
};

class FixedTextReader {
 public:
  explicit FixedTextReader(const Model& model) : model_(model) {}

  std::string Read(Node expression) {
    Append(expression, 0);
    return std::move(text_);
  }

 private:
  void Add(std::string_view part) {
    if (part.empty() || text_.size() > kMaxFixedText) return;
    if (!text_.empty()) text_.push_back(' ');
    text_ += part.substr(0, kMaxFixedText);
  }

  void Append(Node node, int depth) {
    node = node.Bare();
    if (!node || depth > kMaxDepth || text_.size() > kMaxFixedText) return;
    if (const auto value = StringValue(node)) return Add(*value);
    switch (node.kind()) {
      case Kind::kTemplate:
        Template(node, depth);
        return;
      case Kind::kBinary:
      case Kind::kTernary:
      case Kind::kArray:
      case Kind::kAwait:
        for (const Node child : node.Children()) Append(child, depth + 1);
        return;
      case Kind::kIdentifier:
        Variable(node, depth);
        return;
      case Kind::kCall:
        Call(node, depth);
        return;
      default:
        return;
    }
  }

  void Template(Node node, int depth) {
    const std::string_view all = node.text();
    uint32_t from = node.begin() + 1;
    for (const Node part : node.Children()) {
      if (!part.Is(Kind::kSubstitution)) continue;
      Add(all.substr(from - node.begin(), part.begin() - from));
      Append(part.first_child(), depth + 2);
      from = part.end();
    }
    if (from + 1 <= node.end()) Add(all.substr(from - node.begin(), node.end() - 1 - from));
  }

  void Variable(Node node, int depth) {
    const Node declaration = model_.DeclarationOf(node);
    if (!declaration.Is(Kind::kDeclarator) || !declaration[Field::kName].Is(Kind::kIdentifier)) return;
    Append(declaration[Field::kValue], depth + 3);
    for (const Node write : model_.WritesTo(declaration)) Append(write[Field::kRight], depth + 3);
  }

  void Call(Node node, int depth) {
    const Node callee = CalleeOf(node);
    // "a".concat(b), [a, b].join(" "), text.trim()
    if (callee.Is(Kind::kMember) &&
        text::IsOneOf(CalleeName(node), {"concat", "join", "trim", "replace", "toString"})) {
      Append(callee[Field::kObject], depth + 1);
      return;
    }
    const Node function = model_.FunctionCalledBy(node);
    if (!function) return;
    const Node body = BodyOf(function);
    if (!body.Is(Kind::kBlock)) return Append(body, depth + 4);
    for (const Node child : body.Descendants()) {
      if (child.Is(Kind::kReturn) && child.EnclosingFunction() == function) Append(child.first_child(), depth + 4);
    }
  }

  const Model& model_;
  std::string text_;
};

}  // namespace

std::optional<Taint> TaintReaching(const Model& model, Node expression, Node sink) {
  return TaintFinder(model).Find(expression, sink, 0);
}

Node LeadingPart(const Model& model, Node expression) {
  Node node = expression.Bare();
  for (int depth = 0; depth < kMaxDepth && node; ++depth) {
    if (node.Is(Kind::kBinary) && node.op() == Operator::kPlus) {
      node = node[Field::kLeft].Bare();
    } else if (node.Is(Kind::kTemplate)) {
      const Node first = node.first_child();
      if (!first.Is(Kind::kSubstitution) || first.begin() != node.begin() + 1) return node;
      node = first.first_child().Bare();
    } else if (node.Is(Kind::kIdentifier)) {
      const Node declaration = model.DeclarationOf(node);
      const Node value = declaration.Is(Kind::kDeclarator) && declaration[Field::kName].Is(Kind::kIdentifier)
                             ? declaration[Field::kValue].Bare()
                             : Node();
      if (!value.Is(Kind::kBinary) && !value.Is(Kind::kTemplate)) return node;
      if (value.Is(Kind::kBinary) && value.op() != Operator::kPlus) return node;
      node = value;
    } else {
      return node;
    }
  }
  return node;
}

std::string FixedText(const Model& model, Node expression) { return FixedTextReader(model).Read(expression); }

}  // namespace assay::code_analysis
