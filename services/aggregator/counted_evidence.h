// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/aggregator/domain.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// Collects what counts for one assessment: of each (kind, source) the submission that speaks, of each evaluator on it the
// newest evaluation that succeeded.
absl::StatusOr<CountedEvidence> CollectEvidence(const RowReader& rows, absl::string_view tenant,
                                                absl::string_view candidate_key, absl::string_view assessment_key,
                                                const storage::v1::AssessmentRow& assessment);

}  // namespace assay::aggregator
