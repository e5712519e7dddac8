// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/common/blob/blob_store.h"

namespace assay::blob {

// A BlobStore in memory that fails and damages blobs when told to. Thread-safe.
class FakeBlobStore final : public BlobStore {
 public:
  explicit FakeBlobStore(Clock& clock = Clock::Real(), uint64_t max_bytes = 1 << 30)
      : clock_(clock), max_bytes_(max_bytes) {}

  absl::StatusOr<std::unique_ptr<Writer>> Create(const Owner& owner, uint64_t max_bytes) override;
  absl::StatusOr<UniqueFd> Open(const Owner& owner, const Digest& digest) override;
  absl::StatusOr<BlobInfo> Stat(const Owner& owner, const Digest& digest) override;
  absl::StatusOr<std::vector<BlobInfo>> List(const Owner& owner) override;
  absl::StatusOr<std::vector<Owner>> Owners(const Owner& after, size_t limit) override;
  absl::Status Delete(const Owner& owner, const Digest& digest) override;
  absl::Status DeleteIfOlder(const Owner& owner, const Digest& digest, absl::Time when) override;
  absl::Status DeleteAll(const Owner& owner) override;

  // The next Create, Append, Commit, Open or Delete returns `status`.
  void FailNext(absl::Status status);
  // Changes the bytes of a blob, so that opening it is DATA_LOSS.
  void Damage(const Owner& owner, const Digest& digest);

 private:
  class MemoryWriter;
  struct Blob {
    std::string content;
    absl::Time modify_time;
  };
  using Name = std::pair<std::pair<std::string, std::string>, Digest>;

  static Name ToName(const Owner& owner, const Digest& digest) { return {{owner.tenant, owner.candidate_key}, digest}; }
  absl::Status TakeFailure();
  absl::Status Reserve(uint64_t bytes);
  void Store(const Owner& owner, const Digest& digest, std::string content);

  Clock& clock_;
  const uint64_t max_bytes_;
  absl::Mutex mutex_;
  std::map<Name, Blob> blobs_ ABSL_GUARDED_BY(mutex_);
  uint64_t used_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::blob
