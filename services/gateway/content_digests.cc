// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/content_digests.h"

#include "services/common/base/status_macros.h"

namespace assay::gateway {
namespace {

constexpr size_t kMaxKnown = 4096;
constexpr size_t kMaxDecoding = 2;
constexpr size_t kMaxWaiting = 8;

}  // namespace

absl::Status ContentDigests::Enter(absl::Time deadline) {
  if (waiting_ >= kMaxWaiting) return absl::UnavailableError("too many archives are being opened; try again");
  const auto has_place = [this] {
    mutex_.AssertHeld();
    return decoding_ < kMaxDecoding;
  };
  ++waiting_;
  const bool entered = clock_.AwaitWithDeadline(&mutex_, absl::Condition(&has_place), deadline);
  --waiting_;
  if (!entered) return absl::DeadlineExceededError("other archives were being opened all the time");
  ++decoding_;
  return absl::OkStatus();
}

void ContentDigests::Remember(const Digest& archive, const Digest& content) {
  if (!known_.emplace(archive, content).second) return;
  order_.push_back(archive);
  if (order_.size() <= kMaxKnown) return;
  known_.erase(order_.front());
  order_.pop_front();
}

absl::StatusOr<Digest> ContentDigests::Find(const blob::Owner& owner, const Digest& archive, absl::Time deadline) {
  // What is remembered of one candidate's archive says nothing about another candidate's having it.
  ASSAY_RETURN_IF_ERROR(blobs_.Open(owner, archive).status());
  {
    absl::MutexLock lock(&mutex_);
    if (const auto known = known_.find(archive); known != known_.end()) return known->second;
    ASSAY_RETURN_IF_ERROR(Enter(deadline));
  }
  const absl::StatusOr<Digest> content = decode_(owner, archive, deadline);
  absl::MutexLock lock(&mutex_);
  --decoding_;
  if (content.ok()) Remember(archive, *content);
  // A decoder that ran out of the caller's time says nothing about the archive.
  if (!content.ok() && clock_.TimeNow() >= deadline) {
    return absl::DeadlineExceededError("the archive could not be opened in the time the call had");
  }
  return content;
}

}  // namespace assay::gateway
