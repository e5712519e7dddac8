// Where a value comes from: follows names, imports, exports, properties, returns and parameters over the repository.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_VALUES_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_VALUES_H_

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plugins/code_analysis/model/model.h"
#include "plugins/code_analysis/model/module_graph.h"

namespace assay::code_analysis {

// Text that an expression can stand for.
struct Texts {
  std::vector<std::string> values;
  bool exact = true;  // false: part of it is known only at run time (and stands for nothing)
};

class Values {
 public:
  explicit Values(const ModuleGraph& graph) : graph_(graph) {}

  // Never fails; an unknown value has neither node nor origin.
  const Value& Resolve(Node expression);
  // The property of a value.
  Value MemberOf(const Value& value, std::string_view name);
  Value ExportOf(uint32_t module, std::string_view name);

  Node DeclarationOf(Node identifier) const;
  const Binding* BindingOf(Node identifier) const;
  const std::vector<Node>& WritesTo(Node declaration);

  // The local function a call runs; for `new X()` the constructor.
  Node FunctionCalledBy(Node call);
  // Where a function of the repository is called, over all server modules. Built on first use.
  const std::vector<Node>& CallersOf(Node function);
  // What callers pass for a parameter (also for a destructured one); empty when nobody is seen to call.
  std::vector<Node> ArgumentsFor(Node parameter_leaf);
  // What a function returns, outer returns only.
  std::vector<Node> ReturnsOf(Node function) const;

  // The strings an expression can stand for: literals, constants, templates, tables that a loop runs over, parameters.
  Texts TextsOf(Node expression);

  const ModuleGraph& graph() const { return graph_; }

 private:
  using Key = uint64_t;
  Key KeyOf(Node node) const { return (static_cast<Key>(graph_.IndexOf(node.tree())) << 32) | node.id(); }

  Value Compute(Node expression);
  Value OfIdentifier(Node identifier);
  Value OfBinding(Node identifier, const Binding& binding);
  Value OfImport(Node identifier, const Binding& binding);
  Value OfTarget(const Target& target, std::string_view name);
  Value OfCall(Node call);
  Value KeptBy(Node promise);
  Value OfLocalCall(Node call, Node function);
  Value OfThis(Node node);
  Value OfEither(Node first, Node second);
  Value Destructured(Node leaf, const Value& whole, Node pattern);
  Value MemberOfObject(Node object, std::string_view name);
  Value MemberOfClass(Node klass, std::string_view name);
  Value AssignedMember(Node made, std::string_view name);
  void AppendTexts(Node expression, int depth, Texts& out);
  Texts Combine(const Texts& left, const Texts& right) const;
  bool AppendLoopTexts(Node leaf, const Binding& binding, int depth, Texts& out);

  const ModuleGraph& graph_;
  std::deque<Value> resolved_;                 // stays where it is while it grows
  std::vector<std::vector<uint32_t>> cached_;  // by module and node: place in resolved_, from 1
  std::unordered_map<Key, std::vector<Node>> callers_;
  std::unordered_map<Key, std::vector<Node>> writes_;  // by declaring leaf
  std::vector<bool> writes_built_;                     // by module
  std::unordered_map<std::string, Value> exports_;     // by module and name; an entry being computed is unknown
  bool callers_built_ = false;
  int depth_ = 0;
  int text_steps_ = 0;
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_VALUES_H_
