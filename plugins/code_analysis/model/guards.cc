#include "plugins/code_analysis/model/guards.h"

#include <algorithm>
#include <string>

namespace assay::code_analysis {
namespace {

constexpr int kMaxStatements = 256;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

Guard Opposite(Guard guard) {
  if (guard == Guard::kProductionOnly) return Guard::kDevelopmentOnly;
  if (guard == Guard::kDevelopmentOnly) return Guard::kProductionOnly;
  return guard;
}

bool NamesEnvironment(Node node) {
  const std::string path = Lower(PathOf(node));
  if (path.empty()) return false;
  const std::string last = path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
  return last == "node_env" || last == "env" || last == "environment" || last == "nodeenv" ||
         path.find("process.env.node_env") != std::string::npos;
}

// A name or call that says it by itself: isProduction, config.isDev, app.get('env').
Guard GuardOfName(Node node) {
  if (node.Is(Kind::kCall)) node = CalleeOf(node);
  const std::string path = Lower(PathOf(node));
  const std::string last = path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
  for (const char* name :
       {"isproduction", "isprod", "production", "prod", "inproduction", "is_production", "is_prod"}) {
    if (last == name) return Guard::kProductionOnly;
  }
  for (const char* name : {"isdevelopment", "isdev", "development", "dev", "debug", "istest", "indevelopment", "is_dev",
                           "is_development", "__dev__", "test"}) {
    if (last == name) return Guard::kDevelopmentOnly;
  }
  if (path.find("process.env.") != std::string::npos || path.compare(0, 7, "config.") == 0 ||
      path.compare(0, 4, "env.") == 0 || path.find(".config.") != std::string::npos ||
      path.compare(0, 8, "options.") == 0 || path.compare(0, 9, "settings.") == 0 ||
      last.compare(0, 6, "enable") == 0 || last.find("enabled") != std::string::npos) {
    return Guard::kConfigurable;
  }
  return Guard::kNone;
}

Guard GuardOfComparison(Node condition) {
  Node left = condition[Field::kLeft].Bare(), right = condition[Field::kRight].Bare();
  auto text = StringValue(right);
  if (!text) {
    text = StringValue(left);
    std::swap(left, right);
  }
  if (!text) return Guard::kNone;
  const bool get_env = left.Is(Kind::kCall) && CalleeName(left) == "get" &&
                       StringValue(ArgumentOf(left, 0)) == std::optional<std::string>("env");
  if (!get_env && !NamesEnvironment(left))
    return GuardOfName(left) == Guard::kNone ? Guard::kNone : Guard::kConfigurable;
  const std::string value = Lower(*text);
  const bool equal = condition.op() == Operator::kEqual || condition.op() == Operator::kStrictEqual;
  const bool different = condition.op() == Operator::kNotEqual || condition.op() == Operator::kStrictNotEqual;
  if (!equal && !different) return Guard::kNone;
  if (value.compare(0, 4, "prod") == 0) return equal ? Guard::kProductionOnly : Guard::kDevelopmentOnly;
  // "not in tests" still runs in production.
  if (different) return value.compare(0, 3, "dev") == 0 ? Guard::kProductionOnly : Guard::kNone;
  return Guard::kDevelopmentOnly;
}

Guard Stronger(Guard a, Guard b) { return a == Guard::kNone ? b : a; }

bool LeavesFunction(Node statement) {
  if (statement.Is(Kind::kReturn) || statement.Is(Kind::kThrow)) return true;
  if (!statement.Is(Kind::kBlock)) return false;
  for (Node child : statement.Children()) {
    if (child.Is(Kind::kReturn) || child.Is(Kind::kThrow)) return true;
  }
  return false;
}

}  // namespace

Guard GuardOfCondition(Node condition) {
  condition = condition.Bare();
  switch (condition.kind()) {
    case Kind::kUnary:
      return condition.op() == Operator::kNot ? Opposite(GuardOfCondition(condition[Field::kArgument])) : Guard::kNone;
    case Kind::kBinary: {
      if (condition.op() == Operator::kAnd || condition.op() == Operator::kOr) {
        const Guard left = GuardOfCondition(condition[Field::kLeft]),
                    right = GuardOfCondition(condition[Field::kRight]);
        if (condition.op() == Operator::kAnd) return Stronger(left, right);
        return left == right ? left
                             : (left == Guard::kNone && right == Guard::kNone ? Guard::kNone : Guard::kConfigurable);
      }
      return GuardOfComparison(condition);
    }
    case Kind::kCall: {
      // ['production', 'staging'].includes(env), env.startsWith('prod')
      const std::string_view name = CalleeName(condition);
      const Node object = CalleeOf(condition)[Field::kObject].Bare();
      if (name == "startsWith" && NamesEnvironment(object)) {
        const auto text = StringValue(ArgumentOf(condition, 0));
        if (text && Lower(*text).compare(0, 4, "prod") == 0) return Guard::kProductionOnly;
      }
      if (name == "includes" && object.Is(Kind::kArray) && NamesEnvironment(ArgumentOf(condition, 0).Bare())) {
        for (Node element : object.Children()) {
          const auto text = StringValue(element);
          if (text && Lower(*text).compare(0, 4, "prod") == 0) return Guard::kProductionOnly;
        }
        return Guard::kDevelopmentOnly;
      }
      return GuardOfName(condition);
    }
    default:
      return GuardOfName(condition);
  }
}

GuardInfo GuardAround(Node node) {
  Node inner = node;
  for (Node around = node.parent(); around; inner = around, around = around.parent()) {
    Guard guard = Guard::kNone;
    Node condition = around[Field::kCondition];
    if (around.Is(Kind::kIf) || around.Is(Kind::kTernary)) {
      if (inner.field() == Field::kConsequence) guard = GuardOfCondition(condition);
      if (inner.field() == Field::kAlternative) guard = Opposite(GuardOfCondition(condition));
    } else if (around.Is(Kind::kBinary) && inner.field() == Field::kRight) {
      condition = around[Field::kLeft];
      if (around.op() == Operator::kAnd) guard = GuardOfCondition(condition);
      if (around.op() == Operator::kOr) guard = Opposite(GuardOfCondition(condition));
    } else if (around.Is(Kind::kBlock)) {
      // Early ways out stand at the top; a bound keeps endless blocks cheap.
      int seen = 0;
      for (Node statement : around.Children()) {
        if (statement == inner || ++seen > kMaxStatements) break;
        if (!statement.Is(Kind::kIf) || statement[Field::kAlternative] ||
            !LeavesFunction(statement[Field::kConsequence]))
          continue;
        condition = statement[Field::kCondition];
        guard = Opposite(GuardOfCondition(condition));
        if (guard != Guard::kNone) break;
      }
    }
    if (guard != Guard::kNone) return {guard, condition};
    // A function that is called on the spot still stands under what surrounds it; others may be called from anywhere.
    if (around.IsFunction() && !around.parent().Is(Kind::kArguments) && !around.parent().Is(Kind::kParenthesized))
      break;
  }
  return {};
}

}  // namespace assay::code_analysis
