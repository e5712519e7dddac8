// SPDX-License-Identifier: Apache-2.0
#include "plugins/rubric/document.h"

#include <optional>
#include <utility>

#include "plugins/rubric/words.h"

namespace rubric {

using assay::sdk::Evaluation;
using assay::sdk::Evidence;
using assay::sdk::Json;
using assay::sdk::Result;

const Json& Field(const Json& message, std::string_view proto_name) {
  if (message.has(proto_name) || proto_name.find('_') == std::string_view::npos) return message[proto_name];
  std::string json_name;
  bool raise = false;
  for (const char c : proto_name) {
    if (c == '_') {
      raise = true;
    } else {
      json_name += raise && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      raise = false;
    }
  }
  return message[json_name];
}

Result<Document> Document::Read(Evaluation& evaluation) {
  const assay::sdk::Input* input = evaluation.Document("submission.json");
  if (input == nullptr) return assay::sdk::PluginFault("the platform gave no submission.json");
  const Result<std::string_view> bytes = evaluation.Bytes(*input);
  if (!bytes.ok()) return bytes.status();
  std::string error;
  std::optional<Json> root = Json::Parse(*bytes, &error);
  if (!root.has_value()) return assay::sdk::SubmissionFault("submission.json: " + error);
  if (root->kind() != Json::Kind::kObject) return assay::sdk::SubmissionFault("submission.json: no JSON object");
  Document document;
  document.root_ = *std::move(root);
  document.elements_ = ElementLines(*bytes);
  const Json& source = document.root_["source"];
  document.file_ = Cut(source["file"].text(), 255);
  for (const Json& entry : source["entries"].items()) {
    const double line = entry["line"].number();
    if (line >= 1 && line <= 1e9) document.lines_.emplace(entry["field"].text(), static_cast<uint32_t>(line));
  }
  return document;
}

uint32_t Document::LineOf(std::string_view field) const {
  while (!field.empty()) {
    if (const auto found = lines_.find(field); found != lines_.end()) return found->second;
    const size_t cut = field.find_last_of(".[");
    field = cut == std::string_view::npos ? std::string_view() : field.substr(0, cut);
  }
  return 0;
}

Result<Evidence> Document::Cite(Evaluation& evaluation, const std::string& array, size_t index) const {
  const assay::sdk::Input* input = evaluation.Document("submission.json");
  if (input == nullptr) return assay::sdk::PluginFault("the platform gave no submission.json");
  const auto found = elements_.find(array);
  if (found == elements_.end() || index >= found->second.size()) return input->evidence;
  return evaluation.Span(*input, found->second[index].first, found->second[index].last);
}

}  // namespace rubric
