// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace assay::store {

// A file system for RocksDB that keeps only what was flushed. It passes everything to the real one, remembers how much
// of each file was synced and which new names had their folder synced, and after PowerCut() takes the rest away.
// It can also run out of space, fail to sync and fail to write. Thread-safe.
//
// A crash test: open a store with env(), work, PowerCut(), destroy the store (its last writes fail), Restore(), open
// again and compare. Renames count as durable at once, since RocksDB syncs the folder behind each.
class LossyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // `torn_tail` is the part, 0 to 1, of each unsynced tail that reaches the disk all the same.
  static std::shared_ptr<LossyFileSystem> Create(double torn_tail = 0);
  explicit LossyFileSystem(double torn_tail);

  // The environment to open a store with; lives as long as this object.
  rocksdb::Env* env() { return env_.get(); }

  // From here on nothing reaches the disk and every write fails.
  void PowerCut();
  // Cuts all files to what was durable at the power cut and works again. Call it with every store closed.
  absl::Status Restore();

  // Appends fail with "no space" after this many more bytes; a negative number ends that.
  void SetFreeBytes(int64_t bytes);
  // Every sync fails with an I/O error while set.
  void SetFailSyncs(bool fail);
  // Syncs of files that succeeded so far.
  int64_t syncs() const;

  const char* Name() const override { return "LossyFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  class WritableFile;
  class Directory;
  struct FileState {
    uint64_t written = 0;
    uint64_t synced = 0;
    bool named = false;  // its folder was synced since it was made
  };

  rocksdb::IOStatus Wrap(const std::string& path, uint64_t size, std::unique_ptr<rocksdb::FSWritableFile>* file);
  // Called by files and folders: whether the operation may go on, and what it changed.
  rocksdb::IOStatus BeforeAppend(size_t bytes);
  rocksdb::IOStatus BeforeSync();
  void Appended(const std::string& path, size_t bytes);
  void Truncated(const std::string& path, uint64_t size);
  rocksdb::IOStatus Synced(const std::string& path, uint64_t size);
  rocksdb::IOStatus FolderSynced(const std::string& folder);
  uint64_t WrittenBytes(const std::string& path);

  const double torn_tail_;
  std::unique_ptr<rocksdb::Env> env_;
  mutable absl::Mutex mutex_;
  std::map<std::string, FileState> files_ ABSL_GUARDED_BY(mutex_);
  bool cut_ ABSL_GUARDED_BY(mutex_) = false;
  bool fail_syncs_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t free_bytes_ ABSL_GUARDED_BY(mutex_) = -1;
  int64_t syncs_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Flips one bit of the byte at `offset` (negative: from the end) of a file.
absl::Status FlipBit(const std::string& path, int64_t offset);

}  // namespace assay::store
