// SPDX-License-Identifier: Apache-2.0
// The evaluator `rubric`: judges what people wrote against the framework. Pure: one document in, the same result out.
#include <string>

#include "assay/plugin.hpp"
#include "plugins/rubric/document.h"
#include "plugins/rubric/judgement.h"
#include "plugins/rubric/rubric_framework.h"
#include "plugins/rubric/words.h"

namespace rubric {
namespace {

using assay::sdk::Evaluation;
using assay::sdk::Result;
using assay::sdk::Status;

Status Judge(const Document& document, Report& report) {
  if (document.kind() == "outcome") return JudgeOutcome(report);
  if (document.kind() == "decision") return JudgeDecision(report);
  if (document.kind() != "scorecard" && document.kind() != "portfolio") {
    return assay::sdk::SubmissionFault("submission.json: kind: found \"" + Cut(document.kind(), 60) +
                                       "\"; allowed: scorecard, portfolio, outcome, decision");
  }
  const Result<RubricFramework> framework = RubricFramework::Read(report.evaluation());
  if (!framework.ok()) return framework.status();
  return document.kind() == "scorecard" ? JudgeScorecard(*framework, report) : JudgePortfolio(*framework, report);
}

}  // namespace

class Rubric final : public assay::sdk::Evaluator {
 public:
  static constexpr assay::sdk::Identity kIdentity = {"rubric", "1.0.0", "rubric", ASSAY_DETERMINISM_BITWISE,
                                                     ASSAY_FLAG_REUSABLE};

  Status Evaluate(Evaluation& evaluation) override {
    const Result<Document> document = Document::Read(evaluation);
    if (!document.ok()) return document.status();
    Report report(evaluation, *document);
    const Status status = Judge(*document, report);
    return status.ok() ? report.Finish() : status;
  }
};

}  // namespace rubric

ASSAY_PLUGIN(rubric::Rubric)
