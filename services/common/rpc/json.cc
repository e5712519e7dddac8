// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/json.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace assay::rpc {
namespace {

namespace pb = google::protobuf;

constexpr char kTypeUrlPrefix[] = "type.googleapis.com";
constexpr size_t kMaxJsonBytes = 64 << 20;

pb::util::TypeResolver& Resolver() {
  static pb::util::TypeResolver* const resolver =
      pb::util::NewTypeResolverForDescriptorPool(kTypeUrlPrefix, pb::DescriptorPool::generated_pool());
  return *resolver;
}

// Maps are written in the order of their keys; the ordinary way follows a hash that differs from run to run.
std::string SerializeInOrder(const pb::Message& message) {
  std::string bytes;
  pb::io::StringOutputStream stream(&bytes);
  pb::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

absl::StatusOr<std::string> Print(const pb::Message& message, bool white_space) {
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = white_space;
  std::string json;
  const auto status =
      pb::util::BinaryToJsonString(&Resolver(), absl::StrCat(kTypeUrlPrefix, "/", message.GetDescriptor()->full_name()),
                                   SerializeInOrder(message), &json, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("JSON: ", std::string(status.message())));
  return json;
}

}  // namespace

absl::StatusOr<std::string> ToJson(const pb::Message& message) { return Print(message, /*white_space=*/true); }

absl::StatusOr<std::string> ToCanonicalJson(const pb::Message& message) {
  return Print(message, /*white_space=*/false);
}

absl::Status FromJson(absl::string_view text, pb::Message* message) {
  if (text.size() > kMaxJsonBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("JSON of ", text.size(), " bytes, at most ", kMaxJsonBytes, " are allowed"));
  }
  message->Clear();
  pb::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto status =
      pb::util::JsonStringToMessage(pb::StringPiece(text.data(), text.size()), message, options);
  if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("JSON: ", std::string(status.message())));
  return absl::OkStatus();
}

}  // namespace assay::rpc
