// SPDX-License-Identifier: Apache-2.0
// The same content again: what a pure evaluator found for a candidate holds for every later submission that asks the
// same, so it is taken over where the submission is applied, and nothing is dispatched.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/aggregator/shard_step.h"
#include "services/common/base/digest.h"

namespace assay::aggregator {
namespace {

using storage::v1::EvaluationRow;
using v1::Evaluation;

// Digest of all that a pure result can depend on. The blob too, not its content alone: how an archive was packed is
// remarked upon, and a document is cited by its lines.
std::string QuestionOf(const event::v1::SubmissionAccepted& accepted, const EvaluationRow& evaluation,
                       const std::vector<std::string>& prior_results) {
  return Digest::Of(absl::StrJoin({accepted.digest(), accepted.blob_digest(), accepted.base_blob_digest(),
                                   accepted.task_blob_digest(), accepted.framework_digest(), accepted.rater_key(),
                                   accepted.rater_role(), accepted.source_key(),
                                   absl::StrCat(accepted.kind(), accepted.quick() ? " quick" : ""),
                                   evaluation.evaluator(), evaluation.plugin_digest(),
                                   absl::StrJoin(prior_results, " ")},
                                  "\n"))
      .ToHex();
}

// Result documents of what the evaluation needs; nullopt while one of them is missing.
template <typename Subject>
std::optional<std::vector<std::string>> PriorResults(Subject& subject, const EvaluationRow& evaluation) {
  std::vector<std::string> results;
  for (const std::string& need : evaluation.needs()) {
    const EvaluationRow* needed = subject.Newest(need);
    if (needed == nullptr || needed->state() != Evaluation::SUCCEEDED) return std::nullopt;
    results.push_back(absl::StrCat(need, "=", needed->result_digest()));
  }
  std::sort(results.begin(), results.end());
  return results;
}

// The results that count of a submission: by evaluator, what the plugin was and what it found.
template <typename Subject>
std::map<std::string, std::string> Findings(const Subject& subject) {
  std::map<std::string, std::string> findings;
  for (const std::string& id : subject.submission.evaluation_ids()) {
    const EvaluationRow& evaluation = subject.evaluations.at(id);
    if (evaluation.state() != Evaluation::SUCCEEDED) continue;
    findings[evaluation.evaluator()] = absl::StrCat(evaluation.plugin_digest(), " ", evaluation.result_digest());
  }
  return findings;
}

}  // namespace

void ShardStep::OfferResult(Subject& subject, const EvaluationRow& evaluation) {
  const std::optional<std::vector<std::string>> prior = PriorResults(subject, evaluation);
  if (!prior) return;
  rows_.Put(kIndexTable,
            ReuseKey(tenant_, candidate_, QuestionOf(subject.submission.accepted(), evaluation, *prior)),
            absl::StrCat(evaluation.submission_id(), "/", evaluation.id()));
}

absl::StatusOr<bool> ShardStep::TakeOver(Subject& subject, EvaluationRow& evaluation) {
  const std::optional<std::vector<std::string>> prior = PriorResults(subject, evaluation);
  if (!prior) return false;
  const std::string question = QuestionOf(subject.submission.accepted(), evaluation, *prior);
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> source,
                         rows_.Get(kIndexTable, ReuseKey(tenant_, candidate_, question)));
  if (!source) return false;
  const std::string source_key = absl::StrCat(Key(tenant_, candidate_), "/", *source);
  ASSAY_ASSIGN_OR_RETURN(const std::optional<EvaluationRow> earlier,
                         rows_.Find<EvaluationRow>(kEvaluationTable, source_key));
  ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::ResultRow> result,
                         rows_.Find<storage::v1::ResultRow>(kResultTable, source_key));
  if (!earlier || earlier->state() != Evaluation::SUCCEEDED || !result) return false;
  result->set_offset(offset_);
  rows_.Put(kResultTable, Key(tenant_, candidate_, evaluation.submission_id(), evaluation.id()), *result);
  meta_.mutable_counters()->set_results(meta_.counters().results() + 1);
  evaluation.set_result_digest(earlier->result_digest());
  End(Evaluation::SUCCEEDED, absl::StrCat("as in evaluation ", earlier->id(), ": the same content, plugin and framework"),
      evaluation);
  return true;
}

absl::Status ShardStep::TakeOverResults(Subject& subject) {
  // One pass for each evaluation is enough for a chain of needs as long as there are evaluations.
  for (size_t pass = 0; pass < subject.evaluations.size(); ++pass) {
    bool took_one = false;
    for (auto& [id, evaluation] : subject.evaluations) {
      if (evaluation.state() != Evaluation::PENDING) continue;
      ASSAY_ASSIGN_OR_RETURN(const bool took, TakeOver(subject, evaluation));
      took_one |= took;
    }
    if (!took_one) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ShardStep::SaysTheSame(Subject& subject) {
  const SubmissionRow& row = subject.submission;
  // A task counts by what it asks for, not by results.
  if (row.accepted().kind() == v1::Submission::TASK || row.state() != v1::Submission::COMPLETED) return false;
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> speaker,
                         rows_.Get(kIndexTable, SpeaksKey(tenant_, candidate_, row.assessment_key(),
                                                          row.accepted().kind(), row.accepted().source_key())));
  if (!speaker) return false;
  ASSAY_ASSIGN_OR_RETURN(const std::optional<Subject> before, Load(*speaker));
  return before && Findings(*before) == Findings(subject);
}

}  // namespace assay::aggregator
