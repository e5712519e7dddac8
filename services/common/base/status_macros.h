// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

// Returns the status of `expression` from the enclosing function unless it is OK.
#define ASSAY_RETURN_IF_ERROR(expression)                             \
  do {                                                                \
    absl::Status assay_status_ = (expression);                        \
    if (!assay_status_.ok()) return assay_status_;                    \
  } while (false)

// Assigns the value of a StatusOr to `lhs` (which may declare a variable), or returns its status.
#define ASSAY_ASSIGN_OR_RETURN(lhs, expression) \
  ASSAY_ASSIGN_OR_RETURN_IMPL_(ASSAY_CONCATENATE_(assay_status_or_, __LINE__), lhs, expression)
#define ASSAY_ASSIGN_OR_RETURN_IMPL_(temporary, lhs, expression) \
  auto temporary = (expression);                                 \
  if (!temporary.ok()) return std::move(temporary).status();     \
  lhs = *std::move(temporary)
#define ASSAY_CONCATENATE_(a, b) ASSAY_CONCATENATE_IMPL_(a, b)
#define ASSAY_CONCATENATE_IMPL_(a, b) a##b

namespace assay {

// Returns `status` with "<context>: " in front of its message; OK stays OK. Payloads are kept.
inline absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { annotated.SetPayload(type, payload); });
  return annotated;
}

}  // namespace assay
