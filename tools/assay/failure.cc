// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/failure.h"

#include <google/protobuf/util/json_util.h>

#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace assay::cli {
namespace {

// Details travel as payloads keyed by type URL.
google::rpc::Status ToProto(const absl::Status& status) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(std::string(status.message()));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    auto* detail = proto.add_details();
    detail->set_type_url(std::string(type));
    detail->set_value(std::string(payload));
  });
  return proto;
}

// For a message that names nothing itself.
absl::string_view WhatFailed(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return "bad input";
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
      return "not possible as things stand";
    case absl::StatusCode::kNotFound:
      return "not found";
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return "not allowed";
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return "our own fault";
    default:
      return "unavailable";
  }
}

absl::string_view WhatToDo(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return "mend it and try again; --help of the command has an example";
    case absl::StatusCode::kFailedPrecondition:
      return "settle that first, then try again";
    case absl::StatusCode::kAlreadyExists:
      return "use another name or --request-id";
    case absl::StatusCode::kNotFound:
      return "check how it is spelled; \"assay submissions list\" and \"assay frameworks list\" show what there is";
    case absl::StatusCode::kResourceExhausted:
      return "try again later or ask for less";
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return "check the token given with --token-file";
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return "this is a fault of Assay, not of what was submitted";
    default:
      return "try again; the same --request-id never counts twice";
  }
}

std::string OneLine(absl::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return line;
}

// What is said where, why and what to do about it: what the message leaves out is added by the code.
std::string ErrorLine(absl::string_view message, absl::StatusCode code) {
  std::string line = "error: ";
  if (!absl::StrContains(message, ": ")) absl::StrAppend(&line, WhatFailed(code), ": ");
  absl::StrAppend(&line, OneLine(message));
  if (!absl::StrContains(message, "; ")) absl::StrAppend(&line, "; ", WhatToDo(code));
  return line + "\n";
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kOutOfRange:
      return kBadInput;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
      return kUnavailable;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kNotFound;
    default:
      return kOurFault;
  }
}

std::string ErrorLines(const absl::Status& status) {
  const google::rpc::Status proto = ToProto(status);
  std::string lines;
  for (const auto& detail : proto.details()) {
    google::rpc::BadRequest bad_request;
    if (!detail.UnpackTo(&bad_request)) continue;
    for (const auto& violation : bad_request.field_violations()) {
      lines += ErrorLine(absl::StrCat(violation.field(), ": ", violation.description()), status.code());
    }
  }
  return lines.empty() ? ErrorLine(status.message(), status.code()) : lines;
}

std::string ErrorJson(const absl::Status& status) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = true;
  const google::rpc::Status proto = ToProto(status);
  std::string json;
  if (google::protobuf::util::MessageToJsonString(proto, &json, options).ok()) return json;
  // A detail of a type this program does not know: say the rest.
  google::rpc::Status bare;
  bare.set_code(proto.code());
  bare.set_message(proto.message());
  json.clear();
  (void)google::protobuf::util::MessageToJsonString(bare, &json, options);
  return json;
}

ExitCode ReportFailure(const absl::Status& status, bool json) {
  if (json) {
    std::cout << ErrorJson(status) << std::flush;
  } else {
    std::cerr << ErrorLines(status) << std::flush;
  }
  return ExitCodeOf(status);
}

}  // namespace assay::cli
