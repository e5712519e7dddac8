// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/document_tree.h"

namespace assay {
namespace {

void AppendUtf8(uint32_t code, std::string& out) {
  const auto add = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | code >> 6), add(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12), add(0x80 | (code >> 6 & 0x3F)), add(0x80 | (code & 0x3F));
  } else {
    add(0xF0 | code >> 18), add(0x80 | (code >> 12 & 0x3F)), add(0x80 | (code >> 6 & 0x3F)), add(0x80 | (code & 0x3F));
  }
}

// RFC 8259, strictly: no comments, no trailing commas. The input is valid UTF-8. After a syntax error nothing is read.
class JsonParser {
 public:
  JsonParser(absl::string_view text, DocumentTree& tree, std::vector<DocumentError>& errors)
      : text_(text), tree_(tree), errors_(errors) {}

  void Parse() {
    SkipSpace();
    const std::optional<size_t> root = Value(0);
    if (!root.has_value()) return;
    SkipSpace();
    if (!text_.empty()) return Fail("text after the end of the document");
    tree_.root = *root;
    tree_.has_root = true;
  }

 private:
  void Fail(std::string what) {
    if (!failed_) errors_.push_back({line_, "", std::move(what)});
    failed_ = true;
  }

  void SkipSpace() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\t' || text_[0] == '\n' || text_[0] == '\r')) {
      if (text_[0] == '\n') ++line_;
      text_.remove_prefix(1);
    }
  }

  bool Consume(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::optional<size_t> NewNode(DocumentNode::Kind kind) {
    if (tree_.nodes.size() >= kMaxDocumentNodes) {
      Fail(absl::StrCat("more than ", kMaxDocumentNodes, " values"));
      return std::nullopt;
    }
    tree_.nodes.push_back(DocumentNode{kind, line_});
    return tree_.nodes.size() - 1;
  }

  std::optional<size_t> Value(size_t depth) {
    if (text_.empty()) return Fail("ends where a value is expected"), std::nullopt;
    if (text_[0] == '{' || text_[0] == '[') {
      if (depth >= kMaxDocumentDepth) {
        return Fail(absl::StrCat("nested deeper than ", kMaxDocumentDepth, " levels")), std::nullopt;
      }
      return text_[0] == '{' ? Object(depth) : Array(depth);
    }
    return text_[0] == '"' ? StringValue() : Literal();
  }

  std::optional<size_t> Object(size_t depth) {
    const std::optional<size_t> node = NewNode(DocumentNode::Kind::kMap);
    if (!node.has_value()) return node;
    Consume('{');
    std::set<std::string> keys;
    SkipSpace();
    if (Consume('}')) return node;
    for (;;) {
      SkipSpace();
      const uint32_t line = line_;
      std::optional<std::string> key = String();
      if (!key.has_value()) return std::nullopt;
      if (!keys.insert(*key).second) AddDuplicate(line, *key);
      SkipSpace();
      if (!Consume(':')) return Fail("expected ':' after a key"), std::nullopt;
      SkipSpace();
      const std::optional<size_t> value = Value(depth + 1);
      if (!value.has_value() || failed_) return std::nullopt;
      tree_.nodes[*node].entries.push_back({*std::move(key), line, *value});
      SkipSpace();
      if (Consume('}')) return node;
      if (!Consume(',')) return Fail("expected ',' or '}'"), std::nullopt;
    }
  }

  void AddDuplicate(uint32_t line, const std::string& key) {
    errors_.push_back({line, key.substr(0, kMaxShownKeyBytes), "the key is given twice"});
    if (errors_.size() >= kMaxDocumentErrors) failed_ = true;
  }

  std::optional<size_t> Array(size_t depth) {
    const std::optional<size_t> node = NewNode(DocumentNode::Kind::kSequence);
    if (!node.has_value()) return node;
    Consume('[');
    SkipSpace();
    if (Consume(']')) return node;
    for (;;) {
      SkipSpace();
      const std::optional<size_t> value = Value(depth + 1);
      if (!value.has_value() || failed_) return std::nullopt;
      tree_.nodes[*node].items.push_back(*value);
      SkipSpace();
      if (Consume(']')) return node;
      if (!Consume(',')) return Fail("expected ',' or ']'"), std::nullopt;
    }
  }

  std::optional<size_t> StringValue() {
    const std::optional<size_t> node = NewNode(DocumentNode::Kind::kScalar);
    if (!node.has_value()) return node;
    std::optional<std::string> text = String();
    if (!text.has_value()) return std::nullopt;
    tree_.nodes[*node].quoted = true;
    tree_.nodes[*node].text = *std::move(text);
    return node;
  }

  // A number, true, false or null; whether it is a good number is for the field to say.
  std::optional<size_t> Literal() {
    size_t length = 0;
    while (length < text_.size() && (absl::ascii_isalnum(static_cast<unsigned char>(text_[length])) ||
                                     text_[length] == '-' || text_[length] == '+' || text_[length] == '.')) {
      ++length;
    }
    const absl::string_view literal = text_.substr(0, length);
    const bool is_number =
        length > 0 && (literal[0] == '-' || absl::ascii_isdigit(static_cast<unsigned char>(literal[0])));
    const bool is_null = literal == "null";
    if (!is_number && !is_null && literal != "true" && literal != "false") {
      return Fail("expected a value in JSON"), std::nullopt;
    }
    const std::optional<size_t> node = NewNode(is_null ? DocumentNode::Kind::kNull : DocumentNode::Kind::kScalar);
    if (node.has_value()) tree_.nodes[*node].text = std::string(literal);
    text_.remove_prefix(length);
    return node;
  }

  std::optional<std::string> String() {
    if (!Consume('"')) return Fail("expected a string in double quotes"), std::nullopt;
    std::string value;
    while (!text_.empty() && text_[0] != '"') {
      if (static_cast<unsigned char>(text_[0]) < 0x20) return Fail("a line ends inside a string"), std::nullopt;
      if (text_[0] != '\\') {
        value += text_[0];
        text_.remove_prefix(1);
      } else if (!Escape(value)) {
        return Fail("unknown escape in a string"), std::nullopt;
      }
    }
    if (!Consume('"')) return Fail("ends inside a string"), std::nullopt;
    return value;
  }

  bool Escape(std::string& value) {
    if (text_.size() < 2) return false;
    const char c = text_[1];
    text_.remove_prefix(2);
    switch (c) {
      case '"':
      case '\\':
      case '/':
        value += c;
        return true;
      case 'b':
        value += '\b';
        return true;
      case 'f':
        value += '\f';
        return true;
      case 'n':
        value += '\n';
        return true;
      case 'r':
        value += '\r';
        return true;
      case 't':
        value += '\t';
        return true;
      case 'u':
        return UnicodeEscape(value);
      default:
        return false;
    }
  }

  std::optional<uint32_t> Hex4() {
    if (text_.size() < 4) return std::nullopt;
    uint32_t code = 0;
    for (size_t i = 0; i < 4; ++i) {
      const unsigned char c = static_cast<unsigned char>(text_[i]);
      if (!absl::ascii_isxdigit(c)) return std::nullopt;
      code = code << 4 | static_cast<uint32_t>(absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10);
    }
    text_.remove_prefix(4);
    return code;
  }

  bool UnicodeEscape(std::string& value) {
    std::optional<uint32_t> code = Hex4();
    if (!code.has_value() || (*code >= 0xDC00 && *code <= 0xDFFF)) return false;
    if (*code >= 0xD800 && *code <= 0xDBFF) {
      if (!Consume('\\') || !Consume('u')) return false;
      const std::optional<uint32_t> low = Hex4();
      if (!low.has_value() || *low < 0xDC00 || *low > 0xDFFF) return false;
      code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
    }
    AppendUtf8(*code, value);
    return true;
  }

  absl::string_view text_;
  DocumentTree& tree_;
  std::vector<DocumentError>& errors_;
  uint32_t line_ = 1;
  bool failed_ = false;
};

}  // namespace

void ParseJson(absl::string_view text, DocumentTree& tree, std::vector<DocumentError>& errors) {
  JsonParser(text, tree, errors).Parse();
}

}  // namespace assay
