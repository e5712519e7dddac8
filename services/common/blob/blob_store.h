// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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

// Receives one blob in pieces. Nothing is visible before Commit() returned; destroying it without commits discards.
class Writer {
 public:
  virtual ~Writer() = default;
  // RESOURCE_EXHAUSTED: over the size limit or the disk quota; the writer is then of no further use.
  virtual absl::Status Append(absl::string_view chunk) = 0;
  // Makes the blob durable (temporary file, fsync, rename, fsync of the folder) and returns its digest.
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
  virtual absl::StatusOr<std::unique_ptr<Writer>> Create(const Owner& owner, uint64_t max_bytes) = 0;
  // Opens for reading after re-hashing the content. NOT_FOUND; DATA_LOSS: the bytes are not what the name says.
  virtual absl::StatusOr<UniqueFd> Open(const Owner& owner, const Digest& digest) = 0;
  virtual absl::StatusOr<BlobInfo> Stat(const Owner& owner, const Digest& digest) = 0;
  virtual absl::StatusOr<std::vector<BlobInfo>> List(const Owner& owner) = 0;
  virtual absl::StatusOr<std::vector<Owner>> Owners() = 0;
  virtual absl::Status Delete(const Owner& owner, const Digest& digest) = 0;
  // Removes everything of a candidate; nothing there is fine.
  virtual absl::Status DeleteAll(const Owner& owner) = 0;
};

// Writes `content` as one blob.
absl::StatusOr<Digest> Put(BlobStore& store, const Owner& owner, absl::string_view content);
// Reads a whole blob of at most `max_bytes`.
absl::StatusOr<std::string> Get(BlobStore& store, const Owner& owner, const Digest& digest, uint64_t max_bytes);

}  // namespace assay::blob
