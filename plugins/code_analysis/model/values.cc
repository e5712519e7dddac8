#include "plugins/code_analysis/model/values.h"

#include <algorithm>

namespace assay::code_analysis {
namespace {

// Chains longer than this are taken as unknown: it bounds recursion on code made to be deep.
constexpr int kMaxDepth = 80;
constexpr size_t kMaxOrigin = 300;
constexpr size_t kMaxCallers = 64;
constexpr size_t kMaxMembers = 512;  // places of one name that are looked at

const Value& Unknown() {
  static const auto* unknown = new Value();
  return *unknown;
}

bool Known(const Value& value) { return value.node || !value.origin.empty() || value.exports; }

// Functions of compilers and bundlers that return what they are given.
bool PassesThrough(std::string_view callee) {
  for (std::string_view name : {"__importDefault", "__importStar", "_interopRequireDefault", "_interopRequireWildcard",
                                "__toESM", "_interop_require_default", "_interop_require_wildcard", "_interopDefault",
                                "_interopDefaultLegacy", "_interopNamespace"}) {
    if (callee == name) return true;
  }
  return false;
}

std::string CleanOrigin(std::string origin) {
  if (origin.size() > kMaxOrigin) origin.clear();
  if (origin.size() > 8 && origin.compare(origin.size() - 8, 8, ".default") == 0) origin.resize(origin.size() - 8);
  return origin;
}

}  // namespace

const Binding* Values::BindingOf(Node identifier) const {
  return identifier ? graph_.scopes(graph_.IndexOf(identifier.tree())).Find(identifier) : nullptr;
}

Node Values::DeclarationOf(Node identifier) const {
  const Binding* binding = BindingOf(identifier);
  if (binding == nullptr) return {};
  const Node owner(identifier.tree(), binding->owner);
  const Node leaf(identifier.tree(), binding->leaf);
  switch (binding->kind) {
    case BindingKind::kParameter:
    case BindingKind::kCatch:
    case BindingKind::kLoop:
      return leaf;
    case BindingKind::kImport:
      return leaf.parent().Is(Kind::kImportSpecifier) ? leaf.parent() : leaf;
    default:
      return owner;
  }
}

const std::vector<Node>& Values::WritesTo(Node declaration) {
  static const auto* none = new std::vector<Node>();
  if (!declaration) return *none;
  const bool named =
      declaration.Is(Kind::kDeclarator) || declaration.Is(Kind::kFunctionDeclaration) || declaration.Is(Kind::kClass);
  const Node leaf = named ? declaration[Field::kName] : declaration;
  if (!leaf) return *none;
  const uint32_t module = graph_.IndexOf(leaf.tree());
  writes_built_.resize(graph_.modules().size(), false);
  if (!writes_built_[module]) {
    writes_built_[module] = true;
    const SyntaxTree& tree = *leaf.tree();
    for (Kind kind : {Kind::kAssignment, Kind::kAugmentedAssignment, Kind::kUpdate}) {
      for (uint32_t id : tree.All(kind)) {
        const Node write(&tree, id);
        const Node target = write[kind == Kind::kUpdate ? Field::kArgument : Field::kLeft].Bare();
        const Binding* binding = target.Is(Kind::kIdentifier) ? BindingOf(target) : nullptr;
        if (binding != nullptr) writes_[KeyOf(Node(&tree, binding->leaf))].push_back(write);
      }
    }
  }
  const auto found = writes_.find(KeyOf(leaf));
  return found == writes_.end() ? *none : found->second;
}

const Value& Values::Resolve(Node expression) {
  expression = expression.Bare();
  if (!expression || depth_ > kMaxDepth) return Unknown();
  const uint32_t module = graph_.IndexOf(expression.tree());
  if (cached_.size() <= module) cached_.resize(graph_.modules().size());
  if (cached_[module].empty()) cached_[module].resize(expression.tree()->size(), 0);
  uint32_t& place = cached_[module][expression.id()];
  if (place != 0) return resolved_[place - 1];
  // A value that depends on itself is unknown while it is being computed.
  resolved_.emplace_back();
  place = static_cast<uint32_t>(resolved_.size());
  Value& slot = resolved_.back();
  ++depth_;
  Value value = Compute(expression);
  --depth_;
  value.origin = CleanOrigin(std::move(value.origin));
  slot = std::move(value);
  return slot;
}

Value Values::Compute(Node node) {
  switch (node.kind()) {
    case Kind::kIdentifier:
    case Kind::kShorthand:
      return OfIdentifier(node);
    case Kind::kShorthandPattern:
      return OfIdentifier(node);
    case Kind::kThis:
      return OfThis(node);
    case Kind::kMember:
      return MemberOf(Value(Resolve(node[Field::kObject])), node[Field::kProperty].text());
    case Kind::kSubscript: {
      const auto key = StringValue(node[Field::kIndex]);
      if (!key) return {.node = node, .origin = "", .exports = {}};
      return MemberOf(Value(Resolve(node[Field::kObject])), *key);
    }
    case Kind::kCall:
    case Kind::kNew:
      return OfCall(node);
    case Kind::kAwait:
      return Resolve(node.first_child());
    case Kind::kAssignment:
      return Resolve(node[Field::kRight]);
    case Kind::kSequence: {
      Node last;
      for (Node child : node.Children()) last = child;
      return Resolve(last);
    }
    case Kind::kTernary:
      return OfEither(node[Field::kConsequence], node[Field::kAlternative]);
    case Kind::kBinary:
      if (node.op() == Operator::kAnd) return Resolve(node[Field::kRight]);
      if (node.op() == Operator::kOr || node.op() == Operator::kNullish)
        return OfEither(node[Field::kLeft], node[Field::kRight]);
      return {.node = node, .origin = "", .exports = {}};
    case Kind::kMetaProperty:
      return {.node = node, .origin = std::string(node.text()), .exports = {}};
    case Kind::kFunctionDeclaration:
    case Kind::kFunctionExpression:
    case Kind::kArrow:
    case Kind::kMethod:
    case Kind::kClass:
    default:
      return {.node = node, .origin = "", .exports = {}};
  }
}

// A default beside a value from the environment, or a choice: the first that is known as something of substance.
Value Values::OfEither(Node first, Node second) {
  const Value left = Resolve(first);
  const Value right = Resolve(second);
  const auto plain = [](const Value& value) {
    return !Known(value) || value.node.Is(Kind::kNull) || value.node.Is(Kind::kUndefined) ||
           value.node.Is(Kind::kFalse) || value.origin.compare(0, 12, "process.env.") == 0 ||
           value.node.Is(Kind::kIdentifier);
  };
  return plain(left) && Known(right) ? right : left;
}

Value Values::OfThis(Node node) {
  for (Node around = node.parent(); around; around = around.parent()) {
    if (around.Is(Kind::kClass)) return {.node = around, .origin = "", .exports = {}};
    if (around.Is(Kind::kObject) && !around.parent().Is(Kind::kArguments))
      return {.node = around, .origin = "", .exports = {}};
    // Functions assigned to a prototype: `X.prototype.name = function () { this.… }` belongs to X.
    if (around.Is(Kind::kFunctionExpression) && around.parent().Is(Kind::kAssignment)) {
      const Node left = around.parent()[Field::kLeft].Bare();
      const Node object = left[Field::kObject].Bare();
      if (left.Is(Kind::kMember) && object.Is(Kind::kMember) && object[Field::kProperty].text() == "prototype")
        return Resolve(object[Field::kObject]);
    }
    if (around.Is(Kind::kFunctionDeclaration)) return {.node = around, .origin = "", .exports = {}};
  }
  return {};
}

Value Values::OfIdentifier(Node identifier) {
  const Binding* binding = BindingOf(identifier);
  if (binding != nullptr) return OfBinding(identifier, *binding);
  std::string_view name = identifier.text();
  if (name == "globalThis" || name == "global") name = "globalThis";
  return {.node = {}, .origin = std::string(name), .exports = {}};
}

Value Values::OfBinding(Node identifier, const Binding& binding) {
  const Node owner(identifier.tree(), binding.owner);
  const Node leaf(identifier.tree(), binding.leaf);
  switch (binding.kind) {
    case BindingKind::kFunction:
    case BindingKind::kClass:
    case BindingKind::kEnum:
      return {.node = owner, .origin = "", .exports = {}};
    case BindingKind::kImport:
      return OfImport(leaf, binding);
    case BindingKind::kParameter:
      // `({ app }) => …` and `(app = express()) => …`: the callers decide; the leaf stands for them.
      return {.node = leaf, .origin = "", .exports = {}};
    case BindingKind::kCatch:
    case BindingKind::kLoop:
      return {.node = leaf, .origin = "", .exports = {}};
    case BindingKind::kVariable:
      break;
  }
  const Node initial = owner[Field::kValue];
  if (!initial) {
    // `let app; … app = express()`: one meaningful write decides.
    for (Node write : WritesTo(owner)) {
      if (!write.Is(Kind::kAssignment)) continue;
      const Value value = Resolve(write[Field::kRight]);
      if (Known(value) && !value.node.Is(Kind::kNull) && !value.node.Is(Kind::kUndefined)) return value;
    }
    return {.node = leaf, .origin = "", .exports = {}};
  }
  const Value whole = Resolve(initial);
  if (owner[Field::kName] == leaf) {
    if (whole.node.Is(Kind::kNull) || whole.node.Is(Kind::kUndefined)) {
      for (Node write : WritesTo(owner)) {
        if (write.Is(Kind::kAssignment)) return Resolve(write[Field::kRight]);
      }
    }
    return Known(whole) ? whole : Value{.node = leaf, .origin = "", .exports = {}};
  }
  const Value part = Destructured(leaf, whole, owner[Field::kName]);
  return Known(part) ? part : Value{.node = leaf, .origin = "", .exports = {}};
}

// The part of `whole` that `leaf` names inside a destructuring pattern.
Value Values::Destructured(Node leaf, const Value& whole, Node pattern) {
  std::vector<std::string_view> path;
  for (Node node = leaf; node && !(node == pattern); node = node.parent()) {
    const Node around = node.parent();
    if (around.Is(Kind::kRest)) return {};
    if (around.Is(Kind::kArrayPattern)) return {};
    if (node.Is(Kind::kShorthandPattern)) path.push_back(node.text());
    if (node.Is(Kind::kPairPattern)) path.push_back(NameOf(node));
  }
  Value value = whole;
  for (auto key = path.rbegin(); key != path.rend(); ++key) value = MemberOf(value, *key);
  return value;
}

Value Values::OfTarget(const Target& target, std::string_view name) {
  if (target.module) {
    if (name != "*") return ExportOf(*target.module, name);
    const ExportTable& table = graph_.exports(*target.module);
    Value value;
    if (!table.whole.empty()) value = Resolve(table.whole.back());
    value.exports = graph_.at(*target.module).tree.root();
    return value;
  }
  if (target.package.empty()) return {};
  if (name == "*" || name == "default") return {.node = {}, .origin = target.package, .exports = {}};
  return {.node = {}, .origin = target.package + "." + std::string(name), .exports = {}};
}

Value Values::OfImport(Node leaf, const Binding& binding) {
  const Node import(leaf.tree(), binding.owner);
  Node source = import[Field::kSource];
  if (leaf.parent().Is(Kind::kImportRequire)) source = leaf.parent()[Field::kSource];
  const auto specifier = StringValue(source);
  if (!specifier) return {};
  const Target target = graph_.Resolve(graph_.IndexOf(leaf.tree()), *specifier);
  if (leaf.parent().Is(Kind::kImportSpecifier)) return OfTarget(target, NameOf(leaf.parent()[Field::kName]));
  if (leaf.parent().Is(Kind::kNamespaceImport) || leaf.parent().Is(Kind::kImportRequire)) return OfTarget(target, "*");
  return OfTarget(target, "default");
}

Value Values::ExportOf(uint32_t module, std::string_view name) {
  if (depth_ > kMaxDepth) return {};
  const std::string key = std::to_string(module) + ' ' + std::string(name);
  if (const auto cached = exports_.find(key); cached != exports_.end()) return cached->second;
  exports_.emplace(key, Value());
  ++depth_;
  Value value;
  const ExportTable& table = graph_.exports(module);
  if (const auto found = table.named.find(name); found != table.named.end()) {
    value = found->second.from ? OfTarget(*found->second.from, found->second.from_name)
                               : Value(Resolve(found->second.value));
  }
  if (!Known(value) && !table.whole.empty()) {
    const Value whole = Resolve(table.whole.back());
    value = name == "default" ? whole : MemberOf(whole, name);
  }
  if (!Known(value) && name == "default" && table.named.find("default") == table.named.end())
    value.exports = graph_.at(module).tree.root();
  for (size_t i = 0; i < table.stars.size() && !Known(value); ++i) {
    if (table.stars[i].module) value = ExportOf(*table.stars[i].module, name);
  }
  --depth_;
  exports_[key] = value;
  return value;
}

Value Values::MemberOf(const Value& value, std::string_view name) {
  if (++depth_ > kMaxDepth) {
    --depth_;
    return {};
  }
  Value member;
  if (value.exports) member = ExportOf(graph_.IndexOf(value.exports.tree()), name);
  if (!Known(member) && !value.origin.empty()) {
    // A property the repository itself hangs on a package's object (app.services = …) is seldom read back; the path is
    // what matters.
    if (name == "default") {
      member = value;
      member.exports = {};
    } else {
      member.origin = value.origin == "globalThis" ? std::string(name) : value.origin + "." + std::string(name);
    }
  } else if (!Known(member)) {
    const Node node = value.node;
    switch (node.kind()) {
      case Kind::kObject:
        member = MemberOfObject(node, name);
        break;
      case Kind::kClass:
        member = MemberOfClass(node, name);
        break;
      case Kind::kNew: {
        const Value made = Resolve(node[Field::kConstructor]);
        if (made.node.Is(Kind::kClass)) member = MemberOfClass(made.node, name);
        if (made.node.IsFunction()) member = AssignedMember(made.node, name);
        break;
      }
      case Kind::kEnum:
        for (Node entry : node.Children()) {
          if (entry.Is(Kind::kPair) && NameOf(entry) == name) member = Resolve(entry[Field::kValue]);
        }
        break;
      default:
        break;
    }
    // What hangs on a parameter or a loop's variable cannot be told from the file.
    const bool made = node.Is(Kind::kObject) || node.Is(Kind::kClass) || node.Is(Kind::kCall) || node.Is(Kind::kNew) ||
                      node.IsFunction();
    if (!Known(member) && made) member = AssignedMember(node, name);
    // f.bind(x), f.call and f.apply are f.
    if (!Known(member) && node.IsFunction() && (name == "bind" || name == "call" || name == "apply")) member = value;
  }
  --depth_;
  return member;
}

Value Values::MemberOfObject(Node object, std::string_view name) {
  const Node direct = PropertyOf(object, name);
  if (direct) return Resolve(direct);
  for (Node child : object.Children()) {
    if (!child.Is(Kind::kSpread)) continue;
    const Value member = MemberOf(Value(Resolve(child.first_child())), name);
    if (Known(member)) return member;
  }
  return {};
}

// Methods, fields, what the constructor assigns, then the base class.
Value Values::MemberOfClass(Node klass, std::string_view name) {
  for (Node member : klass[Field::kBody].Children()) {
    if (NameOf(member) != name) continue;
    if (member.Is(Kind::kMethod)) {
      if (!member.Has(attribute::kGetter)) return {.node = member, .origin = "", .exports = {}};
      const auto returns = ReturnsOf(member);
      if (!returns.empty()) return Resolve(returns[0]);
    }
    if (member.Is(Kind::kField) && member[Field::kValue]) return Resolve(member[Field::kValue]);
  }
  const SyntaxTree& tree = *klass.tree();
  size_t seen = 0;
  for (Node member : tree.MembersNamed(name)) {
    if (++seen > kMaxMembers) break;
    if (!klass.Contains(member) || !member[Field::kObject].Bare().Is(Kind::kThis)) continue;
    const Node assignment = member.parent();
    if (!assignment.Is(Kind::kAssignment) || !(assignment[Field::kLeft] == member)) continue;
    const Value value = Resolve(assignment[Field::kRight]);
    if (Known(value) && !value.node.Is(Kind::kNull) && !value.node.Is(Kind::kUndefined)) return value;
  }
  for (Node member : klass[Field::kBody].Children()) {
    if (!member.Is(Kind::kMethod) || NameOf(member) != "constructor") continue;
    for (Node parameter : member[Field::kParameters].Children()) {
      if (parameter.Has(attribute::kMember) && ParameterName(parameter[Field::kPattern]) == name)
        return {.node = parameter[Field::kPattern], .origin = "", .exports = {}};
    }
  }
  for (Node child : klass.Children()) {
    if (!child.Is(Kind::kHeritage)) continue;
    const Value base = Resolve(child.first_child());
    if (base.node.Is(Kind::kClass) && !(base.node == klass)) return MemberOfClass(base.node, name);
    if (!base.origin.empty()) return {.node = {}, .origin = base.origin + "()." + std::string(name), .exports = {}};
  }
  return {};
}

// `x.name = value` and `X.prototype.name = value` where x is what `made` made.
Value Values::AssignedMember(Node made, std::string_view name) {
  const SyntaxTree& tree = *made.tree();
  size_t seen = 0;
  for (Node member : tree.MembersNamed(name)) {
    if (++seen > kMaxMembers) break;
    const Node assignment = member.parent();
    if (!assignment.Is(Kind::kAssignment) || !(assignment[Field::kLeft] == member)) continue;
    Node object = member[Field::kObject].Bare();
    if (object.Is(Kind::kMember) && object[Field::kProperty].text() == "prototype")
      object = object[Field::kObject].Bare();
    if (object.Is(Kind::kThis) ? !(OfThis(object).node == made)
                               : !object.Is(Kind::kIdentifier) || !(Resolve(object).node == made))
      continue;
    return Resolve(assignment[Field::kRight]);
  }
  return {};
}

Value Values::OfCall(Node call) {
  if (const auto specifier = graph_.RequiredBy(call))
    return OfTarget(graph_.Resolve(graph_.IndexOf(call.tree()), *specifier), "*");
  const Node callee = CalleeOf(call);
  const std::string_view name = CalleeName(call);
  if (call.Is(Kind::kCall)) {
    if (PassesThrough(name)) return Resolve(ArgumentOf(call, 0));
    if (name == "bind" && callee.Is(Kind::kMember)) return Resolve(callee[Field::kObject]);
    if (name == "then" && callee[Field::kObject].Bare().Is(Kind::kCall) &&
        graph_.RequiredBy(callee[Field::kObject].Bare()))
      return Resolve(callee[Field::kObject]);
  }
  const Value target = Resolve(callee);
  if (!target.origin.empty()) {
    if (target.origin == "util.promisify" || target.origin == "Object.freeze" || target.origin == "Promise.resolve")
      return Resolve(ArgumentOf(call, 0));
    if (target.origin == "Promise" && call.Is(Kind::kNew)) {
      const Value kept = KeptBy(call);
      if (Known(kept)) return kept;
    }
    if (target.origin == "Object.assign" && ArgumentOf(call, 0)) {
      const Value first = Resolve(ArgumentOf(call, 0));
      if (!first.node.Is(Kind::kObject) || first.node.first_child()) return first;
    }
    return {.node = call, .origin = target.origin + "()", .exports = {}};
  }
  if (call.Is(Kind::kCall) && target.node.IsFunction()) return OfLocalCall(call, target.node);
  if (call.Is(Kind::kNew) && target.node.Is(Kind::kClass)) {
    for (Node child : target.node.Children()) {
      if (!child.Is(Kind::kHeritage)) continue;
      const Value base = Resolve(child.first_child());
      if (!base.origin.empty()) return {.node = call, .origin = "", .exports = {}};
    }
  }
  return {.node = call, .origin = "", .exports = {}};
}

// What `new Promise((resolve) => … resolve(x) …)` is kept with.
Value Values::KeptBy(Node promise) {
  const Node executor = ArgumentOf(promise, 0).Bare();
  const auto parameters = ParametersOf(executor);
  if (!executor.IsFunction() || parameters.empty()) return {};
  const std::string_view keep = ParameterName(parameters[0]);
  size_t seen = 0;
  for (Node call : executor.tree()->AllInside(Kind::kCall, executor)) {
    if (++seen > kMaxMembers) break;
    if (CalleeName(call) != keep || !CalleeOf(call).Is(Kind::kIdentifier) || !ArgumentOf(call, 0)) continue;
    const Value value = Resolve(ArgumentOf(call, 0));
    if (value.node.Is(Kind::kObject) || value.node.IsFunction() || !value.origin.empty()) return value;
  }
  return {};
}

// What a local function returns, when that is one thing of substance.
Value Values::OfLocalCall(Node call, Node function) {
  if (function.Has(attribute::kGenerator)) return {.node = call, .origin = "", .exports = {}};
  for (Node returned : ReturnsOf(function)) {
    Value value = Resolve(returned);
    if (!Known(value) || value.node.Is(Kind::kNull) || value.node.Is(Kind::kUndefined) || value.node.Is(Kind::kFalse))
      continue;
    if (value.node.Is(Kind::kIdentifier) && value.origin.empty()) {
      // A parameter handed back: what this call gave for it.
      const Binding* binding = BindingOf(value.node);
      if (binding == nullptr || binding->kind != BindingKind::kParameter || binding->owner != function.id()) continue;
      const auto parameters = ParametersOf(function);
      for (uint32_t i = 0; i < parameters.size(); ++i) {
        if (ParameterName(parameters[i]) == value.node.text()) return Resolve(ArgumentOf(call, i));
      }
      continue;
    }
    return value;
  }
  return {.node = call, .origin = "", .exports = {}};
}

std::vector<Node> Values::ReturnsOf(Node function) const {
  std::vector<Node> returns;
  const Node body = BodyOf(function);
  if (!body.Is(Kind::kBlock)) {
    if (body) returns.push_back(body);
    return returns;
  }
  for (Node statement : function.tree()->AllInside(Kind::kReturn, body)) {
    if (statement.EnclosingFunction() == function && statement.first_child())
      returns.push_back(statement.first_child());
  }
  return returns;
}

Node Values::FunctionCalledBy(Node call) {
  const Node callee = CalleeOf(call);
  if (callee.IsFunction()) return callee;
  const Value value = Resolve(callee);
  if (value.node.IsFunction()) return value.node;
  if (value.node.Is(Kind::kClass) && call.Is(Kind::kNew)) {
    for (Node member : value.node[Field::kBody].Children()) {
      if (member.Is(Kind::kMethod) && NameOf(member) == "constructor") return member;
    }
  }
  return {};
}

const std::vector<Node>& Values::CallersOf(Node function) {
  static const auto* none = new std::vector<Node>();
  if (!callers_built_) {
    callers_built_ = true;
    for (const auto& module : graph_.modules()) {
      if (module->role != Role::kServer) continue;
      for (Kind kind : {Kind::kCall, Kind::kNew}) {
        for (uint32_t id : module->tree.All(kind)) {
          const Node call(&module->tree, id);
          const Node called = FunctionCalledBy(call);
          if (!called) continue;
          auto& callers = callers_[KeyOf(called)];
          if (callers.size() < kMaxCallers) callers.push_back(call);
        }
      }
    }
  }
  const auto found = callers_.find(KeyOf(function));
  return found == callers_.end() ? *none : found->second;
}

std::vector<Node> Values::ArgumentsFor(Node leaf) {
  std::vector<Node> arguments;
  const Binding* binding = BindingOf(leaf);
  if (binding == nullptr || binding->kind != BindingKind::kParameter) return arguments;
  const Node function(leaf.tree(), binding->owner);
  const auto parameters = ParametersOf(function);
  for (uint32_t i = 0; i < parameters.size(); ++i) {
    Node parameter = parameters[i];
    if (!(parameter == leaf) && !parameter.Contains(leaf)) continue;
    if (parameter.Is(Kind::kAssignmentPattern)) {
      if (parameter[Field::kLeft] == leaf) arguments.push_back(parameter[Field::kRight]);
      parameter = parameter[Field::kLeft];
    }
    for (Node call : CallersOf(function)) {
      Node argument = ArgumentOf(call, i);
      if (argument && parameter.Is(Kind::kObjectPattern)) {
        const Value part = Destructured(leaf, Value(Resolve(argument)), parameter);
        argument = part.node;
      }
      if (argument) arguments.push_back(argument);
    }
    break;
  }
  return arguments;
}

}  // namespace assay::code_analysis
