// The compact syntax tree of one JavaScript or TypeScript file.
//
// A file is parsed once; one walk over the parser's tree fills a flat array of nodes of 20 bytes in source order, and
// the parser's tree is dropped. What no check reads is left out: punctuation, type expressions, comments (kept apart).
// Everything that repeats one idea in two spellings has one kind here: `function` and generator, `let` and `var`.
//
// Immutable after construction; any thread may read it.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_SYNTAX_TREE_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_SYNTAX_TREE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/source/source_file.h"

namespace assay::code_analysis {

enum class Kind : uint8_t {
  kNone,   // the node that is not there: every accessor answers for it with nothing
  kOther,  // something no check distinguishes
  kError,  // the parser skipped this text
  kProgram,
  // Statements
  kBlock,
  kExpressionStatement,
  kIf,
  kElse,
  kSwitch,
  kSwitchBody,
  kCase,
  kDefault,
  kFor,
  kForIn,
  kWhile,
  kDoWhile,
  kTry,
  kCatch,
  kFinally,
  kReturn,
  kThrow,
  kBreak,
  kContinue,
  kLabeled,
  kEmpty,
  kVariableDeclaration,  // attribute kConst, kLet; neither is `var`
  kDeclarator,           // name, value
  // Modules
  kImport,
  kImportClause,
  kNamespaceImport,
  kNamedImports,
  kImportSpecifier,  // kImport: source; attribute kTypeOnly
  kImportRequire,    // import x = require("y")
  kExport,
  kExportClause,
  kExportSpecifier,
  kNamespaceExport,  // attribute kDefault on kExport
  // Functions and classes
  kFunctionDeclaration,
  kFunctionExpression,
  kArrow,
  kMethod,  // name, parameters, body; kAsync, kGenerator, kStatic, kGetter, kSetter
  kParameters,
  kParameter,  // kParameter wraps a TypeScript parameter: pattern, type, value
  kClass,      // declaration or expression: name, body
  kHeritage,
  kClassBody,
  kField,
  kStaticBlock,
  kDecorator,  // kField: name (JavaScript: property), value
  // Expressions
  kCall,
  kNew,
  kArguments,  // kCall: function, arguments (a kTemplate for a tagged template); kNew: constructor, arguments
  kMember,
  kSubscript,  // object, property | index; attribute kOptional for ?.
  kIdentifier,
  kThis,
  kSuper,
  kImportKeyword,
  kMetaProperty,
  kAwait,
  kYield,
  kBinary,
  kUnary,
  kUpdate,
  kAssignment,
  kAugmentedAssignment,
  kTernary,
  kSequence,
  kParenthesized,
  kSpread,
  kObject,
  kPair,
  kShorthand,
  kArray,
  kString,
  kTemplate,
  kSubstitution,
  kNumber,
  kTrue,
  kFalse,
  kNull,
  kUndefined,
  kRegex,
  kCast,  // as, satisfies, x!, <T>x: the first child is the value
  // Patterns
  kObjectPattern,
  kArrayPattern,
  kAssignmentPattern,
  kRest,
  kPairPattern,
  kShorthandPattern,
  // Names of properties
  kPropertyName,
  kPrivateName,
  kComputedName,
  kLabelName,
  // TypeScript
  kType,      // a type annotation, without children
  kTypeOnly,  // interface, type alias, ambient declaration, without children
  kEnum,
  kNamespace,
  kJsx,
  kJsxAttribute,
  kCount,
};

enum class Field : uint8_t {
  kNone,
  kAlias,
  kAlternative,
  kArgument,
  kArguments,
  kBody,
  kCondition,
  kConsequence,
  kConstructor,
  kDeclaration,
  kDecorator,
  kFinalizer,
  kFunction,
  kHandler,
  kIncrement,
  kIndex,
  kInitializer,
  kKey,
  kLabel,
  kLeft,
  kName,
  kObject,
  kParameter,
  kParameters,
  kPattern,
  kProperty,
  kReturnType,
  kRight,
  kSource,
  kType,
  kValue,
};

// The operator of a binary, unary, update or augmented assignment expression.
enum class Operator : uint8_t {
  kNone,
  kAnd,
  kOr,
  kNullish,
  kEqual,
  kStrictEqual,
  kNotEqual,
  kStrictNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kPlus,
  kMinus,
  kTimes,
  kDivide,
  kRemainder,
  kPower,
  kNot,
  kTypeof,
  kVoid,
  kDelete,
  kIn,
  kInstanceof,
  kIncrement,
  kDecrement,
  kOtherOperator,
};

namespace attribute {
inline constexpr uint16_t kAsync = 1, kGenerator = 2, kStatic = 4, kGetter = 8, kSetter = 16, kConst = 32, kLet = 64,
                          kTypeOnly = 128, kDefault = 256, kOptional = 512, kAwaited = 1024, kOf = 2048, kStar = 4096,
                          kMember = 8192;  // on kParameter: a constructor parameter that is also a field
}  // namespace attribute

class SyntaxTree;

// A node, by value. A default-constructed one is "none": every accessor may be called on it and answers none, empty or
// false, so paths through the tree need no checks in between. Valid as long as its tree.
class Node {
 public:
  Node() = default;
  Node(const SyntaxTree* tree, uint32_t id) : tree_(tree), id_(id) {}

  explicit operator bool() const { return id_ != 0; }
  bool operator==(const Node& other) const { return id_ == other.id_ && (id_ == 0 || tree_ == other.tree_); }
  uint32_t id() const { return id_; }
  const SyntaxTree* tree() const { return tree_; }

  Kind kind() const;
  bool Is(Kind kind) const { return this->kind() == kind; }
  Field field() const;
  Operator op() const;
  bool Has(uint16_t attribute) const;
  std::string_view text() const;
  uint32_t begin() const;
  uint32_t end() const;
  uint32_t line() const;

  Node parent() const;
  Node first_child() const;
  Node next_sibling() const;
  // The first child with this field.
  Node operator[](Field field) const;
  Node child(uint32_t position) const;
  uint32_t child_count() const;

  // This node without parentheses and casts around it.
  Node Bare() const;
  // The nearest node around this one that is of the kind, never itself.
  Node Enclosing(Kind kind) const;
  // The nearest function around this node; none at the top level of the file.
  Node EnclosingFunction() const;
  bool Contains(Node other) const;
  bool IsFunction() const;

  class ChildRange Children() const;
  // All nodes below this one in source order, this one excluded.
  class DescendantRange Descendants() const;

 private:
  const SyntaxTree* tree_ = nullptr;
  uint32_t id_ = 0;
};

struct CommentRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};

class SyntaxTree {
 public:
  // 20 bytes. Children follow their parent; the subtree of i is [i, subtree_end).
  struct Record {
    uint32_t begin;
    uint32_t length;
    uint32_t parent;
    uint32_t subtree_end;
    Kind kind;
    Field field;
    uint16_t bits;  // attributes; for expressions with an operator, the operator
  };

  explicit SyntaxTree(const SourceFile* file) : file_(file) {
    records_.push_back({0, 0, 0, 1, Kind::kNone, Field::kNone, 0});
  }

  const SourceFile& file() const { return *file_; }
  // The module's place in the model, for tables by module; set once when the modules are joined.
  uint32_t module_index() const { return module_index_; }
  void set_module_index(uint32_t index) { module_index_ = index; }
  Node root() const { return {this, records_.size() > 1 ? 1u : 0u}; }
  const Record& record(uint32_t id) const { return records_[id]; }
  uint32_t size() const { return static_cast<uint32_t>(records_.size()); }
  bool has_errors() const { return has_errors_; }
  const std::vector<CommentRange>& comments() const { return comments_; }

  // Nodes of one kind in source order. Indexed: functions (all four kinds), kClass, kCall, kNew, kImport, kExport,
  // kImportRequire, kAssignment, kAugmentedAssignment, kUpdate, kCatch, kReturn, kAwait, kDeclarator, kThrow. Others
  // are empty.
  const std::vector<uint32_t>& All(Kind kind) const { return index_[static_cast<size_t>(kind)]; }
  // Calls and `new`s whose callee ends in this name (`a.b.query(…)`, `query(…)`), in source order.
  std::vector<Node> CallsNamed(std::string_view name) const;
  // Member expressions whose property has this name, in source order.
  std::vector<Node> MembersNamed(std::string_view name) const;
  // Pairs, shorthands and methods of object literals and patterns whose key has this name, in source order.
  std::vector<Node> PropertiesNamed(std::string_view name) const;

  Span SpanOf(Node node) const;
  uint32_t LineAt(uint32_t offset) const;
  // The ids of one indexed kind inside a node's subtree.
  std::vector<Node> AllInside(Kind kind, Node node) const;

 private:
  friend class TreeBuilder;
  struct Named {
    uint32_t hash;
    uint32_t id;
  };
  std::vector<Node> Find(const std::vector<Named>& names, std::string_view name) const;

  const SourceFile* file_;
  std::vector<Record> records_;
  std::vector<uint32_t> line_starts_;
  std::vector<CommentRange> comments_;
  std::vector<uint32_t> index_[static_cast<size_t>(Kind::kCount)];
  std::vector<Named> calls_, members_, properties_;
  bool has_errors_ = false;
  uint32_t module_index_ = 0;
};

class ChildRange {
 public:
  class Iterator {
   public:
    explicit Iterator(Node node) : node_(node) {}
    Node operator*() const { return node_; }
    Iterator& operator++() {
      node_ = node_.next_sibling();
      return *this;
    }
    bool operator!=(const Iterator& other) const { return node_.id() != other.node_.id(); }

   private:
    Node node_;
  };
  explicit ChildRange(Node first) : first_(first) {}
  Iterator begin() const { return Iterator(first_); }
  Iterator end() const { return Iterator(Node()); }

 private:
  Node first_;
};

class DescendantRange {
 public:
  class Iterator {
   public:
    Iterator(const SyntaxTree* tree, uint32_t id) : tree_(tree), id_(id) {}
    Node operator*() const { return {tree_, id_}; }
    Iterator& operator++() {
      ++id_;
      return *this;
    }
    // Leaves out what is below the current node.
    void SkipChildren() { id_ = tree_->record(id_).subtree_end - 1; }
    bool operator!=(const Iterator& other) const { return id_ != other.id_; }

   private:
    const SyntaxTree* tree_;
    uint32_t id_;
  };
  DescendantRange(const SyntaxTree* tree, uint32_t begin, uint32_t end) : tree_(tree), begin_(begin), end_(end) {}
  Iterator begin() const { return {tree_, begin_}; }
  Iterator end() const { return {tree_, end_}; }

 private:
  const SyntaxTree* tree_;
  uint32_t begin_, end_;
};

// ---- accessors, here because every walk of the analysis is made of them ----

namespace internal {

inline bool HasOperator(Kind kind) {
  return kind == Kind::kBinary || kind == Kind::kUnary || kind == Kind::kUpdate || kind == Kind::kAugmentedAssignment;
}

// Lists of many children, none of which has a field.
inline bool IsPlainList(Kind kind) {
  return kind == Kind::kProgram || kind == Kind::kBlock || kind == Kind::kArguments || kind == Kind::kArray ||
         kind == Kind::kObject || kind == Kind::kSwitchBody || kind == Kind::kTemplate;
}

}  // namespace internal

inline Kind Node::kind() const { return id_ == 0 ? Kind::kNone : tree_->record(id_).kind; }
inline Field Node::field() const { return id_ == 0 ? Field::kNone : tree_->record(id_).field; }
inline Operator Node::op() const {
  return internal::HasOperator(kind()) ? static_cast<Operator>(tree_->record(id_).bits) : Operator::kNone;
}
inline bool Node::Has(uint16_t attribute) const {
  return id_ != 0 && !internal::HasOperator(kind()) && (tree_->record(id_).bits & attribute) != 0;
}
inline std::string_view Node::text() const {
  if (id_ == 0) return {};
  return tree_->file().bytes.substr(tree_->record(id_).begin, tree_->record(id_).length);
}
inline uint32_t Node::begin() const { return id_ == 0 ? 0 : tree_->record(id_).begin; }
inline uint32_t Node::end() const { return id_ == 0 ? 0 : tree_->record(id_).begin + tree_->record(id_).length; }
inline Node Node::parent() const { return id_ == 0 ? Node() : Node(tree_, tree_->record(id_).parent); }
inline Node Node::first_child() const {
  return id_ != 0 && tree_->record(id_).subtree_end > id_ + 1 ? Node(tree_, id_ + 1) : Node();
}
inline Node Node::next_sibling() const {
  if (id_ <= 1) return {};
  const uint32_t next = tree_->record(id_).subtree_end;
  return next < tree_->record(tree_->record(id_).parent).subtree_end ? Node(tree_, next) : Node();
}
inline Node Node::operator[](Field field) const {
  if (internal::IsPlainList(kind())) return {};
  for (Node child = first_child(); child; child = child.next_sibling()) {
    if (child.field() == field) return child;
  }
  return {};
}
inline Node Node::Bare() const {
  Node node = *this;
  while (node.Is(Kind::kParenthesized) || node.Is(Kind::kCast)) node = node.first_child();
  return node;
}
inline bool Node::Contains(Node other) const {
  return id_ != 0 && other.id_ != 0 && tree_ == other.tree_ && other.id_ >= id_ &&
         other.id_ < tree_->record(id_).subtree_end;
}
inline bool Node::IsFunction() const {
  switch (kind()) {
    case Kind::kFunctionDeclaration:
    case Kind::kFunctionExpression:
    case Kind::kArrow:
    case Kind::kMethod:
      return true;
    default:
      return false;
  }
}
inline ChildRange Node::Children() const { return ChildRange(first_child()); }
inline DescendantRange Node::Descendants() const {
  return id_ == 0 ? DescendantRange(tree_, 0, 0) : DescendantRange(tree_, id_ + 1, tree_->record(id_).subtree_end);
}

// ---- reading expressions; all take "none" and answer with nothing ----

// The value of a string literal, or of a template without substitutions. Escapes are resolved.
std::optional<std::string> StringValue(Node node);
// The value of a number literal, also of products and sums of number literals (`15 * 60 * 1000`).
std::optional<double> NumberValue(Node node);
// `true`, `false`, and `!0`, `!1`.
std::optional<bool> BooleanValue(Node node);
// Name of an identifier, property, private name, string key; empty for others.
std::string_view NameOf(Node node);
// The callee of a call or `new`, bare.
Node CalleeOf(Node call);
// The last name of a callee: `query` for `pool.query(…)` and for `query(…)`.
std::string_view CalleeName(Node call);
std::vector<Node> ArgumentsOf(Node call);
Node ArgumentOf(Node call, uint32_t position);
// The value of a key in an object literal: of a pair, a shorthand (its identifier), or a method (the method itself).
Node PropertyOf(Node object, std::string_view key);
// Parameters of a function: identifiers and patterns, without TypeScript wrappers, defaults kept as kAssignmentPattern.
std::vector<Node> ParametersOf(Node function);
// The name of an identifier parameter, without its default; empty for patterns.
std::string_view ParameterName(Node parameter);
// The declared type of a parameter or variable, without the colon; empty without one.
std::string_view TypeOf(Node parameter);
// How many parameters Function.length counts: those before the first default or rest.
uint32_t ArityOf(Node function);
// The block, or the expression of an arrow.
Node BodyOf(Node function);
// The property chain of a member expression as text without spaces, "?" and brackets around strings: `req.body.name`.
// Empty when anything but identifiers, `this` and names occurs in it.
std::string PathOf(Node expression);
bool HasCommentInside(Node node);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_SYNTAX_TREE_H_
