// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/fields.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace assay::loadgen {

std::string Shown(const nlohmann::json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  return text;
}

Fields::Fields(const Json& value, std::string path, absl::Status& status)
    : value_(value), path_(std::move(path)), status_(status) {
  if (!value.is_object()) Fail("", absl::StrCat("must be an object, found ", Shown(value)));
}

std::string Fields::PathOf(absl::string_view name) const {
  if (path_.empty()) return name.empty() ? "the plan" : std::string(name);
  return name.empty() ? path_ : absl::StrCat(path_, ".", name);
}

void Fields::Fail(absl::string_view name, absl::string_view why) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(PathOf(name), ": ", why));
}

bool Fields::Has(absl::string_view name) const { return value_.is_object() && value_.contains(std::string(name)); }

const Fields::Json* Fields::Find(absl::string_view name) {
  known_.emplace(name);
  if (!status_.ok() || !value_.is_object()) return nullptr;
  const auto found = value_.find(std::string(name));
  return found == value_.end() ? nullptr : &*found;
}

double Fields::Number(absl::string_view name, double low, double high, double fallback) {
  const Json* value = Find(name);
  const std::string range = absl::StrCat("a number from ", low, " to ", high);
  if (value == nullptr) {
    if (fallback < 0) Fail(name, absl::StrCat("is missing; needs ", range));
    return std::max(fallback, 0.0);
  }
  if (value->is_number()) {
    const double number = value->get<double>();
    if (number >= low && number <= high) return number;
  }
  Fail(name, absl::StrCat("must be ", range, ", found ", Shown(*value)));
  return low;
}

uint64_t Fields::Integer(absl::string_view name, uint64_t low, uint64_t high) {
  if (!Has(name)) {
    Find(name);
    Fail(name, absl::StrCat("is missing; needs a whole number from ", low, " to ", high));
    return low;
  }
  return Integer(name, low, high, low);
}

uint64_t Fields::Integer(absl::string_view name, uint64_t low, uint64_t high, uint64_t fallback) {
  const Json* value = Find(name);
  if (value == nullptr) return fallback;
  if (value->is_number_unsigned()) {
    const auto number = value->get<uint64_t>();
    if (number >= low && number <= high) return number;
  }
  Fail(name, absl::StrCat("must be a whole number from ", low, " to ", high, ", found ", Shown(*value)));
  return low;
}

bool Fields::Flag(absl::string_view name, bool fallback) {
  const Json* value = Find(name);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  Fail(name, absl::StrCat("must be true or false, found ", Shown(*value)));
  return fallback;
}

std::string Fields::Text(absl::string_view name, size_t max_bytes) {
  if (!Has(name)) {
    Find(name);
    Fail(name, absl::StrCat("is missing; needs a text of at most ", max_bytes, " bytes"));
    return "";
  }
  return Text(name, max_bytes, "");
}

std::string Fields::Text(absl::string_view name, size_t max_bytes, absl::string_view fallback) {
  const Json* value = Find(name);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string() && value->get_ref<const std::string&>().size() <= max_bytes) return value->get<std::string>();
  Fail(name, absl::StrCat("must be a text of at most ", max_bytes, " bytes, found ", Shown(*value)));
  return "";
}

std::string Fields::Choice(absl::string_view name, const std::vector<std::string>& allowed,
                           absl::string_view fallback) {
  const std::string text = Text(name, 64, fallback);
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
    Fail(name, absl::StrCat("must be one of ", absl::StrJoin(allowed, ", "), ", found \"", text, "\""));
  }
  return text;
}

const Fields::Json* Fields::Object(absl::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr || value->is_object()) return value;
  Fail(name, absl::StrCat("must be an object, found ", Shown(*value)));
  return nullptr;
}

const Fields::Json* Fields::Array(absl::string_view name, size_t low, size_t high) {
  const Json* value = Find(name);
  if (value == nullptr) {
    if (low > 0) Fail(name, absl::StrCat("is missing; needs an array of ", low, " to ", high, " items"));
    return nullptr;
  }
  if (!value->is_array()) {
    Fail(name, absl::StrCat("must be an array, found ", Shown(*value)));
    return nullptr;
  }
  if (value->size() < low || value->size() > high) {
    Fail(name, absl::StrCat("must hold ", low, " to ", high, " items, found ", value->size()));
    return nullptr;
  }
  return value;
}

const Fields::Json* Fields::Value(absl::string_view name) { return Find(name); }

void Fields::Finish() {
  if (!status_.ok() || !value_.is_object()) return;
  for (const auto& item : value_.items()) {
    if (known_.contains(item.key())) continue;
    Fail(item.key().substr(0, 64), absl::StrCat("is not known here; allowed: ", absl::StrJoin(known_, ", ")));
    return;
  }
}

}  // namespace assay::loadgen
