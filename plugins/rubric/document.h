// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "assay/json.hpp"
#include "assay/plugin.hpp"
#include "plugins/rubric/json_lines.h"

namespace rubric {

// A field of a message in protojson, under its proto name ("held_at") or its JSON name ("heldAt").
const assay::sdk::Json& Field(const assay::sdk::Json& message, std::string_view proto_name);

// The submitted document with the places its parts came from.
class Document {
 public:
  // Reads "submission.json". A document that is no JSON object is the submission's fault.
  static assay::sdk::Result<Document> Read(assay::sdk::Evaluation& evaluation);

  const assay::sdk::Json& root() const { return root_; }
  std::string_view kind() const { return root_["kind"].text(); }
  // The person's own file; empty when it is not known.
  const std::string& file() const { return file_; }
  // Line of `field` ("ratings[2].evidence") in that file, of the nearest field around it, or 0.
  uint32_t LineOf(std::string_view field) const;
  // Records the element of an array right below the root as evidence.
  assay::sdk::Result<assay::sdk::Evidence> Cite(assay::sdk::Evaluation& evaluation, const std::string& array,
                                                size_t index) const;

 private:
  assay::sdk::Json root_;
  std::string file_;
  std::map<std::string, uint32_t, std::less<>> lines_;
  std::map<std::string, std::vector<LineRange>> elements_;
};

}  // namespace rubric
