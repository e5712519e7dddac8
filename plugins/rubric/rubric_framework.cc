// SPDX-License-Identifier: Apache-2.0
#include "plugins/rubric/rubric_framework.h"

#include <algorithm>
#include <optional>

#include "assay/json.hpp"
#include "plugins/rubric/document.h"

namespace rubric {

using assay::sdk::Json;
using assay::sdk::PluginFault;
using assay::sdk::Result;

namespace {

template <typename Map>
const typename Map::mapped_type* Lookup(const Map& map, std::string_view key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

double Within(double value, double low, double high) { return value >= low ? std::min(value, high) : low; }

}  // namespace

Result<RubricFramework> RubricFramework::Read(assay::sdk::Evaluation& evaluation) {
  const assay::sdk::Input* input = evaluation.Document("framework.json");
  if (input == nullptr) return PluginFault("the platform gave no framework.json");
  const Result<std::string_view> bytes = evaluation.Bytes(*input);
  if (!bytes.ok()) return bytes.status();
  std::string error;
  const std::optional<Json> root = Json::Parse(*bytes, &error);
  if (!root.has_value()) return PluginFault("framework.json: " + error);

  RubricFramework framework;
  for (const Json& area : (*root)["areas"].items()) {
    for (const Json& competency : area["competencies"].items()) {
      Competency& known = framework.competencies_[competency["id"].text()];
      known.name = competency["name"].text();
      for (const Json& anchor : competency["anchors"].items()) known.anchors.push_back(anchor["text"].text());
      for (const Json& behaviour : competency["behaviours"].items()) {
        framework.behaviours_[behaviour["id"].text()] = {behaviour["text"].text(), competency["id"].text()};
      }
    }
  }
  if (framework.competencies_.empty()) return PluginFault("framework.json: it names no competency");
  const Json& model = (*root)["model"];
  framework.rating_variance_ = Within(Field(model, "rating_variance").number(0.25), 0.01, 4);
  for (const auto& [name, value] : Field(model, "mark_values").members()) {
    framework.marks_[name] = {Within(value["value"].number(), 0, 1),
                              Within(Field(value, "standard_error").number(), 0, 0.5)};
  }
  return framework;
}

const RubricFramework::Competency* RubricFramework::FindCompetency(std::string_view id) const {
  return Lookup(competencies_, id);
}
const RubricFramework::Behaviour* RubricFramework::FindBehaviour(std::string_view id) const {
  return Lookup(behaviours_, id);
}
const RubricFramework::Mark* RubricFramework::FindMark(std::string_view observed) const {
  return Lookup(marks_, observed);
}

}  // namespace rubric
