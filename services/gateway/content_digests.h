// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/base/digest.h"
#include "services/common/blob/blob_store.h"

namespace assay::gateway {

// Content digests of uploaded archives, remembered by the digest of their bytes: what an archive holds never changes.
// A few are decoded at a time, because each decoding is a process with a memory limit of its own. Thread-safe.
class ContentDigests {
 public:
  // Decodes an archive, until `deadline` at most; blocks.
  using Decode =
      std::function<absl::StatusOr<Digest>(const blob::Owner& owner, const Digest& archive, absl::Time deadline)>;

  // `blobs` and `clock` must outlive it.
  ContentDigests(blob::BlobStore& blobs, Clock& clock, Decode decode)
      : blobs_(blobs), clock_(clock), decode_(std::move(decode)) {}

  // INVALID_ARGUMENT and RESOURCE_EXHAUSTED: the archive is unfit, for the reason given. UNAVAILABLE: too many are
  // being decoded; DEADLINE_EXCEEDED: `deadline` came first. Anything else is ours.
  absl::StatusOr<Digest> Find(const blob::Owner& owner, const Digest& archive, absl::Time deadline);

 private:
  // Waits for one of the places to decode in.
  absl::Status Enter(absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remember(const Digest& archive, const Digest& content) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  blob::BlobStore& blobs_;
  Clock& clock_;
  const Decode decode_;
  absl::Mutex mutex_;
  size_t decoding_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Digest, Digest> known_ ABSL_GUARDED_BY(mutex_);
  // Oldest first; bounds known_.
  std::deque<Digest> order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::gateway
