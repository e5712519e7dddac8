// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/event/v1/event.pb.h"
#include "assay/event/v1/work.pb.h"
#include "services/common/blob/blob_store.h"
#include "services/plugin_host/evaluation_runner.h"

namespace assay::evaluator {

// Makes a result durable: the result document (event.v1.ResultDocument with an assay.v1.EvaluationReport that holds this
// evaluation's part) with evidence and artifacts in it as one blob of the candidate, and returns what the journal
// carries: at most 512 observations and 128 claims with at most 4 digests each, and the document's digest.
// `remarks` (about the archive) become notes of the report. Blocks; errors are the blob store's.
absl::StatusOr<event::v1::EvaluationFinished> WriteResult(blob::BlobStore& blobs, const event::v1::Work& work,
                                                          const plugin_host::EvaluationResult& result,
                                                          const std::vector<std::string>& remarks);

// Reads what WriteResult left of an evaluator that another one depends on: claims and artifacts.
absl::StatusOr<plugin_host::PriorResult> ReadPriorResult(blob::BlobStore& blobs, const blob::Owner& owner,
                                                         const std::string& evaluator, const std::string& digest);

}  // namespace assay::evaluator
