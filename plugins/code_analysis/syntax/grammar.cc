#include "plugins/code_analysis/syntax/grammar.h"

#include <string>
#include <unordered_map>

#include "plugins/code_analysis/syntax/syntax_tree.h"

extern "C" {
const TSLanguage* tree_sitter_javascript(void);
const TSLanguage* tree_sitter_typescript(void);
const TSLanguage* tree_sitter_tsx(void);
}

namespace assay::code_analysis {
namespace {

using SymbolTable = std::unordered_map<std::string_view, assay_symbol>;

constexpr assay_symbol Make(uint8_t action, Kind kind = Kind::kNone, uint16_t attributes = 0) {
  return {.action = action,
          .kind = static_cast<uint8_t>(kind),
          .op = 0,
          .reserved0 = 0,
          .attributes = attributes,
          .reserved1 = 0};
}
constexpr assay_symbol Inner(Kind kind) { return Make(ASSAY_SYMBOL_NODE, kind); }
constexpr assay_symbol Leaf(Kind kind) { return Make(ASSAY_SYMBOL_LEAF, kind); }
constexpr assay_symbol Marks(uint16_t attributes) { return Make(ASSAY_SYMBOL_TOKEN, Kind::kNone, attributes); }
constexpr assay_symbol kSkip = Make(ASSAY_SYMBOL_SKIP);
constexpr assay_symbol kFlatten = Make(ASSAY_SYMBOL_FLATTEN);
constexpr assay_symbol kComment = Make(ASSAY_SYMBOL_COMMENT);

const SymbolTable& NamedSymbols() {
  static const auto* table = new SymbolTable{
      {"program", Inner(Kind::kProgram)},
      {"comment", kComment},
      {"html_comment", kComment},
      {"hash_bang_line", kSkip},
      {"debugger_statement", kSkip},
      {"statement_block", Inner(Kind::kBlock)},
      {"expression_statement", Inner(Kind::kExpressionStatement)},
      {"if_statement", Inner(Kind::kIf)},
      {"else_clause", Inner(Kind::kElse)},
      {"switch_statement", Inner(Kind::kSwitch)},
      {"switch_body", Inner(Kind::kSwitchBody)},
      {"switch_case", Inner(Kind::kCase)},
      {"switch_default", Inner(Kind::kDefault)},
      {"for_statement", Inner(Kind::kFor)},
      {"for_in_statement", Inner(Kind::kForIn)},
      {"while_statement", Inner(Kind::kWhile)},
      {"do_statement", Inner(Kind::kDoWhile)},
      {"try_statement", Inner(Kind::kTry)},
      {"catch_clause", Inner(Kind::kCatch)},
      {"finally_clause", Inner(Kind::kFinally)},
      {"return_statement", Inner(Kind::kReturn)},
      {"throw_statement", Inner(Kind::kThrow)},
      {"break_statement", Inner(Kind::kBreak)},
      {"continue_statement", Inner(Kind::kContinue)},
      {"labeled_statement", Inner(Kind::kLabeled)},
      {"empty_statement", Leaf(Kind::kEmpty)},
      {"lexical_declaration", Inner(Kind::kVariableDeclaration)},
      {"variable_declaration", Inner(Kind::kVariableDeclaration)},
      {"variable_declarator", Inner(Kind::kDeclarator)},
      {"import_statement", Inner(Kind::kImport)},
      {"import_clause", Inner(Kind::kImportClause)},
      {"namespace_import", Inner(Kind::kNamespaceImport)},
      {"named_imports", Inner(Kind::kNamedImports)},
      {"import_specifier", Inner(Kind::kImportSpecifier)},
      {"import_attribute", kSkip},
      {"import_require_clause", Inner(Kind::kImportRequire)},
      {"export_statement", Inner(Kind::kExport)},
      {"export_clause", Inner(Kind::kExportClause)},
      {"export_specifier", Inner(Kind::kExportSpecifier)},
      {"namespace_export", Inner(Kind::kNamespaceExport)},
      {"function_declaration", Inner(Kind::kFunctionDeclaration)},
      {"generator_function_declaration", Make(ASSAY_SYMBOL_NODE, Kind::kFunctionDeclaration)},
      {"function_expression", Inner(Kind::kFunctionExpression)},
      {"generator_function", Inner(Kind::kFunctionExpression)},
      {"arrow_function", Inner(Kind::kArrow)},
      {"method_definition", Inner(Kind::kMethod)},
      {"formal_parameters", Inner(Kind::kParameters)},
      {"required_parameter", Inner(Kind::kParameter)},
      {"optional_parameter", Inner(Kind::kParameter)},
      {"accessibility_modifier", Marks(attribute::kMember)},
      {"override_modifier", kSkip},
      {"class", Inner(Kind::kClass)},
      {"class_declaration", Inner(Kind::kClass)},
      {"abstract_class_declaration", Inner(Kind::kClass)},
      {"class_heritage", Inner(Kind::kHeritage)},
      {"extends_clause", kFlatten},
      {"implements_clause", kSkip},
      {"class_body", Inner(Kind::kClassBody)},
      {"field_definition", Inner(Kind::kField)},
      {"public_field_definition", Inner(Kind::kField)},
      {"class_static_block", Inner(Kind::kStaticBlock)},
      {"decorator", Inner(Kind::kDecorator)},
      {"call_expression", Inner(Kind::kCall)},
      {"new_expression", Inner(Kind::kNew)},
      {"arguments", Inner(Kind::kArguments)},
      {"member_expression", Inner(Kind::kMember)},
      {"subscript_expression", Inner(Kind::kSubscript)},
      {"optional_chain", Marks(attribute::kOptional)},
      {"identifier", Leaf(Kind::kIdentifier)},
      {"this", Leaf(Kind::kThis)},
      {"super", Leaf(Kind::kSuper)},
      {"import", Leaf(Kind::kImportKeyword)},
      {"meta_property", Leaf(Kind::kMetaProperty)},
      {"await_expression", Inner(Kind::kAwait)},
      {"yield_expression", Inner(Kind::kYield)},
      {"binary_expression", Inner(Kind::kBinary)},
      {"unary_expression", Inner(Kind::kUnary)},
      {"update_expression", Inner(Kind::kUpdate)},
      {"assignment_expression", Inner(Kind::kAssignment)},
      {"augmented_assignment_expression", Inner(Kind::kAugmentedAssignment)},
      {"ternary_expression", Inner(Kind::kTernary)},
      {"sequence_expression", Inner(Kind::kSequence)},
      {"parenthesized_expression", Inner(Kind::kParenthesized)},
      {"spread_element", Inner(Kind::kSpread)},
      {"object", Inner(Kind::kObject)},
      {"pair", Inner(Kind::kPair)},
      {"shorthand_property_identifier", Leaf(Kind::kShorthand)},
      {"array", Inner(Kind::kArray)},
      {"string", Leaf(Kind::kString)},
      {"template_string", Inner(Kind::kTemplate)},
      {"template_substitution", Inner(Kind::kSubstitution)},
      {"number", Leaf(Kind::kNumber)},
      {"true", Leaf(Kind::kTrue)},
      {"false", Leaf(Kind::kFalse)},
      {"null", Leaf(Kind::kNull)},
      {"undefined", Leaf(Kind::kUndefined)},
      {"regex", Leaf(Kind::kRegex)},
      {"as_expression", Inner(Kind::kCast)},
      {"satisfies_expression", Inner(Kind::kCast)},
      {"non_null_expression", Inner(Kind::kCast)},
      {"type_assertion", Inner(Kind::kCast)},
      {"instantiation_expression", Inner(Kind::kCast)},
      {"object_pattern", Inner(Kind::kObjectPattern)},
      {"array_pattern", Inner(Kind::kArrayPattern)},
      {"assignment_pattern", Inner(Kind::kAssignmentPattern)},
      {"object_assignment_pattern", Inner(Kind::kAssignmentPattern)},
      {"rest_pattern", Inner(Kind::kRest)},
      {"pair_pattern", Inner(Kind::kPairPattern)},
      {"shorthand_property_identifier_pattern", Leaf(Kind::kShorthandPattern)},
      {"property_identifier", Leaf(Kind::kPropertyName)},
      {"private_property_identifier", Leaf(Kind::kPrivateName)},
      {"computed_property_name", Inner(Kind::kComputedName)},
      {"statement_identifier", Leaf(Kind::kLabelName)},
      {"type_annotation", Leaf(Kind::kType)},
      {"type_predicate_annotation", kSkip},
      {"asserts_annotation", kSkip},
      {"asserts", kSkip},
      {"omitting_type_annotation", kSkip},
      {"adding_type_annotation", kSkip},
      {"opting_type_annotation", kSkip},
      {"type_arguments", kSkip},
      {"type_parameters", kSkip},
      {"interface_declaration", Leaf(Kind::kTypeOnly)},
      {"type_alias_declaration", Leaf(Kind::kTypeOnly)},
      {"ambient_declaration", Leaf(Kind::kTypeOnly)},
      {"import_alias", Leaf(Kind::kTypeOnly)},
      {"function_signature", kSkip},
      {"method_signature", kSkip},
      {"abstract_method_signature", kSkip},
      {"index_signature", kSkip},
      {"enum_declaration", Inner(Kind::kEnum)},
      {"enum_body", kFlatten},
      {"enum_assignment", Inner(Kind::kPair)},
      {"internal_module", Inner(Kind::kNamespace)},
      {"module", Inner(Kind::kNamespace)},
      {"jsx_element", Inner(Kind::kJsx)},
      {"jsx_self_closing_element", Inner(Kind::kJsx)},
      {"jsx_opening_element", kFlatten},
      {"jsx_closing_element", kSkip},
      {"jsx_expression", kFlatten},
      {"jsx_attribute", Inner(Kind::kJsxAttribute)},
      {"jsx_text", kSkip},
      {"html_character_reference", kSkip},
      {"string_fragment", kSkip},
      {"escape_sequence", kSkip},
      {"regex_pattern", kSkip},
      {"regex_flags", kSkip},
      {"type_identifier", kSkip},
      {"nested_type_identifier", kSkip},
      {"type_query", kSkip},
      {"template_literal_type", kSkip},
      {"constraint", kSkip},
  };
  return *table;
}

// Names of classes are type identifiers in TypeScript's grammar; they must stay.
assay_symbol NamedSymbol(std::string_view name) {
  if (name == "type_identifier") return Leaf(Kind::kIdentifier);
  const auto found = NamedSymbols().find(name);
  if (found != NamedSymbols().end()) return found->second;
  if (name.size() > 5 && (name.substr(name.size() - 5) == "_type" || name.find("type_") != std::string_view::npos))
    return kSkip;
  return Inner(Kind::kOther);
}

assay_symbol Token(std::string_view name) {
  static const auto* operators =
      new std::unordered_map<std::string_view, Operator>{{"&&", Operator::kAnd},
                                                         {"||", Operator::kOr},
                                                         {"??", Operator::kNullish},
                                                         {"==", Operator::kEqual},
                                                         {"===", Operator::kStrictEqual},
                                                         {"!=", Operator::kNotEqual},
                                                         {"!==", Operator::kStrictNotEqual},
                                                         {"<", Operator::kLess},
                                                         {"<=", Operator::kLessEqual},
                                                         {">", Operator::kGreater},
                                                         {">=", Operator::kGreaterEqual},
                                                         {"+", Operator::kPlus},
                                                         {"-", Operator::kMinus},
                                                         {"*", Operator::kTimes},
                                                         {"/", Operator::kDivide},
                                                         {"%", Operator::kRemainder},
                                                         {"**", Operator::kPower},
                                                         {"!", Operator::kNot},
                                                         {"typeof", Operator::kTypeof},
                                                         {"void", Operator::kVoid},
                                                         {"delete", Operator::kDelete},
                                                         {"in", Operator::kIn},
                                                         {"instanceof", Operator::kInstanceof},
                                                         {"++", Operator::kIncrement},
                                                         {"--", Operator::kDecrement},
                                                         {"+=", Operator::kPlus},
                                                         {"-=", Operator::kMinus},
                                                         {"||=", Operator::kOr},
                                                         {"&&=", Operator::kAnd},
                                                         {"?\?=", Operator::kNullish},
                                                         {"*=", Operator::kTimes},
                                                         {"/=", Operator::kDivide},
                                                         {"&", Operator::kOtherOperator},
                                                         {"|", Operator::kOtherOperator},
                                                         {"^", Operator::kOtherOperator},
                                                         {"~", Operator::kOtherOperator},
                                                         {"<<", Operator::kOtherOperator},
                                                         {">>", Operator::kOtherOperator},
                                                         {">>>", Operator::kOtherOperator}};
  static const auto* attributes = new std::unordered_map<std::string_view, uint16_t>{
      {"async", attribute::kAsync},     {"*", attribute::kGenerator | attribute::kStar},
      {"static", attribute::kStatic},   {"get", attribute::kGetter},
      {"set", attribute::kSetter},      {"const", attribute::kConst},
      {"let", attribute::kLet},         {"type", attribute::kTypeOnly},
      {"default", attribute::kDefault}, {"await", attribute::kAwaited},
      {"of", attribute::kOf},           {"readonly", attribute::kMember},
      {"?.", attribute::kOptional}};
  assay_symbol token = Make(ASSAY_SYMBOL_TOKEN);
  const auto op = operators->find(name);
  if (op != operators->end()) token.op = static_cast<uint8_t>(op->second);
  const auto marks = attributes->find(name);
  if (marks != attributes->end()) token.attributes = marks->second;
  return token;
}

uint8_t FieldOf(std::string_view name) {
  static const auto* fields = new std::unordered_map<std::string_view, Field>{{"alias", Field::kAlias},
                                                                              {"alternative", Field::kAlternative},
                                                                              {"argument", Field::kArgument},
                                                                              {"arguments", Field::kArguments},
                                                                              {"body", Field::kBody},
                                                                              {"condition", Field::kCondition},
                                                                              {"consequence", Field::kConsequence},
                                                                              {"constructor", Field::kConstructor},
                                                                              {"declaration", Field::kDeclaration},
                                                                              {"decorator", Field::kDecorator},
                                                                              {"finalizer", Field::kFinalizer},
                                                                              {"function", Field::kFunction},
                                                                              {"handler", Field::kHandler},
                                                                              {"increment", Field::kIncrement},
                                                                              {"index", Field::kIndex},
                                                                              {"initializer", Field::kInitializer},
                                                                              {"key", Field::kKey},
                                                                              {"label", Field::kLabel},
                                                                              {"left", Field::kLeft},
                                                                              {"name", Field::kName},
                                                                              {"object", Field::kObject},
                                                                              {"parameter", Field::kParameter},
                                                                              {"parameters", Field::kParameters},
                                                                              {"pattern", Field::kPattern},
                                                                              {"property", Field::kProperty},
                                                                              {"return_type", Field::kReturnType},
                                                                              {"right", Field::kRight},
                                                                              {"source", Field::kSource},
                                                                              {"type", Field::kType},
                                                                              {"value", Field::kValue}};
  const auto found = fields->find(name);
  return static_cast<uint8_t>(found == fields->end() ? Field::kNone : found->second);
}

const uint8_t* OperatorKinds() {
  static const auto* kinds = [] {
    auto* table = new std::vector<uint8_t>(static_cast<size_t>(Kind::kCount), 0);
    for (Kind kind : {Kind::kBinary, Kind::kUnary, Kind::kUpdate, Kind::kAugmentedAssignment})
      (*table)[static_cast<size_t>(kind)] = 1;
    return table;
  }();
  return kinds->data();
}

Grammar* Load(const TSLanguage* language) {
  auto* grammar = new Grammar{.language = language, .symbols = {}, .fields = {}, .tables = {}};
  const uint32_t symbols = ts_language_symbol_count(language);
  for (uint32_t symbol = 0; symbol < symbols; ++symbol) {
    const char* name = ts_language_symbol_name(language, static_cast<TSSymbol>(symbol));
    const TSSymbolType type = ts_language_symbol_type(language, static_cast<TSSymbol>(symbol));
    grammar->symbols.push_back(type == TSSymbolTypeAnonymous ? Token(name) : NamedSymbol(name));
  }
  grammar->fields.push_back(0);
  for (uint32_t field = 1; field <= ts_language_field_count(language); ++field) {
    grammar->fields.push_back(FieldOf(ts_language_field_name_for_id(language, static_cast<TSFieldId>(field))));
  }
  grammar->tables = {.symbols = grammar->symbols.data(),
                     .fields = grammar->fields.data(),
                     .has_operator = OperatorKinds(),
                     .symbol_count = symbols,
                     .error_kind = static_cast<uint8_t>(Kind::kError),
                     .program_kind = static_cast<uint8_t>(Kind::kProgram),
                     .reserved0 = {}};
  return grammar;
}

bool EndsWith(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

}  // namespace

const Grammar& GrammarOf(Language language) {
  static const Grammar* javascript = Load(tree_sitter_javascript());
  static const Grammar* typescript = Load(tree_sitter_typescript());
  static const Grammar* tsx = Load(tree_sitter_tsx());
  switch (language) {
    case Language::kTypeScript:
      return *typescript;
    case Language::kTsx:
      return *tsx;
    case Language::kJavaScript:
      break;
  }
  return *javascript;
}

bool LanguageOf(std::string_view path, Language& language) {
  for (std::string_view ending : {".js", ".cjs", ".mjs", ".jsx"}) {
    if (EndsWith(path, ending)) {
      language = Language::kJavaScript;
      return true;
    }
  }
  for (std::string_view ending : {".ts", ".cts", ".mts"}) {
    if (EndsWith(path, ending)) {
      language = Language::kTypeScript;
      return true;
    }
  }
  language = Language::kTsx;
  return EndsWith(path, ".tsx");
}

}  // namespace assay::code_analysis
