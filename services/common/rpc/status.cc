// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/status.h"

#include <google/protobuf/message.h>

#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace assay::rpc {
namespace {

constexpr char kTypeUrlPrefix[] = "type.googleapis.com/";
// Answers with larger headers are refused by clients; the details are base64 there.
constexpr size_t kMaxDetailBytes = 4 << 10;
constexpr size_t kMaxMessageBytes = 2 << 10;
constexpr absl::Duration kDefaultRetryDelay = absl::Milliseconds(500);

template <typename Detail>
std::string TypeUrl() {
  return absl::StrCat(kTypeUrlPrefix, Detail::descriptor()->full_name());
}

template <typename Detail>
void SetDetail(const Detail& detail, absl::Status& status) {
  status.SetPayload(TypeUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
}

template <typename Detail>
std::optional<Detail> GetDetail(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<Detail>());
  Detail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

// Cut at a character, so that it stays UTF-8.
std::string Shortened(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xC0) == 0x80) --max_bytes;
  return std::string(text.substr(0, max_bytes));
}

bool IsKnownCode(int code) { return code >= 0 && code <= 16; }

// Leaves out violations, then whole details, until the rest fits.
void Shrink(google::rpc::Status& status) {
  for (google::protobuf::Any& any : *status.mutable_details()) {
    google::rpc::BadRequest request;
    if (!any.Is<google::rpc::BadRequest>() || !any.UnpackTo(&request)) continue;
    while (status.ByteSizeLong() > kMaxDetailBytes && request.field_violations_size() > 1) {
      request.mutable_field_violations()->RemoveLast();
      any.PackFrom(request);
    }
  }
  while (status.ByteSizeLong() > kMaxDetailBytes && status.details_size() > 0) {
    status.mutable_details()->RemoveLast();
  }
}

}  // namespace

absl::Status InvalidFields(const std::vector<FieldViolation>& violations) {
  if (violations.empty()) return absl::OkStatus();
  google::rpc::BadRequest request;
  for (const FieldViolation& violation : violations) {
    google::rpc::BadRequest::FieldViolation* added = request.add_field_violations();
    added->set_field(violation.field);
    added->set_description(violation.description);
  }
  std::string message = absl::StrCat(violations[0].field, ": ", violations[0].description);
  if (violations.size() > 1) absl::StrAppend(&message, " (and ", violations.size() - 1, " more)");
  absl::Status status = absl::InvalidArgumentError(message);
  SetDetail(request, status);
  return status;
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  if (status.ok()) return status;
  google::rpc::RetryInfo info;
  const int64_t seconds = absl::ToInt64Seconds(delay);
  info.mutable_retry_delay()->set_seconds(seconds);
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(delay - absl::Seconds(seconds))));
  SetDetail(info, status);
  return status;
}

absl::Status WithReason(absl::Status status, absl::string_view reason,
                        const std::map<std::string, std::string>& metadata) {
  if (status.ok()) return status;
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("assay");
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  SetDetail(info, status);
  return status;
}

std::vector<FieldViolation> FieldViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  if (const auto request = GetDetail<google::rpc::BadRequest>(status)) {
    for (const auto& violation : request->field_violations()) {
      violations.push_back({violation.field(), violation.description()});
    }
  }
  return violations;
}

absl::Duration RetryDelay(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::RetryInfo>(status);
  if (!info.has_value()) return absl::ZeroDuration();
  return absl::Seconds(info->retry_delay().seconds()) + absl::Nanoseconds(info->retry_delay().nanos());
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = GetDetail<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : "";
}

std::string ReasonMetadataOf(const absl::Status& status, const std::string& key) {
  const auto info = GetDetail<google::rpc::ErrorInfo>(status);
  if (!info.has_value()) return "";
  const auto found = info->metadata().find(key);
  return found == info->metadata().end() ? "" : found->second;
}

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(status.code()));
  out.set_message(std::string(status.message()));
  // Payloads come in no particular order.
  std::map<std::string, std::string> details;
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    details[std::string(type)] = std::string(payload);
  });
  for (auto& [type, value] : details) {
    google::protobuf::Any* any = out.add_details();
    any->set_type_url(type);
    any->set_value(std::move(value));
  }
  return out;
}

absl::Status FromRpcStatus(const google::rpc::Status& status) {
  if (status.code() == 0) return absl::OkStatus();
  const int code = IsKnownCode(status.code()) ? status.code() : static_cast<int>(absl::StatusCode::kUnknown);
  absl::Status out(static_cast<absl::StatusCode>(code), status.message());
  for (const google::protobuf::Any& any : status.details()) out.SetPayload(any.type_url(), absl::Cord(any.value()));
  return out;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details = ToRpcStatus(status);
  details.set_message(Shortened(status.message(), kMaxMessageBytes));
  const std::string message = details.message();
  Shrink(details);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      details.details_size() > 0 ? details.SerializeAsString() : "");
}

grpc::Status ToAnswer(const absl::Status& status) {
  const bool may_help = absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
  if (!may_help || RetryDelay(status) > absl::ZeroDuration()) return ToGrpcStatus(status);
  const std::string reason = ReasonOf(status);
  if (reason == kTooLarge || reason == kNoRoom) return ToGrpcStatus(status);
  return ToGrpcStatus(WithRetryDelay(status, kDefaultRetryDelay));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status details;
  // A peer may send anything here; only details that agree with the status are believed.
  if (!details.ParseFromString(status.error_details()) || details.code() != static_cast<int>(status.error_code())) {
    details.clear_details();
  }
  details.set_code(static_cast<int>(status.error_code()));
  details.set_message(status.error_message());
  return FromRpcStatus(details);
}

}  // namespace assay::rpc
