// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/constants.h"

#include <algorithm>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr int kMaxSteps = 6;
constexpr size_t kShownText = 60;

bool IsFallback(Node node) {
  return node.Is(Kind::kBinary) && (node.op() == Operator::kOr || node.op() == Operator::kNullish);
}

std::optional<LiteralText> Follow(const Model& model, Node expression, int steps) {
  expression = expression.Bare();
  if (!expression || steps > kMaxSteps) return std::nullopt;
  if (const auto value = StringValue(expression))
    return LiteralText{expression, *value, VariableInFront(model, expression)};
  if (IsFallback(expression)) {
    std::optional<LiteralText> text = Follow(model, expression[Field::kRight], steps + 1);
    if (text && text->variable.empty()) text->variable = EnvironmentVariableOf(model, expression[Field::kLeft]);
    return text && !text->variable.empty() ? text : std::nullopt;
  }
  if (!expression.Is(Kind::kIdentifier) && !expression.Is(Kind::kMember)) return std::nullopt;
  const Value value = model.Resolve(expression);
  if (!value.node || value.node == expression) return std::nullopt;
  return Follow(model, value.node, steps + 1);
}

}  // namespace

std::string VariableInFront(const Model& model, Node literal) {
  Node node = literal;
  while (node.parent().Is(Kind::kParenthesized) || node.parent().Is(Kind::kCast)) node = node.parent();
  const Node around = node.parent();
  return IsFallback(around) && around[Field::kRight] == node ? EnvironmentVariableOf(model, around[Field::kLeft])
                                                             : std::string();
}

std::optional<LiteralText> LiteralBehind(const Model& model, Node expression) { return Follow(model, expression, 0); }

Node ObjectBehind(const Model& model, Node expression) {
  expression = expression.Bare();
  for (int steps = 0; steps < kMaxSteps && expression; ++steps) {
    if (expression.Is(Kind::kObject)) return expression;
    if (!expression.Is(Kind::kIdentifier) && !expression.Is(Kind::kMember)) return {};
    const Node next = model.Resolve(expression).node.Bare();
    if (next == expression) return {};
    expression = next;
  }
  return {};
}

bool HasSpread(Node object) {
  for (const Node child : object.Children()) {
    if (child.Is(Kind::kSpread)) return true;
  }
  return false;
}

Node OptionOf(const Model& model, Node object, std::string_view key) {
  if (const Node own = PropertyOf(object, key)) return own;
  for (const Node child : object.Children()) {
    if (!child.Is(Kind::kSpread)) continue;
    const Node spread = ObjectBehind(model, child.first_child());
    if (const Node inherited = PropertyOf(spread, key)) return inherited;
  }
  return {};
}

std::string EnvironmentVariableOf(const Model& model, Node expression) {
  expression = expression.Bare();
  for (int steps = 0; steps < kMaxSteps && IsFallback(expression); ++steps)
    expression = expression[Field::kLeft].Bare();
  constexpr std::string_view kPrefix = "process.env.";
  const std::string path = PathOf(expression);
  if (path.starts_with(kPrefix)) return path.substr(kPrefix.size());
  const Value value = model.Resolve(expression);
  if (value.origin.starts_with(kPrefix)) return value.origin.substr(kPrefix.size());
  if (value.node && !(value.node == expression) && IsFallback(value.node.Bare())) {
    const std::string inner = PathOf(value.node.Bare()[Field::kLeft].Bare());
    if (inner.starts_with(kPrefix)) return inner.substr(kPrefix.size());
  }
  return {};
}

std::string_view TargetName(Node expression) {
  for (Node node = expression.parent(); node; node = node.parent()) {
    switch (node.kind()) {
      case Kind::kDeclarator:
        return NameOf(node[Field::kName]);
      case Kind::kPair:
      case Kind::kField:
        return NameOf(node[Field::kKey]    ? node[Field::kKey]
                      : node[Field::kName] ? node[Field::kName]
                                           : node[Field::kProperty]);
      case Kind::kAssignment:
      case Kind::kAugmentedAssignment: {
        const Node left = node[Field::kLeft].Bare();
        return NameOf(left.Is(Kind::kMember) ? left[Field::kProperty] : left);
      }
      case Kind::kFunctionDeclaration:
      case Kind::kMethod:
        return NameOf(node[Field::kName]);
      case Kind::kFunctionExpression:
      case Kind::kArrow:
      case Kind::kBlock:
      case Kind::kReturn:
      case Kind::kBinary:
      case Kind::kParenthesized:
      case Kind::kTemplate:
      case Kind::kSubstitution:
      case Kind::kMember:
      case Kind::kCall:
      case Kind::kArguments:
      case Kind::kAwait:
      case Kind::kTernary:
        break;
      default:
        return {};
    }
  }
  return {};
}

std::string_view PackageOfOrigin(std::string_view origin) {
  size_t end = 0;
  if (origin.starts_with('@')) end = std::min(origin.find('/'), origin.size());
  while (end < origin.size() && origin[end] != '.' && origin[end] != '(' && origin[end] != '/') ++end;
  return origin.substr(0, end);
}

bool ComesFrom(const Model& model, Node call, std::initializer_list<std::string_view> origins) {
  const std::string origin = model.OriginOf(CalleeOf(call));
  for (const std::string_view wanted : origins) {
    if (origin == wanted) return true;
  }
  return false;
}

std::string Code(std::string_view text) {
  std::string shown = "`";
  for (const char c : text.substr(0, text.find('\n'))) {
    if (shown.size() > kShownText) break;
    shown.push_back(c == '`' ? '\'' : c);
  }
  // Not to end within a character of several bytes.
  if (shown.size() > kShownText) {
    while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0xC0) == 0x80) shown.pop_back();
    if (!shown.empty() && static_cast<unsigned char>(shown.back()) >= 0xC0) shown.pop_back();
    shown += "…";
  }
  return shown + "`";
}

std::string Code(Node node) { return Code(node.text()); }

}  // namespace assay::code_analysis
