// SPDX-License-Identifier: Apache-2.0
// One error, three shapes: absl::Status with payloads inside, grpc::Status with details on the wire, and
// google.rpc.Status in JSON. Payloads are the messages of google/rpc/error_details.proto, keyed by their type URL.
#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"

namespace assay::rpc {

// One wrong field of a request.
struct FieldViolation {
  // Path from the request, for example `scorecard.ratings[2].rating`.
  std::string field;
  // What was found and what is allowed.
  std::string description;
};

// INVALID_ARGUMENT that lists every wrong field and names the first; OK when there is none.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);
// `status` with "try again after `delay`"; OK stays OK.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);
// `status` with a reason for programs: UPPER_SNAKE_CASE; OK stays OK.
absl::Status WithReason(absl::Status status, absl::string_view reason,
                        const std::map<std::string, std::string>& metadata = {});

// Reasons of RESOURCE_EXHAUSTED that the same call meets again, however long it waits: what was sent is over a limit; the
// disk or the quota is full until somebody makes room.
inline constexpr char kTooLarge[] = "TOO_LARGE";
inline constexpr char kNoRoom[] = "NO_ROOM";

std::vector<FieldViolation> FieldViolationsOf(const absl::Status& status);
// Zero: none.
absl::Duration RetryDelay(const absl::Status& status);
// Empty: none.
std::string ReasonOf(const absl::Status& status);
// What the reason's metadata say under `key`; empty: nothing.
std::string ReasonMetadataOf(const absl::Status& status, const std::string& key);

// Details that would not fit into the headers of an answer (4 KiB) are left out, violations from the end.
grpc::Status ToGrpcStatus(const absl::Status& status);
// The same for the answer of a call: UNAVAILABLE and RESOURCE_EXHAUSTED say when to come back, if they do not already
// and if coming back can help (see the reasons above).
grpc::Status ToAnswer(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);
google::rpc::Status ToRpcStatus(const absl::Status& status);
absl::Status FromRpcStatus(const google::rpc::Status& status);

}  // namespace assay::rpc
