// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace google::protobuf {
class Message;
}

namespace assay {

// Bounds of every document; what is larger is refused.
inline constexpr size_t kMaxDocumentBytes = 1 << 20;
inline constexpr size_t kMaxDocumentDepth = 64;
// Values visited, those behind an alias once for each use.
inline constexpr size_t kMaxDocumentNodes = 100000;
inline constexpr size_t kMaxDocumentErrors = 20;

// Where each value of a document stood.
class LineIndex {
 public:
  static constexpr size_t kMaxEntries = 4096;

  void Add(std::string field, uint32_t line);
  // The line, from 1, of `field` ("ratings[2].evidence"), or of the nearest value around it; 0 when nothing is known.
  uint32_t LineOf(absl::string_view field) const;
  // In document order; the first kMaxEntries.
  const std::vector<std::pair<std::string, uint32_t>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, uint32_t>> entries_;
};

struct DocumentError {
  // From 1; 0: the document as a whole.
  uint32_t line = 0;
  // Empty: the document as a whole.
  std::string field;
  // What was found and what is allowed.
  std::string what;
};

struct DocumentOptions {
  // Fields of the outermost message that programs fill in; as keys they count as unknown.
  std::vector<std::string> hidden_fields;
  // Filled when not null, whether or not the document is good.
  LineIndex* lines = nullptr;
  std::vector<DocumentError>* errors = nullptr;
};

// Reads a YAML or JSON document that a person wrote into `out`, which is cleared first and holds nothing useful after
// an error. Keys are field names as in the proto. Refused by name and line: unknown keys, keys given twice, values of
// the wrong type or out of range, empty values, enum names that do not exist, more than one member of a oneof.
//
// Numbers and booleans must be plain; a string field takes any plain or quoted YAML scalar as it is written, and in
// JSON only a string. Timestamps are RFC 3339 with a zone, durations are like "1.5s" or "10m", bytes are base64.
// A file named *.json must be JSON; elsewhere both are read. Any bytes are safe to pass.
//
// INVALID_ARGUMENT: "<file>:<line>: <field>: <what>", one line for each error, at most kMaxDocumentErrors.
// RESOURCE_EXHAUSTED: over one of the bounds above.
absl::Status ParseDocument(absl::string_view text, absl::string_view file_name, google::protobuf::Message* out,
                           const DocumentOptions& options = {});

// The text of the outermost key `kind`, which says what a document is. INVALID_ARGUMENT: not a document, or without it.
absl::StatusOr<std::string> DocumentKind(absl::string_view text, absl::string_view file_name);

}  // namespace assay
