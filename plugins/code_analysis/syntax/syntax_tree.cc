#include "plugins/code_analysis/syntax/syntax_tree.h"

#include <algorithm>
#include <charconv>

namespace assay::code_analysis {
namespace {

constexpr int kMaxExpressionDepth = 64;

uint32_t HashOf(std::string_view name) {
  uint32_t hash = 2166136261u;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

void AppendUtf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 63)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 63)));
    out.push_back(static_cast<char>(0x80 | (code & 63)));
  } else if (code <= 0x10FFFF) {
    out.push_back(static_cast<char>(0xF0 | (code >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code >> 12) & 63)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 63)));
    out.push_back(static_cast<char>(0x80 | (code & 63)));
  }
}

// Reads up to `digits` hexadecimal digits at `at`, and moves it.
uint32_t ReadHex(std::string_view text, size_t& at, size_t digits) {
  uint32_t value = 0;
  const size_t end = std::min(text.size(), at + digits);
  const auto result = std::from_chars(text.data() + at, text.data() + end, value, 16);
  at = static_cast<size_t>(result.ptr - text.data());
  return value;
}

std::string Unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i++]);
      continue;
    }
    const char c = text[i + 1];
    i += 2;
    switch (c) {
      case 'n':
        out.push_back('\n');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'v':
        out.push_back('\v');
        break;
      case '0':
        out.push_back('\0');
        break;
      case '\n':
        break;
      case 'x':
        AppendUtf8(ReadHex(text, i, 2), out);
        break;
      case 'u':
        if (i < text.size() && text[i] == '{') {
          ++i;
          AppendUtf8(ReadHex(text, i, 6), out);
          if (i < text.size() && text[i] == '}') ++i;
        } else {
          AppendUtf8(ReadHex(text, i, 4), out);
        }
        break;
      default:
        out.push_back(c);
        break;
    }
  }
  return out;
}

std::optional<double> NumberAt(Node node, int depth) {
  node = node.Bare();
  if (depth > kMaxExpressionDepth) return std::nullopt;
  if (node.Is(Kind::kNumber)) {
    std::string digits;
    for (char c : node.text()) {
      if (c != '_' && c != 'n') digits.push_back(c);
    }
    if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
      uint64_t value = 0;
      std::from_chars(digits.data() + 2, digits.data() + digits.size(), value, 16);
      return static_cast<double>(value);
    }
    double value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (result.ec != std::errc()) return std::nullopt;
    return value;
  }
  if (node.Is(Kind::kUnary) && node.op() == Operator::kMinus) {
    const auto value = NumberAt(node[Field::kArgument], depth + 1);
    if (value) return -*value;
  }
  if (!node.Is(Kind::kBinary)) return std::nullopt;
  const auto left = NumberAt(node[Field::kLeft], depth + 1), right = NumberAt(node[Field::kRight], depth + 1);
  if (!left || !right) return std::nullopt;
  switch (node.op()) {
    case Operator::kTimes:
      return *left * *right;
    case Operator::kPlus:
      return *left + *right;
    case Operator::kMinus:
      return *left - *right;
    case Operator::kDivide:
      return *right == 0 ? std::nullopt : std::optional<double>(*left / *right);
    default:
      return std::nullopt;
  }
}

bool AppendPath(Node node, int depth, std::string& out) {
  node = node.Bare();
  if (depth > kMaxExpressionDepth) return false;
  switch (node.kind()) {
    case Kind::kIdentifier:
    case Kind::kThis:
    case Kind::kShorthand:
    case Kind::kSuper:
      out += node.text();
      return true;
    case Kind::kMember:
      if (!AppendPath(node[Field::kObject], depth + 1, out)) return false;
      out += '.';
      out += node[Field::kProperty].text();
      return true;
    case Kind::kSubscript: {
      const auto key = StringValue(node[Field::kIndex]);
      if (!key || !AppendPath(node[Field::kObject], depth + 1, out)) return false;
      out += '.';
      out += *key;
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

uint32_t Node::line() const { return id_ == 0 ? 0 : tree_->LineAt(begin()); }
Node Node::child(uint32_t position) const {
  Node child = first_child();
  while (child && position-- > 0) child = child.next_sibling();
  return child;
}
uint32_t Node::child_count() const {
  uint32_t count = 0;
  for (Node child = first_child(); child; child = child.next_sibling()) ++count;
  return count;
}
Node Node::Enclosing(Kind kind) const {
  Node node = parent();
  while (node && !node.Is(kind)) node = node.parent();
  return node;
}
Node Node::EnclosingFunction() const {
  Node node = parent();
  while (node && !node.IsFunction()) node = node.parent();
  return node;
}
std::vector<Node> SyntaxTree::Find(const std::vector<Named>& names, std::string_view name) const {
  std::vector<Node> found;
  const uint32_t hash = HashOf(name);
  auto at =
      std::lower_bound(names.begin(), names.end(), hash, [](const Named& named, uint32_t h) { return named.hash < h; });
  for (; at != names.end() && at->hash == hash; ++at) found.emplace_back(this, at->id);
  return found;
}

std::vector<Node> SyntaxTree::CallsNamed(std::string_view name) const {
  std::vector<Node> found = Find(calls_, name);
  std::erase_if(found, [&](Node call) { return CalleeName(call) != name; });
  return found;
}

std::vector<Node> SyntaxTree::MembersNamed(std::string_view name) const {
  std::vector<Node> found = Find(members_, name);
  std::erase_if(found, [&](Node member) { return member[Field::kProperty].text() != name; });
  return found;
}

std::vector<Node> SyntaxTree::PropertiesNamed(std::string_view name) const {
  std::vector<Node> found = Find(properties_, name);
  std::erase_if(found, [&](Node property) { return NameOf(property) != name; });
  return found;
}

std::vector<Node> SyntaxTree::AllInside(Kind kind, Node node) const {
  std::vector<Node> found;
  const auto& ids = All(kind);
  const uint32_t end = node ? records_[node.id()].subtree_end : 0;
  for (auto at = std::upper_bound(ids.begin(), ids.end(), node.id()); at != ids.end() && *at < end; ++at)
    found.emplace_back(this, *at);
  return found;
}

uint32_t SyntaxTree::LineAt(uint32_t offset) const {
  return static_cast<uint32_t>(std::upper_bound(line_starts_.begin(), line_starts_.end(), offset) -
                               line_starts_.begin());
}

Span SyntaxTree::SpanOf(Node node) const {
  const uint32_t line = LineAt(node.begin());
  const uint32_t last = node.end() > node.begin() ? node.end() - 1 : node.begin();
  const uint32_t end_line = LineAt(last);
  return {.file = file_,
          .line = line,
          .column = node.begin() - line_starts_[line - 1] + 1,
          .end_line = end_line,
          .end_column = last - line_starts_[end_line - 1] + 2};
}

std::optional<std::string> StringValue(Node node) {
  node = node.Bare();
  if (node.Is(Kind::kTemplate) && node.first_child()) return std::nullopt;
  if (!node.Is(Kind::kString) && !node.Is(Kind::kTemplate)) return std::nullopt;
  std::string_view text = node.text();
  if (text.size() < 2) return std::nullopt;
  return Unescaped(text.substr(1, text.size() - 2));
}

std::optional<double> NumberValue(Node node) { return NumberAt(node, 0); }

std::optional<bool> BooleanValue(Node node) {
  node = node.Bare();
  if (node.Is(Kind::kTrue)) return true;
  if (node.Is(Kind::kFalse)) return false;
  if (node.Is(Kind::kUnary) && node.op() == Operator::kNot) {
    const auto number = NumberValue(node[Field::kArgument]);
    if (number) return *number == 0;
  }
  return std::nullopt;
}

std::string_view NameOf(Node node) {
  switch (node.kind()) {
    case Kind::kIdentifier:
    case Kind::kPropertyName:
    case Kind::kPrivateName:
    case Kind::kShorthand:
    case Kind::kShorthandPattern:
    case Kind::kLabelName:
      return node.text();
    case Kind::kString: {
      const std::string_view text = node.text();
      return text.size() >= 2 ? text.substr(1, text.size() - 2) : std::string_view();
    }
    case Kind::kPair:
    case Kind::kPairPattern:
      return NameOf(node[Field::kKey] ? node[Field::kKey] : node[Field::kName]);
    case Kind::kMethod:
    case Kind::kField:
    case Kind::kFunctionDeclaration:
    case Kind::kFunctionExpression:
    case Kind::kClass:
    case Kind::kDeclarator:
      return NameOf(node[Field::kName]);
    default:
      return {};
  }
}

Node CalleeOf(Node call) {
  Node callee;
  if (call.Is(Kind::kCall)) callee = call[Field::kFunction].Bare();
  if (call.Is(Kind::kNew)) callee = call[Field::kConstructor].Bare();
  // Compilers write `(0, module.name)(…)` so that the function is called without `this`.
  if (callee.Is(Kind::kSequence)) {
    Node last;
    for (Node child : callee.Children()) last = child;
    callee = last.Bare();
  }
  return callee;
}

std::string_view CalleeName(Node call) {
  const Node callee = CalleeOf(call);
  if (callee.Is(Kind::kMember)) return callee[Field::kProperty].text();
  if (callee.Is(Kind::kIdentifier) || callee.Is(Kind::kImportKeyword) || callee.Is(Kind::kSuper)) return callee.text();
  return {};
}

std::vector<Node> ArgumentsOf(Node call) {
  std::vector<Node> arguments;
  const Node list = call[Field::kArguments];
  if (!list.Is(Kind::kArguments)) return arguments;
  for (Node argument : list.Children()) arguments.push_back(argument);
  return arguments;
}

Node ArgumentOf(Node call, uint32_t position) {
  const Node list = call[Field::kArguments];
  return list.Is(Kind::kArguments) ? list.child(position) : Node();
}

Node PropertyOf(Node object, std::string_view key) {
  object = object.Bare();
  if (!object.Is(Kind::kObject)) return {};
  for (Node property : object.Children()) {
    if (property.Is(Kind::kSpread) || NameOf(property) != key) continue;
    return property.Is(Kind::kPair) ? property[Field::kValue] : property;
  }
  return {};
}

std::vector<Node> ParametersOf(Node function) {
  std::vector<Node> parameters;
  const Node single = function[Field::kParameter];
  if (single) {
    parameters.push_back(single);
    return parameters;
  }
  for (Node parameter : function[Field::kParameters].Children()) {
    if (parameter.Is(Kind::kDecorator)) continue;
    if (parameter.Is(Kind::kParameter)) {
      const Node pattern = parameter[Field::kPattern];
      if (pattern.Is(Kind::kThis)) continue;
      parameters.push_back(pattern ? pattern : parameter[Field::kName]);
    } else {
      parameters.push_back(parameter);
    }
  }
  return parameters;
}

std::string_view ParameterName(Node parameter) {
  if (parameter.Is(Kind::kAssignmentPattern)) parameter = parameter[Field::kLeft];
  if (parameter.Is(Kind::kRest)) parameter = parameter.first_child();
  return parameter.Is(Kind::kIdentifier) ? parameter.text() : std::string_view();
}

std::string_view TypeOf(Node parameter) {
  Node type = parameter[Field::kType];
  if (!type && (parameter.parent().Is(Kind::kParameter) || parameter.parent().Is(Kind::kDeclarator)))
    type = parameter.parent()[Field::kType];
  std::string_view text = type.text();
  while (!text.empty() && (text.front() == ':' || text.front() == ' ')) text.remove_prefix(1);
  return text;
}

uint32_t ArityOf(Node function) {
  uint32_t arity = 0;
  for (Node parameter : ParametersOf(function)) {
    const bool has_default = parameter.Is(Kind::kAssignmentPattern) ||
                             (parameter.parent().Is(Kind::kParameter) && parameter.parent()[Field::kValue]);
    if (has_default || parameter.Is(Kind::kRest)) break;
    ++arity;
  }
  return arity;
}

Node BodyOf(Node function) { return function[Field::kBody]; }

std::string PathOf(Node expression) {
  std::string path;
  if (!AppendPath(expression, 0, path)) path.clear();
  return path;
}

bool HasCommentInside(Node node) {
  if (!node) return false;
  const auto& comments = node.tree()->comments();
  const auto at = std::lower_bound(comments.begin(), comments.end(), node.begin(),
                                   [](const CommentRange& c, uint32_t offset) { return c.begin < offset; });
  return at != comments.end() && at->end <= node.end();
}

}  // namespace assay::code_analysis
