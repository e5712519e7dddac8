// SPDX-License-Identifier: Apache-2.0
// What YAML and JSON have in common. Internal to document.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/common/base/document.h"

namespace assay {

// How much of a key an error shows.
inline constexpr size_t kMaxShownKeyBytes = 60;

struct DocumentNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  struct Entry {
    std::string key;
    uint32_t line = 0;
    size_t value = 0;
  };
  Kind kind = Kind::kNull;
  uint32_t line = 0;
  // Of scalars: written in quotes; and whether an unquoted one may still be a string, as in YAML.
  bool quoted = false;
  bool may_be_string = false;
  std::string text;
  std::vector<size_t> items;
  std::vector<Entry> entries;
};

// Nodes refer to each other by index; aliases make it a graph without cycles.
struct DocumentTree {
  std::vector<DocumentNode> nodes;
  size_t root = 0;
  bool has_root = false;
};

// Both report syntax errors, keys given twice and broken bounds through `errors`, and stop at the first syntax error.
// Every node they make lies at most kMaxDocumentDepth deep, and there are at most kMaxDocumentNodes.
void ParseYaml(absl::string_view text, DocumentTree& tree, std::vector<DocumentError>& errors);
void ParseJson(absl::string_view text, DocumentTree& tree, std::vector<DocumentError>& errors);

}  // namespace assay
