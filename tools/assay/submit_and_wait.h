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
  // As the person who called typed it.
  std::string path;
};

// Hands in one submission whose uploads are done, trying again with the same request id while the outcome is unknown.
absl::StatusOr<AcceptedSubmission> Submit(const Connection& connection, const SubmissionInput& input,
                                          const std::string& request_id);

// Follows the submissions until all are terminal, showing what happens, and leaves in each what it became. A broken stream
// is taken up where it ended.
absl::Status WaitForEnd(const Connection& connection, const std::string& candidate,
                        std::vector<AcceptedSubmission>& submissions, ProgressLine& progress);

// How a submission that was waited for ended: "COMPLETED", "FAILED: not an Express application", …
std::string EndInWords(const v1::Submission& submission);

// INVALID_ARGUMENT, named by its path or file, when one of them ended without any result through a fault of its own.
absl::Status RefusedInput(const std::vector<AcceptedSubmission>& submissions);

// UNAVAILABLE when one of them ended without any result and that is no fault of its own: all of it is parked, or it was
// cancelled, expired, or found no room. A part that is parked beside a result is said and no error.
absl::Status LeftUnevaluated(const std::vector<AcceptedSubmission>& submissions);

// Streams updates to `on_update` until the server ends the stream, taking it up again when it breaks.
absl::Status Watch(const Connection& connection, v1::WatchSubmissionsRequest request,
                   const std::function<void(const v1::SubmissionUpdate&)>& on_update);

}  // namespace assay::cli
