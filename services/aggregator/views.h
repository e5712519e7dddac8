// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "assay/shard/v1/shard.pb.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "assay/v1/submission.pb.h"

namespace assay::aggregator {

// What the API says of stored rows. Pure.

v1::Evaluation ViewOf(const storage::v1::EvaluationRow& row);
// Without what is personal.
v1::Submission ClearViewOf(const storage::v1::SubmissionRow& row,
                           const std::vector<const storage::v1::EvaluationRow*>& evaluations);
// Adds what people said and are called, if it is still there: names, labels, why it was withdrawn.
void AddPersonal(const storage::v1::SubmissionRow& row, v1::Submission& submission);

shard::v1::AssessmentEntry AssessmentViewOf(const storage::v1::AssessmentRow& row, absl::string_view assessment_key);

bool IsTerminal(v1::Submission::State state);

}  // namespace assay::aggregator
