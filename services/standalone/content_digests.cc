// SPDX-License-Identifier: Apache-2.0
#include "services/standalone/content_digests.h"

#include "services/common/base/status_macros.h"

namespace assay::standalone {
namespace {

constexpr size_t kMaxKnown = 4096;
constexpr size_t kMaxDecoding = 2;
constexpr size_t kMaxWaiting = 8;

}  // namespace

absl::StatusOr<Digest> ContentDigests::Find(const blob::Owner& owner, const Digest& archive) {
  // What is remembered of one candidate's archive says nothing about another candidate's having it.
  ASSAY_RETURN_IF_ERROR(blobs_.Open(owner, archive).status());
  {
    absl::MutexLock lock(&mutex_);
    if (const auto known = known_.find(archive); known != known_.end()) return known->second;
    if (waiting_ >= kMaxWaiting) return absl::UnavailableError("too many archives are being opened; try again");
    const auto has_place = [this] {
      mutex_.AssertHeld();
      return decoding_ < kMaxDecoding;
    };
    ++waiting_;
    mutex_.Await(absl::Condition(&has_place));
    --waiting_;
    ++decoding_;
  }
  const absl::StatusOr<Digest> content = decode_(owner, archive);
  absl::MutexLock lock(&mutex_);
  --decoding_;
  if (!content.ok() || !known_.emplace(archive, *content).second) return content;
  order_.push_back(archive);
  if (order_.size() > kMaxKnown) {
    known_.erase(order_.front());
    order_.pop_front();
  }
  return content;
}

}  // namespace assay::standalone
