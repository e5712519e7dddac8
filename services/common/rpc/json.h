// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay::rpc {

// The JSON people and programs see: proto field names, zero values printed, indented, keys of maps sorted,
// so that equal messages give equal text.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);

// The same without white space: for digests and documents that are stored.
absl::StatusOr<std::string> ToCanonicalJson(const google::protobuf::Message& message);

// INVALID_ARGUMENT: not JSON, or a field the message does not have.
absl::Status FromJson(absl::string_view json, google::protobuf::Message* message);

}  // namespace assay::rpc
