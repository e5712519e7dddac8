// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace google::protobuf {
class Message;
}

namespace assay::runtime {

// Fills `out`, which holds the defaults, from the YAML or JSON file at `path` (empty: no file; a field that it names is
// replaced whole) and then from `overrides`, each
// "path=value" with field names joined by dots, for example "limits.artifact_bytes=1000000". Lists are given whole, as
// in YAML: "plugin_directories=[/a, /b]". Strict: unknown fields and wrong types are INVALID_ARGUMENT, naming the file
// and line or the override.
absl::Status LoadConfiguration(const std::string& path, const std::vector<std::string>& overrides,
                               google::protobuf::Message* out);

}  // namespace assay::runtime
