// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/base/digest.h"
#include "services/common/base/unique_fd.h"

namespace assay::blob {

// Where a blob belongs: blobs are named tenant/candidate-pseudonym/sha256, so that erasing a candidate is removing one
// prefix. Both parts are [a-z0-9_-]{1,64}.
struct Owner {
  std::string tenant;
  std::string candidate_key;
};

// INVALID_ARGUMENT unless both parts are well-formed.
absl::Status CheckOwner(const Owner& owner);

// Receives one blob in pieces. Nothing is visible before Commit() returned; destroying it without a commit discards.
// One thread at a time; must not outlive its store.
class Writer {
 public:
  virtual ~Writer() = default;
  // RESOURCE_EXHAUSTED: over the size limit or the disk quota; the writer is then of no further use.
  virtual absl::Status Append(absl::string_view chunk) = 0;
  // Makes the blob durable (temporary file, fsync, rename, fsync of the folder) and returns its digest. The same
  // content again is the same blob, with a new modify time. At most once.
  virtual absl::StatusOr<Digest> Commit() = 0;
};

struct BlobInfo {
  Digest digest;
  uint64_t size = 0;
  absl::Time modify_time;
};

// Content-addressed bytes: a folder now, S3 later. Thread-safe.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  // RESOURCE_EXHAUSTED: the store is full or the disk has too little space.
  virtual absl::StatusOr<std::unique_ptr<Writer>> Create(const Owner& owner, uint64_t max_bytes) = 0;
  // Opens for reading, at the first byte, after re-hashing the content. NOT_FOUND; DATA_LOSS: the bytes are not what
  // the name says.
  virtual absl::StatusOr<UniqueFd> Open(const Owner& owner, const Digest& digest) = 0;
  virtual absl::StatusOr<BlobInfo> Stat(const Owner& owner, const Digest& digest) = 0;
  virtual absl::StatusOr<std::vector<BlobInfo>> List(const Owner& owner) = 0;
  // Whose blobs there are, by tenant and then candidate: at most `limit` of those that come after `after` (empty: from
  // the first on). Fewer: these are the last.
  virtual absl::StatusOr<std::vector<Owner>> Owners(const Owner& after, size_t limit) = 0;
  // NOT_FOUND: there is none.
  virtual absl::Status Delete(const Owner& owner, const Digest& digest) = 0;
  // The same, unless its modify time is `when` or later by now: FAILED_PRECONDITION, somebody stored it again.
  virtual absl::Status DeleteIfOlder(const Owner& owner, const Digest& digest, absl::Time when) = 0;
  // Removes everything of a candidate; nothing there is fine.
  virtual absl::Status DeleteAll(const Owner& owner) = 0;
};

struct SweepReport {
  uint64_t blobs = 0;
  uint64_t bytes = 0;
};
// Removes the owner's blobs that nothing refers to and that are older than `keep_for`: what was uploaded and never
// submitted. `keep_for` must exceed the longest time between upload and submission.
absl::StatusOr<SweepReport> Sweep(BlobStore& store, const Owner& owner, absl::Time now, absl::Duration keep_for,
                                  const std::function<bool(const Digest&)>& is_referenced);

// Writes `content` as one blob.
absl::StatusOr<Digest> Put(BlobStore& store, const Owner& owner, absl::string_view content);
// Reads a whole blob of at most `max_bytes`; a larger one is RESOURCE_EXHAUSTED.
absl::StatusOr<std::string> Get(BlobStore& store, const Owner& owner, const Digest& digest, uint64_t max_bytes);

}  // namespace assay::blob
