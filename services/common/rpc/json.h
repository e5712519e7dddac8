// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace google::protobuf {
class Message;
}

namespace assay::rpc {

// The JSON people and programs see: protojson with field names as in the proto, zero values printed, indented, maps in
// the order of their keys, so that equal messages give equal text. INTERNAL: an Any of a type this program does not
// know.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);

// The same without white space: for digests and documents that are stored.
absl::StatusOr<std::string> ToCanonicalJson(const google::protobuf::Message& message);

// Reads protojson, strictly. INVALID_ARGUMENT: syntax, unknown fields, wrong types. RESOURCE_EXHAUSTED: over 64 MiB.
absl::Status FromJson(absl::string_view text, google::protobuf::Message* message);

}  // namespace assay::rpc
