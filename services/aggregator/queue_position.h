// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/status.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "assay/v1/submission.pb.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// Sets queue_position and, when the lane's pace is known, expected_wait of a submission that is QUEUED, for the first
// of its evaluations in turn. Counts what DispatchPlan would hand out before it if every other tenant's turn came
// first. Exact for up to a thousand rows of the tenant's own and a thousand tenants; the rest is estimated from the
// accounts of the lane, so the cost does not grow with what waits. Nothing is set when none of its evaluations waits.
absl::Status AddQueuePosition(const RowReader& rows, const storage::v1::SubmissionRow& submission,
                              v1::Submission& view);

}  // namespace assay::aggregator
