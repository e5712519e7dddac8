// SPDX-License-Identifier: Apache-2.0
#include "services/common/blob/folder_blob_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::blob {
namespace {

namespace fs = std::filesystem;

constexpr char kIncoming[] = ".incoming";
constexpr char kRemoved[] = ".removed";
constexpr char kNamesLock[] = ".names.lock";
constexpr size_t kMaxVerified = 10000;
constexpr size_t kMaxDurable = 10000;
// Room is reserved and the disk is looked at in steps, not for every chunk.
constexpr uint64_t kReserveStep = 1 << 20;

absl::StatusOr<struct stat> StatFile(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) return ErrnoStatus(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::DataLossError(absl::StrCat(path, ": not a file"));
  return info;
}

absl::StatusOr<Digest> HashFile(int fd, const std::string& path) {
  Hasher hasher;
  std::string buffer(256 << 10, '\0');
  for (off_t at = 0;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
    if (got == 0) return hasher.Finish();
    hasher.Update({buffer.data(), static_cast<size_t>(got)});
    at += got;
  }
}

absl::Time ToTime(const timespec& time) { return absl::TimeFromTimespec(time); }

BlobInfo ToInfo(const Digest& digest, const struct stat& info) {
  return {digest, static_cast<uint64_t>(info.st_size), ToTime(info.st_mtim)};
}

// Makes a folder whose name survives a power loss.
absl::Status MakeDurableDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    return errno == EEXIST ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("create folder ", path));
  }
  return SyncDirectory(fs::path(path).parent_path());
}

// The names in a folder, without hidden ones, in order: the first `limit` after `after`. A missing folder has none.
absl::StatusOr<std::vector<std::string>> Names(const std::string& path, absl::string_view after = "",
                                               size_t limit = SIZE_MAX) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename();
    if (name.empty() || name[0] == '.' || name <= after) continue;
    names.insert(std::move(name));
    if (names.size() > limit) names.erase(std::prev(names.end()));
  }
  if (error && error != std::errc::no_such_file_or_directory) return ErrnoStatus(error.value(), path);
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace

// No other thread changes names meanwhile, nor, in a shared folder, another process.
class ABSL_SCOPED_LOCKABLE FolderBlobStore::NamesLock {
 public:
  explicit NamesLock(FolderBlobStore& store) ABSL_EXCLUSIVE_LOCK_FUNCTION(store.names_mutex_) : store_(store) {
    store_.names_mutex_.Lock();
    if (!store_.is_shared()) return;
    while (::flock(store_.names_lock_.get(), LOCK_EX) != 0) {
      if (errno == EINTR) continue;
      status_ = ErrnoStatus(errno, absl::StrCat("lock ", store_.options_.path));
      return;
    }
  }
  NamesLock(const NamesLock&) = delete;
  NamesLock& operator=(const NamesLock&) = delete;
  ~NamesLock() ABSL_UNLOCK_FUNCTION() {
    if (store_.is_shared()) (void)::flock(store_.names_lock_.get(), LOCK_UN);
    store_.names_mutex_.Unlock();
  }
  const absl::Status& status() const { return status_; }

 private:
  FolderBlobStore& store_;
  absl::Status status_;
};

class FolderBlobStore::FileWriter final : public Writer {
 public:
  FileWriter(FolderBlobStore& store, Owner owner, uint64_t max_bytes, std::string path, UniqueFd fd)
      : store_(store), owner_(std::move(owner)), max_bytes_(max_bytes), path_(std::move(path)), fd_(std::move(fd)) {}

  ~FileWriter() override {
    if (!published_) ::unlink(path_.c_str());
    store_.WriterGone(owner_.tenant, reserved_, published_ ? written_ : 0);
  }

  absl::Status Append(absl::string_view chunk) override {
    ASSAY_RETURN_IF_ERROR(failure_);
    failure_ = Write(chunk);
    return failure_;
  }

  absl::StatusOr<Digest> Commit() override {
    ASSAY_RETURN_IF_ERROR(failure_);
    failure_ = absl::FailedPreconditionError("the blob was committed before");
    const Digest digest = hasher_.Finish();
    ASSAY_RETURN_IF_ERROR(store_.Publish(path_, fd_.get(), owner_, digest));
    published_ = true;
    return digest;
  }

 private:
  absl::Status Write(absl::string_view chunk) {
    if (chunk.size() > max_bytes_ - written_) {
      return absl::ResourceExhaustedError(absl::StrCat("blob: more than the ", max_bytes_, " bytes allowed"));
    }
    if (written_ + chunk.size() > reserved_) {
      const uint64_t wanted = std::max(written_ + chunk.size() - reserved_,
                                       std::min(kReserveStep, max_bytes_ - reserved_));
      ASSAY_RETURN_IF_ERROR(store_.Reserve(owner_.tenant, wanted));
      reserved_ += wanted;
    }
    hasher_.Update(chunk);
    while (!chunk.empty()) {
      const ssize_t written = ::write(fd_.get(), chunk.data(), chunk.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return ErrnoStatus(errno, absl::StrCat("write ", path_));
      written_ += static_cast<uint64_t>(written);
      chunk.remove_prefix(static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  FolderBlobStore& store_;
  const Owner owner_;
  const uint64_t max_bytes_;
  const std::string path_;
  const UniqueFd fd_;
  Hasher hasher_;
  uint64_t written_ = 0;
  uint64_t reserved_ = 0;
  bool published_ = false;
  absl::Status failure_;
};

FolderBlobStore::FolderBlobStore(FolderBlobStoreOptions options, Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

absl::StatusOr<std::unique_ptr<FolderBlobStore>> FolderBlobStore::Open(FolderBlobStoreOptions options, Clock& clock) {
  auto store = std::unique_ptr<FolderBlobStore>(new FolderBlobStore(std::move(options), clock));
  const std::string& path = store->options_.path;
  if (store->options_.read_only) {
    if (!fs::is_directory(path)) return absl::NotFoundError(absl::StrCat(path, ": no blobs there"));
    return store;
  }
  ASSAY_RETURN_IF_ERROR(MakeDirectories(path));
  if (store->is_shared()) ASSAY_RETURN_IF_ERROR(store->OpenShared());
  ASSAY_RETURN_IF_ERROR(store->RemoveLeftovers());
  ASSAY_RETURN_IF_ERROR(store->Recount());
  return store;
}

absl::Status FolderBlobStore::OpenShared() {
  for (const char* name : {kIncoming, kRemoved}) {
    ASSAY_RETURN_IF_ERROR(MakeDurableDirectory(absl::StrCat(options_.path, "/", name)));
  }
  const std::string path = absl::StrCat(options_.path, "/", kNamesLock);
  names_lock_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  return names_lock_.is_open() ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("create ", path));
}

absl::Status FolderBlobStore::RemoveLeftovers() {
  for (const char* name : {kIncoming, kRemoved}) {
    const std::string folder = TemporaryFolder(name);
    std::error_code error;
    fs::remove_all(folder, error);
    if (error) return ErrnoStatus(error.value(), absl::StrCat("remove ", folder));
    ASSAY_RETURN_IF_ERROR(MakeDurableDirectory(folder));
  }
  return absl::OkStatus();
}

absl::Status FolderBlobStore::Recount() {
  constexpr size_t kPage = 1000;
  uint64_t stored = 0;
  absl::flat_hash_map<std::string, uint64_t> by_tenant;
  std::vector<Owner> owners;
  Owner after;
  do {
    ASSAY_ASSIGN_OR_RETURN(owners, Owners(after, kPage));
    for (const Owner& owner : owners) {
      ASSAY_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, List(owner));
      for (const BlobInfo& blob : blobs) {
        stored += blob.size;
        by_tenant[owner.tenant] += blob.size;
      }
      after = owner;
    }
  } while (owners.size() == kPage);
  absl::MutexLock lock(&mutex_);
  total_.used = stored + total_.writing;
  absl::erase_if(by_tenant_, [](const auto& entry) { return entry.second.writing == 0; });
  for (auto& [tenant, usage] : by_tenant_) usage.used = usage.writing;
  for (const auto& [tenant, bytes] : by_tenant) by_tenant_[tenant].used += bytes;
  return absl::OkStatus();
}

std::string FolderBlobStore::OwnerPath(const Owner& owner) const {
  return absl::StrCat(options_.path, "/", owner.tenant, "/", owner.candidate_key);
}

std::string FolderBlobStore::BlobPath(const Owner& owner, const Digest& digest) const {
  return absl::StrCat(OwnerPath(owner), "/", digest.ToHex());
}

std::string FolderBlobStore::TemporaryFolder(absl::string_view name) const {
  return absl::StrCat(options_.path, "/", name, is_shared() ? "/" : "", options_.shared_as);
}

std::string FolderBlobStore::NewTemporary(absl::string_view folder) const {
  return absl::StrCat(TemporaryFolder(folder), "/", Base32(RandomBytes(16)));
}

absl::Status FolderBlobStore::CheckWritable() const {
  if (!options_.read_only) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(options_.path, ": opened for reading"));
}

absl::Status FolderBlobStore::CheckFreeSpace() const {
  ASSAY_ASSIGN_OR_RETURN(const DiskSpace space, GetDiskSpace(options_.path));
  if (space.available >= options_.min_free_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("disk of ", options_.path, ": ", space.available, " bytes free, ",
                                                   options_.min_free_bytes, " needed"));
}

uint64_t FolderBlobStore::LimitOf(absl::string_view tenant) const {
  const auto own = options_.max_bytes_of_tenant.find(tenant);
  return own == options_.max_bytes_of_tenant.end() ? options_.max_tenant_bytes : own->second;
}

absl::Status FolderBlobStore::Reserve(const std::string& tenant, uint64_t bytes) {
  ASSAY_RETURN_IF_ERROR(CheckFreeSpace());
  absl::MutexLock lock(&mutex_);
  if (bytes > options_.max_bytes - std::min(total_.used, options_.max_bytes)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("blob store: ", total_.used, " of ", options_.max_bytes, " bytes are used"));
  }
  Usage& usage = by_tenant_[tenant];
  const uint64_t limit = LimitOf(tenant);
  if (bytes > limit - std::min(usage.used, limit)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("blob store: tenant ", tenant, " uses ", usage.used, " of its ", limit, " bytes"));
  }
  for (Usage* account : {&total_, &usage}) {
    account->used += bytes;
    account->writing += bytes;
  }
  return absl::OkStatus();
}

void FolderBlobStore::Release(const std::string& tenant, uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  for (Usage* account : {&total_, &by_tenant_[tenant]}) account->used -= std::min(bytes, account->used);
}

void FolderBlobStore::WriterGone(const std::string& tenant, uint64_t reserved, uint64_t stored) {
  absl::MutexLock lock(&mutex_);
  --writers_;
  for (Usage* account : {&total_, &by_tenant_[tenant]}) {
    account->writing -= std::min(reserved, account->writing);
    account->used -= std::min(reserved - stored, account->used);
  }
}

absl::Status FolderBlobStore::HasRoom(absl::string_view tenant) const {
  absl::MutexLock lock(&mutex_);
  const auto usage = by_tenant_.find(tenant);
  const uint64_t used = usage == by_tenant_.end() ? 0 : usage->second.used;
  const uint64_t limit = LimitOf(tenant);
  if (used < limit - limit / 8) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("blob store: tenant ", tenant, " uses ", used, " of its ", limit,
                                                   " bytes; new work needs an eighth of them free"));
}

absl::StatusOr<std::unique_ptr<Writer>> FolderBlobStore::Create(const Owner& owner, uint64_t max_bytes) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  ASSAY_RETURN_IF_ERROR(CheckWritable());
  ASSAY_RETURN_IF_ERROR(CheckFreeSpace());
  const std::string path = NewTemporary(kIncoming);
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.is_open()) return ErrnoStatus(errno, absl::StrCat("create ", path));
  absl::MutexLock lock(&mutex_);
  if (writers_ >= options_.max_writers) {
    ::unlink(path.c_str());
    return absl::ResourceExhaustedError(absl::StrCat("blob store: ", writers_, " blobs are being written already"));
  }
  ++writers_;
  return std::unique_ptr<Writer>(std::make_unique<FileWriter>(*this, owner, max_bytes, path, std::move(fd)));
}

absl::Status FolderBlobStore::MakeFolders(const Owner& owner) const {
  const std::string folder = OwnerPath(owner);
  for (const std::string& path : {std::string(fs::path(folder).parent_path()), folder}) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, absl::StrCat("create folder ", path));
    }
  }
  return absl::OkStatus();
}

absl::Status FolderBlobStore::SyncNames(const Owner& owner, uint64_t deletions) {
  const fs::path folder = OwnerPath(owner);
  const absl::Status synced = SyncDirectory(folder);
  // Everything of the candidate was deleted meanwhile, this blob included.
  if (absl::IsNotFound(synced)) return absl::OkStatus();
  ASSAY_RETURN_IF_ERROR(synced);
  for (const fs::path& name : {folder, folder.parent_path()}) {
    {
      absl::MutexLock lock(&mutex_);
      if (durable_folders_.contains(name.string())) continue;
    }
    ASSAY_RETURN_IF_ERROR(SyncDirectory(name.parent_path()));
    // Of a shared folder another process may remove the candidate, and a third one bring it back.
    if (is_shared() && name == folder) continue;
    absl::MutexLock lock(&mutex_);
    if (deletions != deletions_) continue;
    if (durable_folders_.size() >= kMaxDurable) durable_folders_.clear();
    durable_folders_.insert(name.string());
  }
  return absl::OkStatus();
}

absl::Status FolderBlobStore::Publish(const std::string& temporary, int fd, const Owner& owner, const Digest& digest) {
  const timespec now = absl::ToTimespec(clock_.TimeNow());
  const timespec times[2] = {now, now};
  if (::utimensat(AT_FDCWD, temporary.c_str(), times, 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set times of ", temporary));
  }
  // Before the file is flushed: a file system with a journal then makes new folders durable with it.
  ASSAY_RETURN_IF_ERROR(MakeFolders(owner));
  if (::fsync(fd) != 0) return ErrnoStatus(errno, absl::StrCat("fsync ", temporary));
  uint64_t deletions = 0;
  {
    NamesLock names_lock(*this);
    ASSAY_RETURN_IF_ERROR(names_lock.status());
    {
      absl::MutexLock lock(&mutex_);
      deletions = deletions_;
    }
    // Again, for the candidate may have been deleted meanwhile.
    ASSAY_RETURN_IF_ERROR(MakeFolders(owner));
    const std::string path = BlobPath(owner, digest);
    // An older copy is replaced and not kept, because this one was just hashed.
    const absl::StatusOr<struct stat> replaced = StatFile(path);
    if (::rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, absl::StrCat("rename to ", path));
    if (replaced.ok()) Release(owner.tenant, static_cast<uint64_t>(replaced->st_size));
  }
  // Without the lock, so that the disk serves writers that come together with one flush.
  return SyncNames(owner, deletions);
}

FolderBlobStore::Verified FolderBlobStore::Fingerprint(const struct stat& info) {
  return {info.st_ino, info.st_size, absl::ToUnixNanos(ToTime(info.st_mtim)), absl::ToUnixNanos(ToTime(info.st_ctim))};
}

bool FolderBlobStore::IsVerified(const std::string& path, const Verified& fingerprint) const {
  absl::MutexLock lock(&mutex_);
  const auto it = verified_.find(path);
  return it != verified_.end() && it->second == fingerprint;
}

void FolderBlobStore::Remember(const std::string& path, const Verified& fingerprint) {
  absl::MutexLock lock(&mutex_);
  if (verified_.insert_or_assign(path, fingerprint).second) verified_order_.push_back(path);
  while (verified_order_.size() > kMaxVerified) {
    verified_.erase(verified_order_.front());
    verified_order_.pop_front();
  }
}

absl::StatusOr<UniqueFd> FolderBlobStore::Open(const Owner& owner, const Digest& digest) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  const std::string path = BlobPath(owner, digest);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.is_open()) {
    return errno == ENOENT ? absl::NotFoundError(absl::StrCat(digest.ToString(), ": no such blob"))
                           : ErrnoStatus(errno, absl::StrCat("open ", path));
  }
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  const Verified fingerprint = Fingerprint(info);
  if (IsVerified(path, fingerprint)) return fd;
  ASSAY_ASSIGN_OR_RETURN(const Digest found, HashFile(fd.get(), path));
  if (found != digest) {
    LogError("blob is damaged", {{"digest", digest.ToString()}});
    return absl::DataLossError(absl::StrCat(digest.ToString(), ": the stored bytes are not what the name says"));
  }
  Remember(path, fingerprint);
  return fd;
}

absl::StatusOr<BlobInfo> FolderBlobStore::Stat(const Owner& owner, const Digest& digest) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  const absl::StatusOr<struct stat> info = StatFile(BlobPath(owner, digest));
  if (absl::IsNotFound(info.status())) return absl::NotFoundError(absl::StrCat(digest.ToString(), ": no such blob"));
  ASSAY_RETURN_IF_ERROR(info.status());
  return ToInfo(digest, *info);
}

absl::StatusOr<std::vector<BlobInfo>> FolderBlobStore::List(const Owner& owner) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(OwnerPath(owner)));
  std::vector<BlobInfo> blobs;
  for (const std::string& name : names) {
    const absl::StatusOr<Digest> digest = Digest::Parse(absl::StrCat("sha256:", name));
    if (!digest.ok()) continue;
    const absl::StatusOr<BlobInfo> info = Stat(owner, *digest);
    // It may have been removed since it was listed.
    if (absl::IsNotFound(info.status())) continue;
    ASSAY_RETURN_IF_ERROR(info.status());
    blobs.push_back(*info);
  }
  return blobs;
}

absl::StatusOr<std::vector<Owner>> FolderBlobStore::Owners(const Owner& after, size_t limit) {
  std::vector<Owner> owners;
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> tenants, Names(options_.path));
  for (const std::string& tenant : tenants) {
    if (tenant < after.tenant || owners.size() >= limit) continue;
    const std::string& from = tenant == after.tenant ? after.candidate_key : "";
    ASSAY_ASSIGN_OR_RETURN(std::vector<std::string> candidates,
                           Names(absl::StrCat(options_.path, "/", tenant), from, limit - owners.size()));
    for (std::string& candidate : candidates) owners.push_back({tenant, std::move(candidate)});
  }
  return owners;
}

absl::Status FolderBlobStore::Delete(const Owner& owner, const Digest& digest) {
  return DeleteIfOlder(owner, digest, absl::InfiniteFuture());
}

absl::Status FolderBlobStore::DeleteIfOlder(const Owner& owner, const Digest& digest, absl::Time when) {
  ASSAY_RETURN_IF_ERROR(CheckWritable());
  NamesLock names_lock(*this);
  ASSAY_RETURN_IF_ERROR(names_lock.status());
  ASSAY_ASSIGN_OR_RETURN(const BlobInfo info, Stat(owner, digest));
  if (info.modify_time >= when) return absl::FailedPreconditionError("the blob was stored again");
  const std::string path = BlobPath(owner, digest);
  if (::unlink(path.c_str()) != 0) return ErrnoStatus(errno, absl::StrCat("remove ", path));
  Release(owner.tenant, info.size);
  return SyncDirectory(OwnerPath(owner));
}

absl::Status FolderBlobStore::DeleteAll(const Owner& owner) {
  ASSAY_RETURN_IF_ERROR(CheckOwner(owner));
  ASSAY_RETURN_IF_ERROR(CheckWritable());
  const std::string removed = NewTemporary(kRemoved);
  {
    NamesLock names_lock(*this);
    ASSAY_RETURN_IF_ERROR(names_lock.status());
    ASSAY_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, List(owner));
    // The name goes at once and for all blobs together; the bytes follow, and if they do not, at the next start.
    if (::rename(OwnerPath(owner).c_str(), removed.c_str()) != 0) {
      return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("remove ", OwnerPath(owner)));
    }
    for (const BlobInfo& blob : blobs) Release(owner.tenant, blob.size);
    {
      absl::MutexLock lock(&mutex_);
      ++deletions_;
      durable_folders_.erase(OwnerPath(owner));
    }
    ASSAY_RETURN_IF_ERROR(SyncDirectory(fs::path(OwnerPath(owner)).parent_path()));
  }
  std::error_code error;
  fs::remove_all(removed, error);
  return error ? ErrnoStatus(error.value(), absl::StrCat("remove ", removed)) : absl::OkStatus();
}

uint64_t FolderBlobStore::used_bytes() const {
  absl::MutexLock lock(&mutex_);
  return total_.used;
}

}  // namespace assay::blob
