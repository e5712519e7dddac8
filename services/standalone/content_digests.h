// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/digest.h"
#include "services/common/blob/blob_store.h"

namespace assay::standalone {

// Content digests of uploaded archives, remembered by the digest of their bytes: what an archive holds never changes.
// A few are decoded at a time, because each decoding is a process with a memory limit of its own. Thread-safe.
class ContentDigests {
 public:
  // Decodes an archive; blocks.
  using Decode = std::function<absl::StatusOr<Digest>(const blob::Owner& owner, const Digest& archive)>;

  ContentDigests(blob::BlobStore& blobs, Decode decode) : blobs_(blobs), decode_(std::move(decode)) {}

  // The decoder's own statuses; UNAVAILABLE: too many are being decoded.
  absl::StatusOr<Digest> Find(const blob::Owner& owner, const Digest& archive);

 private:
  blob::BlobStore& blobs_;
  const Decode decode_;
  absl::Mutex mutex_;
  size_t decoding_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Digest, Digest> known_ ABSL_GUARDED_BY(mutex_);
  // Oldest first; bounds known_.
  std::deque<Digest> order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::standalone
