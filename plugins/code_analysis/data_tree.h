// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::code_analysis {

class DataTree;

// A place in a DataTree, or nothing. Looking for what is not there gives nothing again, so a chain of lookups needs one
// test at its end. Valid while its tree lives; cheap to copy.
class DataValue {
 public:
  enum class Kind { kMissing, kNull, kScalar, kString, kList, kMap };

  DataValue() = default;

  Kind kind() const;
  explicit operator bool() const { return kind() != Kind::kMissing; }
  bool is_map() const { return kind() == Kind::kMap; }
  bool is_list() const { return kind() == Kind::kList; }
  // A quoted string, or a plain scalar such as 12 or true.
  bool is_text() const { return kind() == Kind::kScalar || kind() == Kind::kString; }

  // The member of a map; for YAML also members merged in by "<<".
  DataValue operator[](std::string_view key) const;
  // Members of a map or elements of a list.
  size_t size() const;
  DataValue at(size_t index) const;
  std::string_view key(size_t index) const;

  // The scalar's text, decoded; empty for anything else.
  std::string_view text() const;
  std::optional<double> number() const;
  // Whether it is the scalar true (YAML also: yes, on).
  bool IsTrue() const;
  // From 1; 0 for nothing.
  uint32_t line() const;

 private:
  friend class DataTree;
  DataValue(const DataTree* tree, uint32_t index) : tree_(tree), index_(index) {}

  const DataTree* tree_ = nullptr;
  uint32_t index_ = 0;
};

// A JSON or YAML document as a tree with the line of every value. Immutable once read.
class DataTree {
 public:
  // JSON with what configuration files allow beside it: comments, trailing commas, a byte order mark. At most 32 MiB,
  // 64 levels and 1,000,000 values.
  // Nothing when it is not such a document; then `problem` (which may be null) says where and why.
  static std::optional<DataTree> ReadJson(std::string_view bytes, std::string* problem = nullptr);
  // The first document of a YAML file. At most 512 KiB, 48 levels and 50,000 values. An alias shares the value of its
  // anchor, so nothing is multiplied; an alias inside its own anchor is null.
  static std::optional<DataTree> ReadYaml(std::string_view bytes, std::string* problem = nullptr);

  DataTree(DataTree&&) noexcept = default;
  DataTree& operator=(DataTree&&) noexcept = default;

  // Valid while the tree stays where it is.
  DataValue root() const { return {this, root_}; }

 private:
  friend class DataValue;
  friend class JsonReader;
  friend class YamlBuilder;

  struct Node {
    DataValue::Kind kind = DataValue::Kind::kNull;
    uint32_t line = 0;
    std::string text;
    std::vector<uint32_t> children;
    std::vector<std::string> keys;  // of a map, parallel to children
  };

  DataTree() = default;

  std::vector<Node> nodes_;
  uint32_t root_ = 0;
};

}  // namespace assay::code_analysis
