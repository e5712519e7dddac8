// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace assay::rpc {

struct RetryPolicy {
  int max_attempts = 5;
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
  double multiplier = 2;
  // Each wait is shortened by a random part up to this, so that callers do not come back together.
  double jitter = 0.3;
  // No attempt starts after it.
  absl::Time deadline = absl::InfiniteFuture();
};

// Whether calling again may help: UNAVAILABLE, ABORTED, and RESOURCE_EXHAUSTED that says when to come back.
bool IsTransient(const absl::Status& status);

// Repeats a call until it succeeds, fails for good, or the policy ends; the only retry loop there is. Not thread-safe.
class RetryLoop {
 public:
  // `random` returns numbers in [0, 1). The clock must outlive the loop.
  RetryLoop(RetryPolicy policy, Clock& clock, std::function<double()> random);

  // After a failed attempt: waits and returns true when there should be another. A server's RetryInfo is the least
  // wait. False: give up and return `status` as it is.
  bool WaitForNext(const absl::Status& status);
  int attempts() const { return attempts_; }

 private:
  absl::Duration NextWait(const absl::Status& status);

  const RetryPolicy policy_;
  Clock& clock_;
  const std::function<double()> random_;
  int attempts_ = 1;
  absl::Duration backoff_;
};

// A source for RetryLoop: uniform, seeded by the operating system.
std::function<double()> SystemRandom();

// Calls `call()`, which returns an absl::Status or StatusOr, until the loop ends. Only for calls that may be repeated:
// reads, and writes with a request_id.
template <typename F>
std::invoke_result_t<F> Retry(const RetryPolicy& policy, Clock& clock, F call,
                              std::function<double()> random = SystemRandom()) {
  RetryLoop loop(policy, clock, std::move(random));
  for (;;) {
    std::invoke_result_t<F> result = call();
    const absl::Status* status;
    if constexpr (std::is_same_v<std::invoke_result_t<F>, absl::Status>) {
      status = &result;
    } else {
      status = &result.status();
    }
    if (status->ok() || !loop.WaitForNext(*status)) return result;
  }
}

}  // namespace assay::rpc
