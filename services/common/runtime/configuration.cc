// SPDX-License-Identifier: Apache-2.0
#include "services/common/runtime/configuration.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "services/common/base/document.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::runtime {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Sets field `name` of `message`, and nothing else of it, to what `value` says in a document.
absl::Status SetField(const std::string& name, absl::string_view value, const std::string& label, Message* message) {
  const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
  const bool is_text = field != nullptr && !field->is_repeated() && field->type() == FieldDescriptor::TYPE_STRING;
  // Text is taken as it is; everything else as YAML reads it. In block style on one line no value can end its key and
  // begin another.
  const std::string document = absl::StrCat(JsonQuote(name), ": ", is_text ? JsonQuote(value) : std::string(value));
  const std::unique_ptr<Message> parsed(message->New());
  ASSAY_RETURN_IF_ERROR(ParseDocument(document, label, parsed.get()));
  message->GetReflection()->ClearField(message, field);
  message->MergeFrom(*parsed);
  return absl::OkStatus();
}

absl::Status ApplyFile(const std::string& path, Message* out) {
  ASSAY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxDocumentBytes));
  const std::unique_ptr<Message> parsed(out->New());
  LineIndex lines;
  DocumentOptions options;
  options.lines = &lines;
  ASSAY_RETURN_IF_ERROR(ParseDocument(text, path, parsed.get(), options));
  // What the file names replaces what was there, a default that it empties included.
  for (const auto& [name, line] : lines.entries()) {
    const FieldDescriptor* field = out->GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) out->GetReflection()->ClearField(out, field);
  }
  out->MergeFrom(*parsed);
  return absl::OkStatus();
}

absl::Status ApplyOverride(const std::string& text, Message* out) {
  const std::string label = absl::StrCat("--set ", text);
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || text.find_first_of("\r\n") != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(label, ": \"path=value\" on one line is expected"));
  }
  const std::vector<std::string> path = absl::StrSplit(text.substr(0, equals), '.');
  Message* message = out;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(path[i]);
    if (field == nullptr || field->is_repeated() || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return absl::InvalidArgumentError(absl::StrCat(label, ": no group of settings \"", path[i], "\""));
    }
    message = message->GetReflection()->MutableMessage(message, field);
  }
  return SetField(path.back(), absl::string_view(text).substr(equals + 1), label, message);
}

}  // namespace

absl::Status LoadConfiguration(const std::string& path, const std::vector<std::string>& overrides, Message* out) {
  if (!path.empty()) ASSAY_RETURN_IF_ERROR(ApplyFile(path, out));
  for (const std::string& text : overrides) ASSAY_RETURN_IF_ERROR(ApplyOverride(text, out));
  return absl::OkStatus();
}

}  // namespace assay::runtime
