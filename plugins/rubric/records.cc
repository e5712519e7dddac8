// SPDX-License-Identifier: Apache-2.0
// Outcomes and decisions: kept for the validity of the signal and for the record. Neither is ever scored.
#include <string>

#include "plugins/rubric/judgement.h"
#include "plugins/rubric/words.h"

namespace rubric {
namespace {

using assay::sdk::Json;
using assay::sdk::Ok;
using assay::sdk::Severity;
using assay::sdk::Status;

constexpr size_t kFewWords = 4;

}  // namespace

Status JudgeOutcome(Report& report) {
  const Json& rating = Field(report.document().root(), "manager_rating");
  if (!rating.is_null() && DistinctWords(rating["evidence"].text()) < kFewWords) {
    return report.Add(Remark{"O1", Severity::kWarning, "", "manager_rating.evidence",
                             "the evidence is too short to compare with the signal later",
                             "Write what was seen in the period, in a sentence another person could check."});
  }
  return Ok();
}

Status JudgeDecision(Report& report) {
  const Json& reasons = report.document().root()["reasons"];
  for (size_t i = 0; i < reasons.size(); ++i) {
    if (DistinctWords(reasons[i].text()) >= kFewWords) continue;
    const Status status = report.Add(Remark{
        "D1", Severity::kNote, "", "reasons[" + std::to_string(i) + "]", "a reason of hardly a word",
        "A reason names what was weighed: which gate, which evidence. It is what the person affected may ask for."});
    if (!status.ok()) return status;
  }
  return Ok();
}

}  // namespace rubric
