// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace assay {

enum class LogSeverity { kDebug, kInfo, kWarning, kError };

// A named value of a log line. Only ids, states, numbers and digests belong here: never names, free text or anything
// else a person wrote.
using LogField = std::pair<absl::string_view, std::string>;

// Writes one JSON line {"time","severity","event",fields…} to standard error. Thread-safe; one write(2) a line, so
// lines of several processes never mix. `event` is a constant phrase, so that lines can be counted by it.
void Log(LogSeverity severity, absl::string_view event, std::initializer_list<LogField> fields = {});

inline void LogInfo(absl::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogSeverity::kInfo, event, fields);
}
inline void LogWarning(absl::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogSeverity::kWarning, event, fields);
}
inline void LogError(absl::string_view event, std::initializer_list<LogField> fields = {}) {
  Log(LogSeverity::kError, event, fields);
}

// Lines below `severity` are dropped. Called once, before the first thread starts.
void SetMinimumLogSeverity(LogSeverity severity);

// The length of the well-formed UTF-8 character (RFC 3629) at the start of `text`, or 0. `text` must not be empty.
size_t Utf8Length(absl::string_view text);

// `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
std::string JsonQuote(absl::string_view text);

}  // namespace assay
