// SPDX-License-Identifier: Apache-2.0
#include "services/common/blob/testing/fake_blob_store.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::blob {

class FakeBlobStore::MemoryWriter final : public Writer {
 public:
  MemoryWriter(FakeBlobStore& store, Owner owner, uint64_t max_bytes)
      : store_(store), owner_(std::move(owner)), max_bytes_(max_bytes) {}

  absl::Status Append(absl::string_view chunk) override {
    ASSAY_RETURN_IF_ERROR(failure_);
    failure_ = store_.TakeFailure();
    if (failure_.ok() && content_.size() + chunk.size() > max_bytes_) {
      failure_ = absl::ResourceExhaustedError(absl::StrCat("blob: more than the ", max_bytes_, " bytes allowed"));
    }
    if (failure_.ok()) failure_ = store_.Reserve(content_.size() + chunk.size());
    if (failure_.ok()) absl::StrAppend(&content_, chunk);
    return failure_;
  }

  absl::StatusOr<Digest> Commit() override {
    ASSAY_RETURN_IF_ERROR(failure_);
    ASSAY_RETURN_IF_ERROR(store_.TakeFailure());
    failure_ = absl::FailedPreconditionError("the blob was committed before");
    const Digest digest = Digest::Of(content_);
    store_.Store(owner_, digest, std::move(content_));
    return digest;
  }

 private:
  FakeBlobStore& store_;
  const Owner owner_;
  const uint64_t max_bytes_;
  std::string content_;
  absl::Status failure_;
};

absl::Status FakeBlobStore::TakeFailure() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(failure_, absl::OkStatus());
}

absl::Status FakeBlobStore::Reserve(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (used_ + bytes <= max_bytes_) return absl::OkStatus();
  return absl::ResourceExhaustedError("blob store: full");
}

void FakeBlobStore::Store(const Owner& owner, const Digest& digest, std::string content) {
  absl::MutexLock lock(&mutex_);
  Blob& blob = blobs_[ToName(owner, digest)];
  used_ += content.size() - blob.content.size();
  blob = {std::move(content), clock_.TimeNow()};
}

absl::StatusOr<std::unique_ptr<Writer>> FakeBlobStore::Create(const Owner& owner, uint64_t max_bytes) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  ASSAY_RETURN_IF_ERROR(TakeFailure());
  return std::unique_ptr<Writer>(std::make_unique<MemoryWriter>(*this, owner, max_bytes));
}

absl::StatusOr<UniqueFd> FakeBlobStore::Open(const Owner& owner, const Digest& digest) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  ASSAY_RETURN_IF_ERROR(TakeFailure());
  absl::MutexLock lock(&mutex_);
  const auto it = blobs_.find(ToName(owner, digest));
  if (it == blobs_.end()) return absl::NotFoundError(absl::StrCat(digest.ToString(), ": no such blob"));
  const std::string& content = it->second.content;
  if (Digest::Of(content) != digest) return absl::DataLossError("the stored bytes are not what the name says");
  UniqueFd fd(::memfd_create("fake-blob", MFD_CLOEXEC));
  if (!fd.is_open()) return ErrnoStatus(errno, "memfd_create");
  if (::pwrite(fd.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
    return ErrnoStatus(errno, "write");
  }
  return fd;
}

absl::StatusOr<BlobInfo> FakeBlobStore::Stat(const Owner& owner, const Digest& digest) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  absl::MutexLock lock(&mutex_);
  const auto it = blobs_.find(ToName(owner, digest));
  if (it == blobs_.end()) return absl::NotFoundError(absl::StrCat(digest.ToString(), ": no such blob"));
  return BlobInfo{digest, it->second.content.size(), it->second.modify_time};
}

absl::StatusOr<std::vector<BlobInfo>> FakeBlobStore::List(const Owner& owner) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  absl::MutexLock lock(&mutex_);
  std::vector<BlobInfo> found;
  for (auto it = blobs_.lower_bound(ToName(owner, Digest()));
       it != blobs_.end() && it->first.first == ToName(owner, Digest()).first; ++it) {
    found.push_back({it->first.second, it->second.content.size(), it->second.modify_time});
  }
  return found;
}

absl::StatusOr<std::vector<Owner>> FakeBlobStore::Owners(const Owner& after, size_t limit) {
  absl::MutexLock lock(&mutex_);
  std::vector<Owner> owners;
  for (const auto& [name, blob] : blobs_) {
    const auto& [tenant, candidate_key] = name.first;
    if (name.first <= std::pair(after.tenant, after.candidate_key)) continue;
    if (!owners.empty() && owners.back().tenant == tenant && owners.back().candidate_key == candidate_key) continue;
    if (owners.size() == limit) break;
    owners.push_back({tenant, candidate_key});
  }
  return owners;
}

absl::Status FakeBlobStore::Delete(const Owner& owner, const Digest& digest) {
  return DeleteIfOlder(owner, digest, absl::InfiniteFuture());
}

absl::Status FakeBlobStore::DeleteIfOlder(const Owner& owner, const Digest& digest, absl::Time when) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  ASSAY_RETURN_IF_ERROR(TakeFailure());
  absl::MutexLock lock(&mutex_);
  const auto it = blobs_.find(ToName(owner, digest));
  if (it == blobs_.end()) return absl::NotFoundError(absl::StrCat(digest.ToString(), ": no such blob"));
  if (it->second.modify_time >= when) return absl::FailedPreconditionError("the blob was stored again");
  used_ -= it->second.content.size();
  blobs_.erase(it);
  return absl::OkStatus();
}

absl::Status FakeBlobStore::DeleteAll(const Owner& owner) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, List(owner));
  for (const BlobInfo& blob : blobs) ASSAY_RETURN_IF_ERROR(Delete(owner, blob.digest));
  return absl::OkStatus();
}

void FakeBlobStore::FailNext(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  failure_ = std::move(status);
}

void FakeBlobStore::Damage(const Owner& owner, const Digest& digest) {
  absl::MutexLock lock(&mutex_);
  const auto it = blobs_.find(ToName(owner, digest));
  if (it != blobs_.end()) it->second.content += "damage";
}

}  // namespace assay::blob
