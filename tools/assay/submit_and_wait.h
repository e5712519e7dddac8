// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "assay/v1/submission_service.pb.h"
#include "tools/assay/connection.h"
#include "tools/assay/output.h"
#include "tools/assay/submission_input.h"

namespace assay::cli {

struct AcceptedSubmission {
  std::string id;
  std::string read_token;
  v1::Submission submission;
};

// Hands in one submission whose uploads are done, trying again with the same request id while the outcome is unknown.
absl::StatusOr<AcceptedSubmission> Submit(const Connection& connection, const SubmissionInput& input,
                                          const std::string& request_id);

// Follows the submissions until all are terminal, showing what happens, and leaves in each what it became. A broken stream
// is taken up where it ended.
absl::Status WaitForEnd(const Connection& connection, const std::string& candidate,
                        std::vector<AcceptedSubmission>& submissions, ProgressLine& progress);

// Streams updates to `on_update` until the server ends the stream, taking it up again when it breaks.
absl::Status Watch(const Connection& connection, v1::WatchSubmissionsRequest request,
                   const std::function<void(const v1::SubmissionUpdate&)>& on_update);

}  // namespace assay::cli
