// SPDX-License-Identifier: Apache-2.0
// Documents come from people and files: any bytes must end in a message or a clean error. The first byte chooses the
// file name, and with it the language.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "assay/v1/document.pb.h"
#include "assay/v1/framework.pb.h"
#include "services/common/base/document.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const absl::string_view name = data[0] % 2 == 0 ? "a.yaml" : "a.json";
  assay::v1::TaskDocument task;
  assay::v1::Framework framework;
  for (google::protobuf::Message* message : {static_cast<google::protobuf::Message*>(&task),
                                             static_cast<google::protobuf::Message*>(&framework)}) {
    assay::LineIndex lines;
    std::vector<assay::DocumentError> errors;
    const absl::Status status = assay::ParseDocument(text, name, message, {{}, &lines, &errors});
    if (status.ok() != errors.empty() && !absl::IsResourceExhausted(status)) std::abort();
    if (errors.size() > assay::kMaxDocumentErrors) std::abort();
    if (status.ok() && !message->IsInitialized()) std::abort();
  }
  return 0;
}
