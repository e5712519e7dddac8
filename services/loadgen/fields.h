// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace assay::loadgen {

// Reads one JSON object strictly. The first thing wrong is kept in the shared status and everything after it is
// skipped, so a reader asks for its fields one after another and looks at the status once. Members nobody asked for
// are errors (Finish).
class Fields {
 public:
  using Json = nlohmann::json;

  // `value`, `status` must outlive this. `path` names the object in errors; empty for the document itself.
  Fields(const Json& value, std::string path, absl::Status& status);

  bool Has(absl::string_view name) const;
  // Required when `fallback` is negative.
  double Number(absl::string_view name, double low, double high, double fallback = -1);
  uint64_t Integer(absl::string_view name, uint64_t low, uint64_t high);
  uint64_t Integer(absl::string_view name, uint64_t low, uint64_t high, uint64_t fallback);
  bool Flag(absl::string_view name, bool fallback);
  std::string Text(absl::string_view name, size_t max_bytes);
  std::string Text(absl::string_view name, size_t max_bytes, absl::string_view fallback);
  // A name out of `allowed`.
  std::string Choice(absl::string_view name, const std::vector<std::string>& allowed, absl::string_view fallback);
  // The member itself, or null; an object (or array) is checked to be one.
  const Json* Object(absl::string_view name);
  const Json* Array(absl::string_view name, size_t low, size_t high);
  // Any type: the caller checks.
  const Json* Value(absl::string_view name);

  // Refuses members that were never asked for.
  void Finish();
  void Fail(absl::string_view name, absl::string_view why);
  std::string PathOf(absl::string_view name) const;

 private:
  const Json* Find(absl::string_view name);

  const Json& value_;
  std::string path_;
  absl::Status& status_;
  std::set<std::string, std::less<>> known_;
};

// A JSON value as an error shows it: at most 40 characters.
std::string Shown(const nlohmann::json& value);

}  // namespace assay::loadgen
