// The strings an expression can stand for. Route paths, signal names and methods are often constants, tables or
// templates.
#include <algorithm>

#include "plugins/code_analysis/model/values.h"

namespace assay::code_analysis {
namespace {

constexpr int kMaxTextDepth = 24;
constexpr int kMaxTextSteps = 4000;
constexpr size_t kMaxTexts = 256;
constexpr size_t kMaxTextLength = 2048;

void Add(Texts& out, std::string text) {
  if (out.values.size() < kMaxTexts && text.size() <= kMaxTextLength) out.values.push_back(std::move(text));
}

}  // namespace

Texts Values::TextsOf(Node expression) {
  Texts out;
  text_steps_ = 0;
  AppendTexts(expression, 0, out);
  std::vector<std::string> unique;
  for (std::string& value : out.values) {
    if (std::find(unique.begin(), unique.end(), value) == unique.end()) unique.push_back(std::move(value));
  }
  out.values = std::move(unique);
  return out;
}

// Every combination of the two, in order.
Texts Values::Combine(const Texts& left, const Texts& right) const {
  Texts both{.values = {}, .exact = left.exact && right.exact};
  for (const std::string& a : left.values) {
    for (const std::string& b : right.values) Add(both, a + b);
  }
  return both;
}

void Values::AppendTexts(Node expression, int depth, Texts& out) {
  const Node node = expression.Bare();
  if (!node || depth > kMaxTextDepth || ++text_steps_ > kMaxTextSteps) {
    out.exact = false;
    return;
  }
  if (const auto literal = StringValue(node)) return Add(out, *literal);
  switch (node.kind()) {
    case Kind::kNumber:
      return Add(out, std::string(node.text()));
    case Kind::kRegex:
      return Add(out, std::string(node.text()));
    case Kind::kTemplate: {
      Texts whole{.values = {""}, .exact = true};
      const std::string_view bytes = node.tree()->file().bytes;
      uint32_t at = node.begin() + 1;
      for (Node substitution : node.Children()) {
        Texts part{.values = {}, .exact = true};
        AppendTexts(substitution.first_child(), depth + 1, part);
        if (part.values.empty()) part = {.values = {""}, .exact = false};
        whole = Combine(
            Combine(whole, {.values = {std::string(bytes.substr(at, substitution.begin() - at))}, .exact = true}),
            part);
        at = substitution.end();
      }
      whole = Combine(whole, {.values = {std::string(bytes.substr(at, node.end() - 1 - at))}, .exact = true});
      for (std::string& value : whole.values) Add(out, std::move(value));
      out.exact = out.exact && whole.exact;
      return;
    }
    case Kind::kArray:
      for (Node element : node.Children())
        AppendTexts(element.Is(Kind::kSpread) ? element.first_child() : element, depth + 1, out);
      return;
    case Kind::kBinary: {
      Texts left{.values = {}, .exact = true}, right{.values = {}, .exact = true};
      AppendTexts(node[Field::kLeft], depth + 1, left);
      AppendTexts(node[Field::kRight], depth + 1, right);
      if (node.op() == Operator::kPlus) {
        if (left.values.empty()) left = {.values = {""}, .exact = false};
        if (right.values.empty()) right = {.values = {""}, .exact = false};
        Texts both = Combine(left, right);
        for (std::string& value : both.values) Add(out, std::move(value));
        out.exact = out.exact && both.exact;
        return;
      }
      // A default: the text that is written is the likeliest, and not the only one.
      if (node.op() == Operator::kOr || node.op() == Operator::kNullish) {
        for (std::string& value : left.values.empty() ? right.values : left.values) Add(out, std::move(value));
        out.exact = out.exact && left.exact && !left.values.empty();
        return;
      }
      out.exact = false;
      return;
    }
    case Kind::kTernary:
      AppendTexts(node[Field::kConsequence], depth + 1, out);
      AppendTexts(node[Field::kAlternative], depth + 1, out);
      out.exact = false;
      return;
    case Kind::kCall: {
      const std::string_view name = CalleeName(node);
      const std::string origin = Resolve(CalleeOf(node)).origin;
      const bool posix = origin == "path.posix.join" || origin == "path.join" || origin == "path.posix.resolve" ||
                         origin == "url-join";
      if (posix) {
        Texts whole{.values = {""}, .exact = true};
        for (Node argument : ArgumentsOf(node)) {
          Texts part{.values = {}, .exact = true};
          AppendTexts(argument, depth + 1, part);
          if (part.values.empty()) part = {.values = {""}, .exact = false};
          whole = Combine(Combine(whole, {.values = {"/"}, .exact = true}), part);
        }
        for (std::string& value : whole.values) Add(out, std::move(value));
        out.exact = out.exact && whole.exact;
        return;
      }
      const Node object = CalleeOf(node)[Field::kObject];
      if (object && (name == "toLowerCase" || name == "toUpperCase" || name == "trim" || name == "toString" ||
                     name == "concat")) {
        Texts part{.values = {}, .exact = true};
        AppendTexts(object, depth + 1, part);
        for (std::string& value : part.values) {
          if (name == "toLowerCase")
            std::transform(value.begin(), value.end(), value.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
          if (name == "toUpperCase")
            std::transform(value.begin(), value.end(), value.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
          Add(out, std::move(value));
        }
        out.exact = out.exact && part.exact && name != "concat";
        return;
      }
      const Node function = FunctionCalledBy(node);
      const auto returns = function ? ReturnsOf(function) : std::vector<Node>();
      for (Node returned : returns) AppendTexts(returned, depth + 1, out);
      out.exact = out.exact && returns.size() == 1;
      return;
    }
    case Kind::kNew:
      if (CalleeName(node) == "RegExp") AppendTexts(ArgumentOf(node, 0), depth + 1, out);
      out.exact = false;
      return;
    case Kind::kSubscript: {
      // An entry of a table chosen at run time: any of its texts.
      const Value table = Resolve(node[Field::kObject]);
      if (table.node.Is(Kind::kArray)) return AppendTexts(table.node, depth + 1, out);
      break;
    }
    default:
      break;
  }
  if (node.Is(Kind::kIdentifier)) {
    const Binding* binding = BindingOf(node);
    if (binding != nullptr && (binding->kind == BindingKind::kLoop || binding->kind == BindingKind::kParameter)) {
      if (AppendLoopTexts(Node(node.tree(), binding->leaf), *binding, depth, out)) return;
    }
  }
  if (node.Is(Kind::kMember)) {
    // `entry.path` where a loop runs over a table of objects.
    const Node object = node[Field::kObject].Bare();
    const Binding* binding = object.Is(Kind::kIdentifier) ? BindingOf(object) : nullptr;
    if (binding != nullptr && (binding->kind == BindingKind::kLoop || binding->kind == BindingKind::kParameter)) {
      Texts rows{.values = {}, .exact = true};
      std::vector<Node> tables;
      const Node owner(node.tree(), binding->owner);
      if (binding->kind == BindingKind::kLoop) tables.push_back(Resolve(owner[Field::kRight]).node);
      if (binding->kind == BindingKind::kParameter && owner.parent().Is(Kind::kArguments)) {
        tables.push_back(Resolve(CalleeOf(owner.parent().parent())[Field::kObject]).node);
      }
      for (Node table : tables) {
        if (!table.Is(Kind::kArray)) continue;
        for (Node row : table.Children())
          AppendTexts(PropertyOf(Resolve(row).node, node[Field::kProperty].text()), depth + 1, rows);
      }
      if (!rows.values.empty()) {
        for (std::string& value : rows.values) Add(out, std::move(value));
        out.exact = out.exact && rows.exact;
        return;
      }
    }
  }
  const Value value = Resolve(node);
  if (value.node && !(value.node == node) && !value.node.Is(Kind::kIdentifier))
    return AppendTexts(value.node, depth + 1, out);
  if (value.node.Is(Kind::kIdentifier) && value.origin.empty()) {
    const auto arguments = ArgumentsFor(value.node);
    for (Node argument : arguments) AppendTexts(argument, depth + 1, out);
    if (arguments.empty()) out.exact = false;
    return;
  }
  out.exact = false;
}

// `for (const x of [...])` and `[...].forEach((x) => …)`: every entry of the table.
bool Values::AppendLoopTexts(Node leaf, const Binding& binding, int depth, Texts& out) {
  const Node owner(leaf.tree(), binding.owner);
  Node iterable;
  bool keys = false;
  if (binding.kind == BindingKind::kLoop) {
    iterable = owner[Field::kRight];
    keys = !owner.Has(attribute::kOf);
  } else if (owner.parent().Is(Kind::kArguments)) {
    const Node call = owner.parent().parent();
    const std::string_view name = CalleeName(call);
    const auto parameters = ParametersOf(owner);
    const bool first = !parameters.empty() && (parameters[0] == leaf || parameters[0].Contains(leaf));
    if (first && (name == "forEach" || name == "map" || name == "each")) iterable = CalleeOf(call)[Field::kObject];
  }
  if (!iterable) return false;
  Node table = Resolve(iterable).node;
  if (CalleeName(table) == "keys" || CalleeName(table) == "entries" || CalleeName(table) == "values") {
    keys = keys || CalleeName(table) == "keys" ||
           (CalleeName(table) == "entries" && leaf.parent().Is(Kind::kArrayPattern) &&
            leaf.parent().first_child() == leaf);
    table = Resolve(ArgumentOf(table, 0)).node;
  }
  Texts entries{.values = {}, .exact = true};
  if (table.Is(Kind::kArray) && leaf.Is(Kind::kShorthandPattern)) {
    for (Node row : table.Children()) AppendTexts(PropertyOf(Resolve(row).node, leaf.text()), depth + 1, entries);
  } else if (table.Is(Kind::kArray) && leaf.parent().Is(Kind::kArrayPattern)) {
    uint32_t position = 0;
    for (Node sibling : leaf.parent().Children()) {
      if (sibling == leaf) break;
      ++position;
    }
    for (Node row : table.Children()) AppendTexts(row.child(position), depth + 1, entries);
  } else if (table.Is(Kind::kArray)) {
    AppendTexts(table, depth + 1, entries);
  } else if (table.Is(Kind::kObject)) {
    for (Node property : table.Children()) {
      if (keys) Add(entries, std::string(NameOf(property)));
      if (!keys && property.Is(Kind::kPair)) AppendTexts(property[Field::kValue], depth + 1, entries);
    }
  }
  if (entries.values.empty()) return false;
  for (std::string& value : entries.values) Add(out, std::move(value));
  out.exact = out.exact && entries.exact;
  return true;
}

}  // namespace assay::code_analysis
