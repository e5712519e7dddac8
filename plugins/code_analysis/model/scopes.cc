#include "plugins/code_analysis/model/scopes.h"

#include <algorithm>
#include <utility>

namespace assay::code_analysis {
namespace {

uint32_t HashOf(std::string_view name) {
  uint32_t hash = 2166136261u;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

Node FunctionScope(Node node) {
  const Node function = node.EnclosingFunction();
  return function ? function : node.tree()->root();
}

Node BlockScope(Node node) {
  for (Node scope = node.parent(); scope; scope = scope.parent()) {
    switch (scope.kind()) {
      case Kind::kBlock:
      case Kind::kFor:
      case Kind::kForIn:
      case Kind::kSwitchBody:
      case Kind::kStaticBlock:
      case Kind::kNamespace:
      case Kind::kProgram:
        return scope;
      default:
        if (scope.IsFunction()) return scope;
    }
  }
  return node.tree()->root();
}

}  // namespace

Scopes::Scopes(const SyntaxTree& tree) : tree_(&tree) {
  for (uint32_t id = 1; id < tree.size(); ++id) Visit(Node(&tree, id));
  std::sort(bindings_.begin(), bindings_.end(), [](const Binding& a, const Binding& b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    return a.scope_begin != b.scope_begin ? a.scope_begin < b.scope_begin : a.leaf < b.leaf;
  });
  LinkScopes();
}

// Scopes lie inside each other or apart, never across: whoever walks `outer` meets every scope around a place, and a
// name that is declared ten thousand times costs a lookup no more than its nesting.
void Scopes::LinkScopes() {
  for (uint32_t i = 0; i < bindings_.size(); ++i) {
    Binding& binding = bindings_[i];
    binding.outer = i;
    if (i == 0 || bindings_[i - 1].hash != binding.hash) continue;
    if (const Binding& last = bindings_[i - 1];
        last.scope_begin == binding.scope_begin && Node(tree_, last.leaf).text() == Node(tree_, binding.leaf).text()) {
      if (last.outer != i - 1) binding.outer = last.outer;  // declared again: the later one hides it
      continue;
    }
    for (uint32_t at = i - 1;; at = bindings_[at].outer) {
      if (bindings_[at].scope_end >= binding.scope_end) {
        binding.outer = at;
        break;
      }
      if (bindings_[at].outer == at) break;
    }
  }
}

void Scopes::Visit(Node node) {
  switch (node.kind()) {
    case Kind::kDeclarator: {
      const bool block = node.parent().Has(attribute::kConst | attribute::kLet);
      DeclarePattern(node[Field::kName], node, block ? BlockScope(node) : FunctionScope(node), BindingKind::kVariable);
      break;
    }
    case Kind::kForIn:
      // With a declaration the grammar puts name and keyword directly below the loop.
      DeclarePattern(node[Field::kLeft], node, node, BindingKind::kLoop);
      break;
    case Kind::kFunctionDeclaration:
      Declare(node[Field::kName], node, BlockScope(node), BindingKind::kFunction);
      DeclareParameters(node);
      break;
    case Kind::kFunctionExpression:
      Declare(node[Field::kName], node, node, BindingKind::kFunction);
      DeclareParameters(node);
      break;
    case Kind::kArrow:
    case Kind::kMethod:
      DeclareParameters(node);
      break;
    case Kind::kClass:
      Declare(node[Field::kName], node, BlockScope(node), BindingKind::kClass);
      break;
    case Kind::kEnum:
    case Kind::kNamespace:
      Declare(node[Field::kName], node, BlockScope(node), BindingKind::kEnum);
      break;
    case Kind::kCatch:
      DeclarePattern(node[Field::kParameter], node, node, BindingKind::kCatch);
      break;
    case Kind::kImport:
      DeclareImports(node);
      break;
    default:
      break;
  }
}

void Scopes::Declare(Node leaf, Node owner, Node scope, BindingKind kind) {
  if (!leaf || !(leaf.Is(Kind::kIdentifier) || leaf.Is(Kind::kShorthandPattern))) return;
  bindings_.push_back({.hash = HashOf(leaf.text()),
                       .leaf = leaf.id(),
                       .owner = owner.id(),
                       .scope_begin = scope.id(),
                       .scope_end = tree_->record(scope.id()).subtree_end,
                       .kind = kind});
}

void Scopes::DeclarePattern(Node pattern, Node owner, Node scope, BindingKind kind) {
  switch (pattern.kind()) {
    case Kind::kIdentifier:
    case Kind::kShorthandPattern:
      Declare(pattern, owner, scope, kind);
      break;
    case Kind::kObjectPattern:
    case Kind::kArrayPattern:
    case Kind::kRest:
      for (Node child : pattern.Children()) DeclarePattern(child, owner, scope, kind);
      break;
    case Kind::kAssignmentPattern:
      DeclarePattern(pattern[Field::kLeft], owner, scope, kind);
      break;
    case Kind::kPairPattern:
      DeclarePattern(pattern[Field::kValue], owner, scope, kind);
      break;
    case Kind::kParameter:
      DeclarePattern(pattern[Field::kPattern] ? pattern[Field::kPattern] : pattern[Field::kName], owner, scope, kind);
      break;
    default:
      break;
  }
}

void Scopes::DeclareParameters(Node function) {
  for (Node parameter : ParametersOf(function)) DeclarePattern(parameter, function, function, BindingKind::kParameter);
}

void Scopes::DeclareImports(Node import) {
  const Node scope = tree_->root();
  for (Node node : import.Descendants()) {
    switch (node.kind()) {
      case Kind::kIdentifier:
        // Default and namespace imports, `import x = require()`; specifiers are handled below.
        if (!node.parent().Is(Kind::kImportSpecifier)) Declare(node, import, scope, BindingKind::kImport);
        break;
      case Kind::kImportSpecifier:
        Declare(node[Field::kAlias] ? node[Field::kAlias] : node[Field::kName], import, scope, BindingKind::kImport);
        break;
      default:
        break;
    }
  }
}

const Binding* Scopes::Find(Node place, std::string_view name) const {
  // The last binding of the name whose scope begins before the place; then outwards until one holds the place.
  const std::pair<uint32_t, uint32_t> key{HashOf(name), place.id()};
  auto at = std::upper_bound(bindings_.begin(), bindings_.end(), key, [](const auto& k, const Binding& binding) {
    return k.first != binding.hash ? k.first < binding.hash : k.second < binding.scope_begin;
  });
  if (at == bindings_.begin() || (--at)->hash != key.first) return nullptr;
  for (uint32_t index = static_cast<uint32_t>(at - bindings_.begin());; index = bindings_[index].outer) {
    const Binding& binding = bindings_[index];
    if (place.id() < binding.scope_end && Node(tree_, binding.leaf).text() == name) return &binding;
    if (binding.outer == index) return nullptr;
  }
}

}  // namespace assay::code_analysis
