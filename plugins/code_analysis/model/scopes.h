// Which declaration a name refers to inside one file.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_SCOPES_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_SCOPES_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/syntax/syntax_tree.h"

namespace assay::code_analysis {

enum class BindingKind : uint8_t { kVariable, kParameter, kFunction, kClass, kImport, kCatch, kLoop, kEnum };

struct Binding {
  uint32_t hash = 0;
  uint32_t leaf = 0;         // the identifier that declares the name
  uint32_t owner = 0;        // declarator, function, class, import statement, catch clause, loop, enum
  uint32_t scope_begin = 0;  // node ids for which the name is visible
  uint32_t scope_end = 0;
  BindingKind kind = BindingKind::kVariable;
  // The nearest binding of the same hash before this one whose scope holds this scope; itself when there is none.
  uint32_t outer = 0;
};

// Immutable after construction; any thread may read it.
class Scopes {
 public:
  Scopes() = default;
  explicit Scopes(const SyntaxTree& tree);

  // The innermost binding of an identifier's name at its place; null for globals.
  const Binding* Find(Node identifier) const { return Find(identifier, identifier.text()); }
  const Binding* Find(Node place, std::string_view name) const;
  const std::vector<Binding>& bindings() const { return bindings_; }

 private:
  void Declare(Node leaf, Node owner, Node scope, BindingKind kind);
  void DeclarePattern(Node pattern, Node owner, Node scope, BindingKind kind);
  void DeclareParameters(Node function);
  void DeclareImports(Node import);
  void Visit(Node node);

  void LinkScopes();

  const SyntaxTree* tree_ = nullptr;
  std::vector<Binding> bindings_;  // by hash, then the beginning of the scope, then place
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_SCOPES_H_
