// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "assay/json.hpp"
#include "assay/plugin.hpp"
#include "plugins/load_test/scenarios.h"

namespace assay::load_test {
namespace {

constexpr std::string_view kAnalysis = "code_analysis";
constexpr size_t kMaxReadmeBytes = 1 << 20;

std::string_view BytesOf(sdk::Evaluation& evaluation, const sdk::Input* input) {
  if (input == nullptr) return "";
  const auto bytes = evaluation.Bytes(*input);
  return bytes.ok() ? *bytes : std::string_view();
}

sdk::Json JsonOf(sdk::Evaluation& evaluation, const sdk::Input* input) {
  auto json = sdk::Json::Parse(BytesOf(evaluation, input));
  return json ? *std::move(json) : sdk::Json();
}

Facts GatherFacts(sdk::Evaluation& evaluation) {
  Facts facts;
  facts.package = JsonOf(evaluation, evaluation.File("package.json"));
  facts.task = JsonOf(evaluation, evaluation.Document("task.json"));
  if (const auto server = evaluation.PriorArtifact(kAnalysis, "server.json"); server.ok()) ReadServerJson(*server, facts);
  if (const auto routes = evaluation.PriorArtifact(kAnalysis, "routes.json"); routes.ok()) ReadRoutesJson(*routes, facts);
  for (const char* name : {".env.example", ".env.sample", "env.example"}) {
    ReadEnvExample(BytesOf(evaluation, evaluation.File(name)), facts);
  }
  for (const char* name : {"README.md", "readme.md", "Readme.md"}) {
    if (facts.readme.empty()) facts.readme = BytesOf(evaluation, evaluation.File(name)).substr(0, kMaxReadmeBytes);
  }
  for (const sdk::PriorClaim& claim : evaluation.PriorClaims()) {
    facts.claims.push_back({std::string(claim.id), std::string(claim.statement), std::string(claim.path), claim.line});
  }
  return facts;
}

}  // namespace

class LoadTest final : public sdk::Evaluator {
 public:
  static constexpr sdk::Identity kIdentity = {"load_test", "1.0.0", "load", ASSAY_DETERMINISM_SAMPLED, 0};

  sdk::Status Evaluate(sdk::Evaluation& evaluation) override {
    const Facts facts = GatherFacts(evaluation);
    const auto parameters = sdk::Json::Parse(evaluation.parameters_json());
    const Profile profile{parameters && (*parameters)["quick"].boolean()};
    Report report(facts);
    const sdk::Status available = evaluation.ExecAvailable();
    if (available.code() == ASSAY_E_STOPPED) return available;
    if (!available.ok()) {
      report.RestNotObservable("not observable here: this platform cannot run submissions: " + available.message());
      return report.Emit(evaluation, "");
    }
    Scenarios scenarios(evaluation, facts, profile);
    const sdk::Status status = scenarios.Run(report);
    return status.ok() ? report.Emit(evaluation, scenarios.entry()) : status;
  }
};

}  // namespace assay::load_test

ASSAY_PLUGIN(assay::load_test::LoadTest)
