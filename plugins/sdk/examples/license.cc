// SPDX-License-Identifier: Apache-2.0
//
// A whole evaluator in C++: is there a licence file, and does package.json name one? Shows inputs, spans, an
// observation with evidence and one without, a claim, a finding and an artifact.
#include <string>
#include <string_view>

#include "assay/json.hpp"
#include "assay/plugin.hpp"

namespace {

namespace sdk = assay::sdk;

class License final : public sdk::Evaluator {
 public:
  static constexpr sdk::Identity kIdentity = {"example_license", "1.0.0", "example", ASSAY_DETERMINISM_BITWISE,
                                              ASSAY_FLAG_REUSABLE};

  sdk::Status Evaluate(sdk::Evaluation& evaluation) override {
    evaluation.Progress("reading package.json");
    const sdk::Input* package = evaluation.File("package.json");
    if (package == nullptr) return sdk::SubmissionFault("package.json: not there, so this is no npm package");
    const auto bytes = evaluation.Bytes(*package);
    if (!bytes.ok()) return bytes.status();
    std::string error;
    const auto json = sdk::Json::Parse(*bytes, &error);
    if (!json) return sdk::SubmissionFault("package.json: " + error);
    const std::string named = (*json)["license"].text();
    const auto span = evaluation.Span(*package, 1, 1);
    if (!span.ok()) return span.status();
    sdk::Status status = named.empty() ? Unnamed(evaluation, *span) : Named(evaluation, named, *span);
    return status.ok() ? FullText(evaluation) : status;
  }

 private:
  static sdk::Status Named(sdk::Evaluation& evaluation, const std::string& named, sdk::Evidence span) {
    sdk::Claim claim;
    claim.id = claim.criterion = "documents.license";
    claim.statement = "published under " + named;
    claim.path = "package.json";
    claim.line = 1;
    claim.evidence = span;
    return evaluation.AddClaim(claim);
  }

  static sdk::Status Unnamed(sdk::Evaluation& evaluation, sdk::Evidence span) {
    sdk::Finding finding;
    finding.check = "EX1";
    finding.criterion = "documents.license";
    finding.message = "package.json names no licence.";
    finding.help = "Add a \"license\" member, so that users know what they may do.";
    finding.path = "package.json";
    finding.line = finding.end_line = 1;
    finding.severity = sdk::Severity::kNote;
    finding.evidence = span;
    return evaluation.AddFinding(finding);
  }

  static sdk::Status FullText(sdk::Evaluation& evaluation) {
    sdk::Observation observation;
    observation.criterion = "documents.license";
    observation.method = sdk::Method::kDocument;
    const sdk::Input* text = evaluation.File("LICENSE");
    if (text == nullptr) {
      observation.state = sdk::State::kNotObservedYet;
      observation.rationale = "no file LICENSE";
      return evaluation.Observe(observation);
    }
    const auto artifact =
        evaluation.PutArtifact("license.json", "application/json", "{\"file\": " + sdk::QuoteJson(text->path) + "}");
    if (!artifact.ok()) return artifact.status();
    observation.value = 1;
    observation.standard_error = 0.2;
    observation.evidence = {text->evidence, *artifact};
    observation.rationale = "the licence's full text is part of the submission";
    return evaluation.Observe(observation);
  }
};

}  // namespace

ASSAY_PLUGIN(License)
