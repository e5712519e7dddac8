// SPDX-License-Identifier: Apache-2.0
#include "services/common/rpc/retry.h"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {

bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status) ||
         (absl::IsResourceExhausted(status) && RetryDelay(status) > absl::ZeroDuration());
}

RetryLoop::RetryLoop(RetryPolicy policy, Clock& clock, std::function<double()> random)
    : policy_(std::move(policy)), clock_(clock), random_(std::move(random)), backoff_(policy_.initial_backoff) {}

absl::Duration RetryLoop::NextWait(const absl::Status& status) {
  const absl::Duration wait = backoff_ * (1 - policy_.jitter * random_());
  backoff_ = std::min(backoff_ * policy_.multiplier, policy_.max_backoff);
  return std::max(wait, RetryDelay(status));
}

bool RetryLoop::WaitForNext(const absl::Status& status) {
  if (!IsTransient(status) || attempts_ >= policy_.max_attempts) return false;
  const absl::Time next = clock_.TimeNow() + NextWait(status);
  if (next >= policy_.deadline) return false;
  ++attempts_;
  absl::Mutex mutex;
  const auto never = [] { return false; };
  absl::MutexLock lock(&mutex);
  clock_.AwaitWithDeadline(&mutex, absl::Condition(&never), next);
  return true;
}

std::function<double()> SystemRandom() {
  const auto engine = std::make_shared<std::mt19937_64>(std::random_device()());
  return [engine] { return std::uniform_real_distribution<double>(0, 1)(*engine); };
}

}  // namespace assay::rpc
