// SPDX-License-Identifier: Apache-2.0
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <optional>
#include <set>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/document_tree.h"

namespace assay {
namespace {

uint32_t LineOf(const YAML::Mark& mark) { return mark.line < 0 ? 0 : static_cast<uint32_t>(mark.line) + 1; }

// Builds the tree from the parser's events. Once something is over a bound it ignores the rest: the parser has no way
// to be stopped, and its input is bounded.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(DocumentTree& tree, std::vector<DocumentError>& errors) : tree_(tree), errors_(errors) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    AddLeaf(mark, anchor, DocumentNode{DocumentNode::Kind::kNull, LineOf(mark)});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    DocumentNode node{DocumentNode::Kind::kScalar, LineOf(mark)};
    // The parser tags what was in quotes "!".
    node.quoted = tag == "!";
    node.may_be_string = true;
    node.text = value;
    AddLeaf(mark, anchor, std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (stopped_) return;
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) return Stop(mark, "an alias inside its own anchor is not allowed");
    Attach(mark, it->second);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Begin(mark, tag, anchor, DocumentNode::Kind::kSequence);
  }
  void OnSequenceEnd() override { End(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Begin(mark, tag, anchor, DocumentNode::Kind::kMap);
  }
  void OnMapEnd() override { End(); }

 private:
  struct Open {
    size_t node = 0;
    YAML::anchor_t anchor = 0;
    std::optional<DocumentNode::Entry> key;
    std::set<std::string> keys;
  };

  void Stop(const YAML::Mark& mark, std::string what) {
    if (!stopped_) errors_.push_back({LineOf(mark), "", std::move(what)});
    stopped_ = true;
  }

  void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") Stop(mark, absl::StrCat("the tag ", tag, " is not allowed"));
  }

  std::optional<size_t> NewNode(const YAML::Mark& mark, DocumentNode node) {
    if (stopped_) return std::nullopt;
    if (tree_.nodes.size() >= kMaxDocumentNodes) {
      Stop(mark, absl::StrCat("more than ", kMaxDocumentNodes, " values"));
      return std::nullopt;
    }
    tree_.nodes.push_back(std::move(node));
    return tree_.nodes.size() - 1;
  }

  void AddLeaf(const YAML::Mark& mark, YAML::anchor_t anchor, DocumentNode node) {
    const std::optional<size_t> added = NewNode(mark, std::move(node));
    if (!added.has_value()) return;
    if (anchor != 0) anchors_[anchor] = *added;
    Attach(mark, *added);
  }

  void Begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, DocumentNode::Kind kind) {
    CheckTag(mark, tag);
    if (open_.size() >= kMaxDocumentDepth) {
      Stop(mark, absl::StrCat("nested deeper than ", kMaxDocumentDepth, " levels"));
    }
    if (!stopped_ && !open_.empty() && ExpectsKey()) Stop(mark, "a key must be plain text");
    const std::optional<size_t> added = NewNode(mark, DocumentNode{kind, LineOf(mark)});
    if (added.has_value()) open_.push_back({*added, anchor, std::nullopt, {}});
  }

  void End() {
    if (stopped_) return;
    const Open closed = std::move(open_.back());
    open_.pop_back();
    // Only now: an alias to an unfinished node would be a cycle.
    if (closed.anchor != 0) anchors_[closed.anchor] = closed.node;
    Attach({}, closed.node);
  }

  bool ExpectsKey() const {
    return tree_.nodes[open_.back().node].kind == DocumentNode::Kind::kMap && !open_.back().key.has_value();
  }

  void Attach(const YAML::Mark& mark, size_t node) {
    if (stopped_) return;
    if (open_.empty()) {
      tree_.root = node;
      tree_.has_root = true;
      return;
    }
    Open& parent = open_.back();
    if (tree_.nodes[parent.node].kind == DocumentNode::Kind::kSequence) {
      tree_.nodes[parent.node].items.push_back(node);
    } else if (!parent.key.has_value()) {
      AddKey(mark, parent, node);
    } else {
      parent.key->value = node;
      tree_.nodes[parent.node].entries.push_back(*std::move(parent.key));
      parent.key.reset();
    }
  }

  void AddKey(const YAML::Mark& mark, Open& parent, size_t node) {
    const DocumentNode& key = tree_.nodes[node];
    if (key.kind != DocumentNode::Kind::kScalar) return Stop(mark, "a key must be plain text");
    if (!parent.keys.insert(key.text).second) {
      errors_.push_back({LineOf(mark), key.text.substr(0, kMaxShownKeyBytes), "the key is given twice"});
      if (errors_.size() >= kMaxDocumentErrors) stopped_ = true;
    }
    parent.key = DocumentNode::Entry{key.text, LineOf(mark), 0};
  }

  DocumentTree& tree_;
  std::vector<DocumentError>& errors_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, size_t> anchors_;
  bool stopped_ = false;
};

}  // namespace

void ParseYaml(absl::string_view text, DocumentTree& tree, std::vector<DocumentError>& errors) {
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(tree, errors);
    parser.HandleNextDocument(builder);
    DocumentTree second;
    TreeBuilder second_builder(second, errors);
    if (errors.empty() && parser.HandleNextDocument(second_builder)) {
      errors.push_back({0, "", "holds more than one document"});
    }
  } catch (const YAML::Exception& exception) {
    errors.push_back({LineOf(exception.mark), "", exception.msg});
  } catch (const std::exception& exception) {
    errors.push_back({0, "", exception.what()});
  }
}

}  // namespace assay
