// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/counted_evidence.h"

#include <map>
#include <utility>

#include "services/aggregator/keys.h"

namespace assay::aggregator {
namespace {

using storage::v1::EvaluationRow;
using storage::v1::ResultRow;
using storage::v1::SubmissionRow;

absl::Status AddSpeaker(const RowReader& rows, absl::string_view tenant, absl::string_view candidate_key,
                        const SubmissionRow& submission, CountedEvidence& evidence) {
  const std::string& submission_id = submission.accepted().submission_id();
  if (submission.accepted().kind() == v1::Submission::TASK) {
    const auto& asked = submission.accepted().asked_behaviours();
    evidence.asked_behaviours.assign(asked.begin(), asked.end());
  }
  std::map<std::string, EvaluationRow> newest;
  for (const std::string& id : submission.evaluation_ids()) {
    ASSAY_ASSIGN_OR_RETURN(std::optional<EvaluationRow> row,
                           rows.Find<EvaluationRow>(kEvaluationTable, Key(tenant, candidate_key, submission_id, id)));
    if (row && row->state() == v1::Evaluation::SUCCEEDED) newest[row->evaluator()] = *std::move(row);
  }
  for (auto& [evaluator, row] : newest) {
    ASSAY_ASSIGN_OR_RETURN(
        std::optional<ResultRow> result,
        rows.Find<ResultRow>(kResultTable, Key(tenant, candidate_key, submission_id, row.id())));
    if (!result) return absl::DataLossError(absl::StrCat("evaluation ", row.id(), " has no result row"));
    evidence.evaluations.push_back({submission, std::move(row), *std::move(result)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CountedEvidence> CollectEvidence(const RowReader& rows, absl::string_view tenant,
                                                absl::string_view candidate_key, absl::string_view assessment_key,
                                                const storage::v1::AssessmentRow& assessment) {
  CountedEvidence evidence;
  evidence.profile = assessment.purpose();
  const std::string prefix = SpeaksPrefix(tenant, candidate_key, assessment_key);
  std::string from;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows.Scan(kIndexTable, prefix, from, kPage));
    for (const store::Row& row : page) {
      ASSAY_ASSIGN_OR_RETURN(std::optional<SubmissionRow> submission,
                             rows.Find<SubmissionRow>(kSubmissionTable, Key(tenant, candidate_key, row.value)));
      if (!submission) return absl::DataLossError(absl::StrCat("index row ", row.key, " names no submission"));
      ASSAY_RETURN_IF_ERROR(AddSpeaker(rows, tenant, candidate_key, *submission, evidence));
    }
    if (page.size() < kPage) return evidence;
    from = page.back().key + '\0';
  }
}

}  // namespace assay::aggregator
