// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/common/blob/blob_store.h"

namespace assay::blob {

struct FolderBlobStoreOptions {
  // Holds <tenant>/<candidate_key>/<64 hex digits>, and in ".incoming" and ".removed" what is being written and
  // deleted.
  std::string path;
  // Not empty: other processes, on this machine or others, write the folder too, each under a name of its own
  // ([a-z0-9-]); flock must work on it across them. What they store is noticed by Recount() alone.
  std::string shared_as;
  // All blobs together, and what is being written.
  uint64_t max_bytes = uint64_t{20} << 30;
  // The same of one tenant, and of those that have a limit of their own.
  uint64_t max_tenant_bytes = std::numeric_limits<uint64_t>::max();
  std::map<std::string, uint64_t, std::less<>> max_bytes_of_tenant;
  // New blobs are refused while the disk has less than this.
  uint64_t min_free_bytes = uint64_t{1} << 30;
  // Blobs being written at once.
  size_t max_writers = 64;
  bool read_only = false;
};

// A BlobStore in a folder. Bytes are hashed while they arrive, flushed before they get their name, and hashed again
// before they are read for the first time since the process started; a file that changed since (inode, size or times)
// is hashed again. A crash leaves at most temporaries, which the next Open() under the same name removes. One process
// writes a folder at a time, unless all that do open it with `shared_as`. Thread-safe.
class FolderBlobStore final : public BlobStore {
 public:
  // `clock` gives modify times. NOT_FOUND: nothing there and read_only.
  static absl::StatusOr<std::unique_ptr<FolderBlobStore>> Open(FolderBlobStoreOptions options,
                                                               Clock& clock = Clock::Real());

  absl::StatusOr<std::unique_ptr<Writer>> Create(const Owner& owner, uint64_t max_bytes) override;
  absl::StatusOr<UniqueFd> Open(const Owner& owner, const Digest& digest) override;
  absl::StatusOr<BlobInfo> Stat(const Owner& owner, const Digest& digest) override;
  absl::StatusOr<std::vector<BlobInfo>> List(const Owner& owner) override;
  absl::StatusOr<std::vector<Owner>> Owners(const Owner& after, size_t limit) override;
  absl::Status Delete(const Owner& owner, const Digest& digest) override;
  absl::Status DeleteIfOlder(const Owner& owner, const Digest& digest, absl::Time when) override;
  absl::Status DeleteAll(const Owner& owner) override;

  // RESOURCE_EXHAUSTED: less than an eighth of what the tenant may store is left. New work ends there; what was
  // accepted may use the rest.
  absl::Status HasRoom(absl::string_view tenant) const;
  // Looks at every name again; what is being written meanwhile may count twice until the next time. Blocks.
  absl::Status Recount();
  uint64_t used_bytes() const;

 private:
  class FileWriter;
  class NamesLock;
  // A file as it was when its content was verified.
  struct Verified {
    ino_t inode = 0;
    off_t size = 0;
    int64_t modify_nanos = 0;
    int64_t change_nanos = 0;
    friend bool operator==(const Verified&, const Verified&) = default;
  };

  FolderBlobStore(FolderBlobStoreOptions options, Clock& clock);
  std::string OwnerPath(const Owner& owner) const;
  std::string BlobPath(const Owner& owner, const Digest& digest) const;
  std::string TemporaryFolder(absl::string_view name) const;
  std::string NewTemporary(absl::string_view folder) const;
  absl::Status CheckWritable() const;
  bool is_shared() const { return !options_.shared_as.empty(); }
  absl::Status OpenShared();
  absl::Status RemoveLeftovers();
  uint64_t LimitOf(absl::string_view tenant) const;

  // For writers: room for `bytes` more. Release() takes stored bytes off the account.
  absl::Status Reserve(const std::string& tenant, uint64_t bytes);
  void Release(const std::string& tenant, uint64_t bytes);
  absl::Status CheckFreeSpace() const;
  // Flushes the file behind `fd`, gives it its name and flushes that.
  absl::Status Publish(const std::string& temporary, int fd, const Owner& owner, const Digest& digest);
  // The tenant's and the candidate's folder, not flushed yet.
  absl::Status MakeFolders(const Owner& owner) const;
  // Makes the names in the candidate's folder durable, and the way to it. `deletions` is what it was when they were
  // given.
  absl::Status SyncNames(const Owner& owner, uint64_t deletions);
  // Of `reserved` bytes, `stored` became a blob.
  void WriterGone(const std::string& tenant, uint64_t reserved, uint64_t stored);

  static Verified Fingerprint(const struct stat& info);
  bool IsVerified(const std::string& path, const Verified& fingerprint) const;
  void Remember(const std::string& path, const Verified& fingerprint);

  const FolderBlobStoreOptions options_;
  Clock& clock_;
  // Held while names change, so that accounting and names agree; with it, in a shared folder, the lock of names_lock_.
  absl::Mutex names_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  // Of a shared folder; constant once open.
  UniqueFd names_lock_;
  mutable absl::Mutex mutex_;
  struct Usage {
    // Of blobs and of what is being written.
    uint64_t used = 0;
    uint64_t writing = 0;
  };
  Usage total_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Usage> by_tenant_ ABSL_GUARDED_BY(mutex_);
  size_t writers_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, Verified> verified_ ABSL_GUARDED_BY(mutex_);
  // Folders whose own names were flushed since the process started; any other one may be as new as the file in it.
  absl::flat_hash_set<std::string> durable_folders_ ABSL_GUARDED_BY(mutex_);
  // Calls of DeleteAll that removed something.
  uint64_t deletions_ ABSL_GUARDED_BY(mutex_) = 0;
  // Oldest first; bounds verified_.
  std::deque<std::string> verified_order_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::blob
