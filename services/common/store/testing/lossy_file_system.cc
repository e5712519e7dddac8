// SPDX-License-Identifier: Apache-2.0
#include "services/common/store/testing/lossy_file_system.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/unique_fd.h"

namespace assay::store {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class LossyFileSystem::WritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WritableFile(LossyFileSystem* owner, std::string path, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), owner_(owner), path_(std::move(path)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = owner_->BeforeAppend(data.size());
    if (status.ok()) status = FSWritableFileOwnerWrapper::Append(data, options, debug);
    if (status.ok()) owner_->Appended(path_, data.size());
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = owner_->BeforeAppend(0);
    if (status.ok()) status = FSWritableFileOwnerWrapper::Truncate(size, options, debug);
    if (status.ok()) owner_->Truncated(path_, size);
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return SyncWith([&] { return FSWritableFileOwnerWrapper::Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return SyncWith([&] { return FSWritableFileOwnerWrapper::Fsync(options, debug); });
  }

 private:
  template <typename RealSync>
  IOStatus SyncWith(RealSync sync) {
    // What is appended while the sync runs is not covered by it.
    const uint64_t covered = owner_->WrittenBytes(path_);
    IOStatus status = owner_->BeforeSync();
    if (status.ok()) status = sync();
    return status.ok() ? owner_->Synced(path_, covered) : status;
  }

  LossyFileSystem* const owner_;
  const std::string path_;
};

class LossyFileSystem::Directory final : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(LossyFileSystem* owner, std::string path, std::unique_ptr<rocksdb::FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)), owner_(owner), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = owner_->BeforeSync();
    if (status.ok()) status = FSDirectoryWrapper::Fsync(options, debug);
    return status.ok() ? owner_->FolderSynced(path_) : status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& sync_options) override {
    IOStatus status = owner_->BeforeSync();
    if (status.ok()) status = FSDirectoryWrapper::FsyncWithDirOptions(options, debug, sync_options);
    return status.ok() ? owner_->FolderSynced(path_) : status;
  }

 private:
  LossyFileSystem* const owner_;
  const std::string path_;
};

LossyFileSystem::LossyFileSystem(double torn_tail)
    : FileSystemWrapper(rocksdb::FileSystem::Default()), torn_tail_(torn_tail) {}

std::shared_ptr<LossyFileSystem> LossyFileSystem::Create(double torn_tail) {
  auto system = std::make_shared<LossyFileSystem>(torn_tail);
  // The environment must not own the object that owns it.
  system->env_ = rocksdb::NewCompositeEnv(std::shared_ptr<rocksdb::FileSystem>(system.get(), [](auto*) {}));
  return system;
}

void LossyFileSystem::PowerCut() {
  absl::MutexLock lock(&mutex_);
  cut_ = true;
}

absl::Status LossyFileSystem::Restore() {
  absl::MutexLock lock(&mutex_);
  for (auto it = files_.begin(); it != files_.end();) {
    const auto& [path, state] = *it;
    std::error_code error;
    if (!state.named) {
      std::filesystem::remove(path, error);
      it = files_.erase(it);
      continue;
    }
    const uint64_t kept =
        state.synced + static_cast<uint64_t>(static_cast<double>(state.written - state.synced) * torn_tail_);
    if (std::filesystem::exists(path, error)) std::filesystem::resize_file(path, kept, error);
    if (error) return ErrnoStatus(error.value(), absl::StrCat("cut ", path));
    it->second.written = it->second.synced = kept;
    ++it;
  }
  cut_ = false;
  return absl::OkStatus();
}

void LossyFileSystem::SetFreeBytes(int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  free_bytes_ = bytes;
}

void LossyFileSystem::SetFailSyncs(bool fail) {
  absl::MutexLock lock(&mutex_);
  fail_syncs_ = fail;
}

int64_t LossyFileSystem::syncs() const {
  absl::MutexLock lock(&mutex_);
  return syncs_;
}

IOStatus LossyFileSystem::Wrap(const std::string& path, uint64_t size,
                               std::unique_ptr<rocksdb::FSWritableFile>* file) {
  absl::MutexLock lock(&mutex_);
  FileState& state = files_[path];
  state.written = size;
  state.synced = std::min(state.synced, size);
  *file = std::make_unique<WritableFile>(this, path, std::move(*file));
  return IOStatus::OK();
}

IOStatus LossyFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  IOStatus status = BeforeAppend(0);
  if (status.ok()) status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
  return status.ok() ? Wrap(path, 0, file) : status;
}

IOStatus LossyFileSystem::ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  IOStatus status = BeforeAppend(0);
  if (status.ok()) status = FileSystemWrapper::ReopenWritableFile(path, options, file, debug);
  return status.ok() ? Wrap(path, (*file)->GetFileSize(IOOptions(), nullptr), file) : status;
}

IOStatus LossyFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                       std::unique_ptr<rocksdb::FSDirectory>* directory, IODebugContext* debug) {
  const IOStatus status = FileSystemWrapper::NewDirectory(path, options, directory, debug);
  if (status.ok()) *directory = std::make_unique<Directory>(this, path, std::move(*directory));
  return status;
}

IOStatus LossyFileSystem::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                                     IODebugContext* debug) {
  IOStatus status = BeforeAppend(0);
  if (status.ok()) status = FileSystemWrapper::RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  if (const auto it = files_.find(from); it != files_.end()) {
    files_[to] = it->second;
    files_[to].named = true;
    files_.erase(from);
  }
  return status;
}

IOStatus LossyFileSystem::DeleteFile(const std::string& path, const IOOptions& options, IODebugContext* debug) {
  IOStatus status = BeforeAppend(0);
  if (status.ok()) status = FileSystemWrapper::DeleteFile(path, options, debug);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  files_.erase(path);
  return status;
}

IOStatus LossyFileSystem::BeforeAppend(size_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (cut_) return IOStatus::IOError("power is off");
  if (free_bytes_ < 0) return IOStatus::OK();
  if (static_cast<int64_t>(bytes) > free_bytes_) return IOStatus::NoSpace("disk is full");
  free_bytes_ -= static_cast<int64_t>(bytes);
  return IOStatus::OK();
}

IOStatus LossyFileSystem::BeforeSync() {
  absl::MutexLock lock(&mutex_);
  if (cut_) return IOStatus::IOError("power is off");
  if (fail_syncs_) return IOStatus::IOError("sync failed");
  return IOStatus::OK();
}

void LossyFileSystem::Appended(const std::string& path, size_t bytes) {
  absl::MutexLock lock(&mutex_);
  files_[path].written += bytes;
}

void LossyFileSystem::Truncated(const std::string& path, uint64_t size) {
  absl::MutexLock lock(&mutex_);
  FileState& state = files_[path];
  state.written = size;
  state.synced = std::min(state.synced, size);
}

IOStatus LossyFileSystem::Synced(const std::string& path, uint64_t size) {
  absl::MutexLock lock(&mutex_);
  // A power cut during the sync decides that it did not happen, and nobody may hear otherwise.
  if (cut_) return IOStatus::IOError("power is off");
  FileState& state = files_[path];
  state.synced = std::max(state.synced, size);
  ++syncs_;
  return IOStatus::OK();
}

IOStatus LossyFileSystem::FolderSynced(const std::string& folder) {
  absl::MutexLock lock(&mutex_);
  if (cut_) return IOStatus::IOError("power is off");
  for (auto& [path, state] : files_) {
    if (std::filesystem::path(path).parent_path() == std::filesystem::path(folder + "/").parent_path()) {
      state.named = true;
    }
  }
  return IOStatus::OK();
}

uint64_t LossyFileSystem::WrittenBytes(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  return files_[path].written;
}

absl::Status FlipBit(const std::string& path, int64_t offset) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.is_open()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  const off_t at = ::lseek(fd.get(), offset, offset < 0 ? SEEK_END : SEEK_SET);
  char byte = 0;
  if (at < 0 || ::pread(fd.get(), &byte, 1, at) != 1) return absl::OutOfRangeError(absl::StrCat(path, ": too short"));
  byte = static_cast<char>(byte ^ 0x10);
  if (::pwrite(fd.get(), &byte, 1, at) != 1) return ErrnoStatus(errno, absl::StrCat("write ", path));
  return absl::OkStatus();
}

}  // namespace assay::store
