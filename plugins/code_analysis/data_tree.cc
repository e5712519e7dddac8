// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/data_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <streambuf>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxJsonBytes = 32u << 20;
constexpr size_t kMaxJsonNodes = 1'000'000;
constexpr int kMaxJsonDepth = 64;
constexpr size_t kMaxYamlBytes = 512u << 10;
constexpr size_t kMaxYamlNodes = 50'000;
constexpr size_t kMaxYamlDepth = 48;
// "<<" may name a map that itself has "<<": followed this far.
constexpr int kMaxMerges = 8;

std::string_view WithoutByteOrderMark(std::string_view bytes) { return text::WithoutPrefix(bytes, "\xEF\xBB\xBF"); }

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

}  // namespace

DataValue::Kind DataValue::kind() const { return tree_ == nullptr ? Kind::kMissing : tree_->nodes_[index_].kind; }

DataValue DataValue::operator[](std::string_view key) const {
  DataValue map = *this;
  for (int merges = 0; merges < kMaxMerges && map.is_map(); ++merges) {
    const DataTree::Node& node = map.tree_->nodes_[map.index_];
    DataValue merged;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      if (node.keys[i] == key) return map.at(i);
      if (node.keys[i] == "<<") merged = map.at(i);
    }
    map = merged.is_list() ? merged.at(0) : merged;
  }
  return {};
}

size_t DataValue::size() const { return tree_ == nullptr ? 0 : tree_->nodes_[index_].children.size(); }

DataValue DataValue::at(size_t index) const {
  if (index >= size()) return {};
  return {tree_, tree_->nodes_[index_].children[index]};
}

std::string_view DataValue::key(size_t index) const {
  if (!is_map() || index >= size()) return {};
  return tree_->nodes_[index_].keys[index];
}

std::string_view DataValue::text() const {
  return is_text() ? std::string_view(tree_->nodes_[index_].text) : std::string_view();
}

std::optional<double> DataValue::number() const {
  return kind() == Kind::kScalar ? text::Number(text()) : std::nullopt;
}

bool DataValue::IsTrue() const {
  if (kind() != Kind::kScalar) return false;
  return text::EqualsIgnoringCase(text(), "true") || text::EqualsIgnoringCase(text(), "yes") ||
         text::EqualsIgnoringCase(text(), "on");
}

uint32_t DataValue::line() const { return tree_ == nullptr ? 0 : tree_->nodes_[index_].line; }

// Recursive descent over one text; the depth bound keeps the stack small.
class JsonReader {
 public:
  JsonReader(std::string_view text, DataTree* tree) : text_(text), tree_(tree) {}

  bool Read() {
    if (!Value(0, &tree_->root_)) return false;
    Skip();
    return AtEnd() || Fail("something follows the document");
  }

  std::string problem() const { return text::Cat({"line ", std::to_string(line_), ": ", problem_}); }

 private:
  bool Fail(std::string_view problem) {
    if (problem_.empty()) problem_ = std::string(problem);
    return false;
  }
  bool AtEnd() const { return position_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[position_]; }

  // Passes over white space and comments.
  void Skip() {
    while (!AtEnd()) {
      const char c = Peek();
      if (c == '\n') {
        ++line_;
        ++position_;
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++position_;
      } else if (text_.substr(position_).starts_with("//")) {
        while (!AtEnd() && Peek() != '\n') ++position_;
      } else if (text_.substr(position_).starts_with("/*")) {
        const size_t end = text_.find("*/", position_ + 2);
        const size_t stop = end == std::string_view::npos ? text_.size() : end + 2;
        for (; position_ < stop; ++position_) line_ += Peek() == '\n';
      } else {
        return;
      }
    }
  }

  bool NewNode(DataValue::Kind kind, uint32_t* out) {
    if (tree_->nodes_.size() >= kMaxJsonNodes) return Fail("more than 1,000,000 values");
    *out = static_cast<uint32_t>(tree_->nodes_.size());
    tree_->nodes_.push_back({kind, line_, {}, {}, {}});
    return true;
  }

  bool Value(int depth, uint32_t* out) {
    if (depth > kMaxJsonDepth) return Fail("more than 64 levels");
    Skip();
    if (AtEnd()) return Fail("the document ends early");
    switch (Peek()) {
      case '{':
        return Container(DataValue::Kind::kMap, '}', depth, out);
      case '[':
        return Container(DataValue::Kind::kList, ']', depth, out);
      case '"':
      case '\'':
        return NewNode(DataValue::Kind::kString, out) && String(&tree_->nodes_[*out].text);
      default:
        return Scalar(out);
    }
  }

  bool Container(DataValue::Kind kind, char close, int depth, uint32_t* out) {
    if (!NewNode(kind, out)) return false;
    ++position_;
    for (;;) {
      Skip();
      if (AtEnd()) return Fail("a bracket is not closed");
      if (Peek() == close) {
        ++position_;
        return true;
      }
      std::string key;
      if (kind == DataValue::Kind::kMap) {
        if (!Key(&key)) return false;
        Skip();
        if (Peek() != ':') return Fail("expected ':' after a key");
        ++position_;
      }
      uint32_t child = 0;
      if (!Value(depth + 1, &child)) return false;
      DataTree::Node& node = tree_->nodes_[*out];
      node.children.push_back(child);
      if (kind == DataValue::Kind::kMap) node.keys.push_back(std::move(key));
      Skip();
      if (Peek() == ',') {
        ++position_;
      } else if (Peek() != close) {
        return Fail("expected ',' or a closing bracket");
      }
    }
  }

  bool Key(std::string* out) {
    if (Peek() == '"' || Peek() == '\'') return String(out);
    const size_t start = position_;
    while (!AtEnd() && (text::IsWord(Peek()) || Peek() == '$' || Peek() == '-')) ++position_;
    if (position_ == start) return Fail("expected a key");
    out->assign(text_.substr(start, position_ - start));
    return true;
  }

  bool Scalar(uint32_t* out) {
    const size_t start = position_;
    while (!AtEnd() && (text::IsWord(Peek()) || Peek() == '+' || Peek() == '-' || Peek() == '.')) ++position_;
    if (position_ == start) return Fail("expected a value");
    const std::string_view word = text_.substr(start, position_ - start);
    if (!NewNode(word == "null" ? DataValue::Kind::kNull : DataValue::Kind::kScalar, out)) return false;
    tree_->nodes_[*out].text.assign(word);
    return true;
  }

  bool String(std::string* out) {
    const char quote = Peek();
    ++position_;
    while (!AtEnd()) {
      const char c = text_[position_++];
      if (c == quote) return true;
      if (c == '\n') return Fail("a string is not closed");
      if (c != '\\') {
        out->push_back(c);
      } else if (!Escape(out)) {
        return false;
      }
    }
    return Fail("a string is not closed");
  }

  bool Escape(std::string* out) {
    if (AtEnd()) return Fail("a string is not closed");
    const char c = text_[position_++];
    switch (c) {
      case 'n':
        out->push_back('\n');
        return true;
      case 't':
        out->push_back('\t');
        return true;
      case 'r':
        out->push_back('\r');
        return true;
      case 'b':
        out->push_back('\b');
        return true;
      case 'f':
        out->push_back('\f');
        return true;
      case 'u':
        break;
      case '\n':
        ++line_;
        return true;
      default:
        out->push_back(c);
        return true;
    }
    uint32_t code = 0;
    if (!Hex4(&code)) return false;
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(position_).starts_with("\\u")) {
      position_ += 2;
      uint32_t low = 0;
      if (!Hex4(&low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      } else {
        code = 0xFFFD;
      }
    }
    if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;  // half of a pair is no character
    AppendUtf8(code, out);
    return true;
  }

  bool Hex4(uint32_t* out) {
    const std::string_view digits = text_.substr(position_, 4);
    if (digits.size() < 4) return Fail("a \\u escape is too short");
    for (const char c : digits) {
      if (!text::IsHex(c)) return Fail("a \\u escape needs four hexadecimal digits");
      *out = *out * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    position_ += 4;
    return true;
  }

  std::string_view text_;
  DataTree* tree_;
  size_t position_ = 0;
  uint32_t line_ = 1;
  std::string problem_;
};

// Builds the tree from yaml-cpp's events. Once a bound is passed it only counts brackets; the reader then refuses.
class YamlBuilder final : public YAML::EventHandler {
 public:
  explicit YamlBuilder(DataTree* tree) : tree_(tree) {}

  bool too_large() const { return too_large_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Add(DataValue::Kind::kNull, mark, anchor, {}); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp marks quoted scalars with the tag "!".
    Add(tag == "!" ? DataValue::Kind::kString : DataValue::Kind::kScalar, mark, anchor, value);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const bool known = anchor < anchors_.size() && anchors_[anchor].set;
    if (known && !IsOpen(anchors_[anchor].node)) {
      Place(anchors_[anchor].node, known ? tree_->nodes_[anchors_[anchor].node].text : std::string());
    } else {
      Add(DataValue::Kind::kNull, mark, 0, {});
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(DataValue::Kind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(DataValue::Kind::kMap, mark, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Anchor {
    bool set = false;
    uint32_t node = 0;
  };
  struct Level {
    uint32_t node = 0;
    bool has_key = false;
    std::string key;
  };

  bool IsOpen(uint32_t node) const {
    for (const Level& level : open_) {
      if (level.node == node) return true;
    }
    return false;
  }

  uint32_t Add(DataValue::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& text) {
    if (tree_->nodes_.size() >= kMaxYamlNodes || skipped_levels_ > 0) {
      too_large_ = true;
      return 0;
    }
    const auto index = static_cast<uint32_t>(tree_->nodes_.size());
    tree_->nodes_.push_back({kind, static_cast<uint32_t>(mark.line + 1), text, {}, {}});
    if (anchor != 0 && anchor < kMaxYamlNodes) {
      if (anchor >= anchors_.size()) anchors_.resize(anchor + 1);
      anchors_[anchor] = {true, index};
    }
    Place(index, text);
    return index;
  }

  // Gives the open container its next key or value.
  void Place(uint32_t index, const std::string& text) {
    if (too_large_) return;
    if (open_.empty()) {
      tree_->root_ = index;
      return;
    }
    Level& level = open_.back();
    DataTree::Node& parent = tree_->nodes_[level.node];
    if (parent.kind == DataValue::Kind::kMap && !level.has_key) {
      level.has_key = true;
      level.key = text;
      return;
    }
    if (parent.children.size() >= kMaxYamlNodes) {
      too_large_ = true;
      return;
    }
    parent.children.push_back(index);
    if (parent.kind == DataValue::Kind::kMap) {
      parent.keys.push_back(std::move(level.key));
      level = {level.node, false, {}};
    }
  }

  void Open(DataValue::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (too_large_ || open_.size() >= kMaxYamlDepth) {
      too_large_ = true;
      ++skipped_levels_;
      return;
    }
    const uint32_t index = Add(kind, mark, anchor, {});
    if (too_large_) {
      ++skipped_levels_;
    } else {
      open_.push_back({index, false, {}});
    }
  }

  void Close() {
    if (skipped_levels_ > 0) {
      --skipped_levels_;
    } else if (!open_.empty()) {
      open_.pop_back();
    }
  }

  DataTree* tree_;
  std::vector<Level> open_;
  std::vector<Anchor> anchors_;
  size_t skipped_levels_ = 0;
  bool too_large_ = false;
};

namespace {

std::nullopt_t Refuse(std::string reason, std::string* problem) {
  if (problem != nullptr) *problem = std::move(reason);
  return std::nullopt;
}

// An input stream over bytes that are not copied.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view bytes) {
    char* begin = const_cast<char*>(bytes.data());  // streambuf's get area is never written to
    setg(begin, begin, begin + bytes.size());
  }
};

}  // namespace

std::optional<DataTree> DataTree::ReadJson(std::string_view bytes, std::string* problem) {
  DataTree tree;
  JsonReader reader(WithoutByteOrderMark(bytes), &tree);
  if (bytes.size() > kMaxJsonBytes) return Refuse("more than 32 MiB of JSON", problem);
  if (!reader.Read()) return Refuse(reader.problem(), problem);
  return tree;
}

std::optional<DataTree> DataTree::ReadYaml(std::string_view bytes, std::string* problem) {
  if (bytes.size() > kMaxYamlBytes) return Refuse("more than 512 KiB of YAML", problem);
  DataTree tree;
  YamlBuilder builder(&tree);
  ViewBuffer buffer(bytes);
  std::istream stream(&buffer);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return Refuse("line 1: there is no document", problem);
  } catch (const YAML::Exception& error) {
    return Refuse(text::Cat({"line ", std::to_string(error.mark.line + 1), ": ", error.msg}), problem);
  }
  if (builder.too_large()) return Refuse("more than 50,000 YAML values or 48 levels", problem);
  if (tree.nodes_.empty()) return Refuse("line 1: the document is empty", problem);
  return tree;
}

}  // namespace assay::code_analysis
