// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include "absl/strings/str_cat.h"

namespace assay::rpc {
namespace {

namespace pb = google::protobuf;

constexpr char kUrlPrefix[] = "type.googleapis.com";

// Maps have no order of their own; serialized deterministically their keys are sorted, and JSON follows the bytes.
std::string DeterministicBytes(const pb::Message& message) {
  std::string bytes;
  pb::io::StringOutputStream stream(&bytes);
  pb::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializePartialToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

absl::StatusOr<std::string> Print(const pb::Message& message, bool white_space) {
  static pb::util::TypeResolver* const resolver =
      pb::util::NewTypeResolverForDescriptorPool(kUrlPrefix, pb::DescriptorPool::generated_pool());
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = white_space;
  std::string json;
  const auto status = pb::util::BinaryToJsonString(resolver, absl::StrCat(kUrlPrefix, "/", message.GetTypeName()),
                                                   DeterministicBytes(message), &json, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("JSON: ", std::string(status.message())));
  return json;
}

}  // namespace

absl::StatusOr<std::string> ToJson(const pb::Message& message) { return Print(message, true); }

absl::StatusOr<std::string> ToCanonicalJson(const pb::Message& message) { return Print(message, false); }

absl::Status FromJson(absl::string_view json, pb::Message* message) {
  const auto status = pb::util::JsonStringToMessage(std::string(json), message, pb::util::JsonParseOptions());
  if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("JSON: ", std::string(status.message())));
  return absl::OkStatus();
}

}  // namespace assay::rpc
