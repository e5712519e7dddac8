// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace assay::rpc {

// One wrong field of a request.
struct FieldViolation {
  // Path from the request, for example "submission.scorecard.ratings[2].rating".
  std::string field;
  // What was found and what is allowed.
  std::string description;
};

// INVALID_ARGUMENT that lists every violation (google.rpc.BadRequest); the message names the first. `violations` must
// not be empty.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);

// The same status with a google.rpc.RetryInfo: when to try again.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// The delay a status asks for; zero when it asks for none.
absl::Duration RetryDelay(const absl::Status& status);

// The same status with a google.rpc.ErrorInfo; `reason` is UPPER_SNAKE_CASE.
absl::Status WithReason(absl::Status status, absl::string_view reason);

// Codes map one to one; payloads travel as details of a google.rpc.Status, so that what goes in on one side comes out on
// the other. A detail that is not well-formed is dropped.
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace assay::rpc
