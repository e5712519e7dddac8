// SPDX-License-Identifier: Apache-2.0
// Matchers for absl::Status and absl::StatusOr, with the names and meaning later Abseil releases give them.
#pragma once

#include <gmock/gmock.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace assay::testing {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& status) {
  return status.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << GetStatus(arg);
  return GetStatus(arg).ok();
}

MATCHER_P(StatusIs, code, "has the expected code") {
  *result_listener << GetStatus(arg);
  return GetStatus(arg).code() == code;
}

MATCHER_P2(StatusIs, code, message, "has the expected code and message") {
  *result_listener << GetStatus(arg);
  return GetStatus(arg).code() == code &&
         ::testing::ExplainMatchResult(message, std::string(GetStatus(arg).message()), result_listener);
}

MATCHER_P(IsOkAndHolds, value, "is OK and holds the value") {
  if (!arg.ok()) {
    *result_listener << arg.status();
    return false;
  }
  return ::testing::ExplainMatchResult(value, *arg, result_listener);
}

}  // namespace assay::testing

#define ASSAY_ASSERT_OK(expression) ASSERT_THAT(expression, ::assay::testing::IsOk())
#define ASSAY_EXPECT_OK(expression) EXPECT_THAT(expression, ::assay::testing::IsOk())
// Assigns the value of a StatusOr, or fails the test.
#define ASSAY_ASSERT_OK_AND_ASSIGN(lhs, expression) \
  ASSAY_ASSERT_OK_AND_ASSIGN_IMPL_(ASSAY_TEST_CONCATENATE_(assay_value_, __LINE__), lhs, expression)
#define ASSAY_ASSERT_OK_AND_ASSIGN_IMPL_(temporary, lhs, expression) \
  auto temporary = (expression);                                    \
  ASSERT_TRUE(temporary.ok()) << temporary.status();                \
  lhs = *std::move(temporary)
#define ASSAY_TEST_CONCATENATE_(a, b) ASSAY_TEST_CONCATENATE_IMPL_(a, b)
#define ASSAY_TEST_CONCATENATE_IMPL_(a, b) a##b
