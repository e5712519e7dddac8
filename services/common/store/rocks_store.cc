// SPDX-License-Identifier: Apache-2.0
#include "services/common/store/rocks_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/store/state_hash.h"

namespace assay::store {

struct StoreMemory::Parts {
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
};

StoreMemory::StoreMemory(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
StoreMemory::~StoreMemory() = default;

std::shared_ptr<StoreMemory> StoreMemory::Create(size_t cache_bytes, size_t write_buffer_bytes) {
  auto parts = std::make_unique<Parts>();
  parts->cache = rocksdb::NewLRUCache(cache_bytes);
  parts->write_buffers = std::make_shared<rocksdb::WriteBufferManager>(write_buffer_bytes, parts->cache);
  return std::make_shared<StoreMemory>(std::move(parts));
}

namespace {

rocksdb::Slice ToSlice(absl::string_view text) { return {text.data(), text.size()}; }
absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

absl::Status ToStatus(const rocksdb::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(what, ": ", status.ToString());
  if (status.IsNotFound()) return absl::NotFoundError(message);
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  if (status.IsInvalidArgument()) return absl::InvalidArgumentError(message);
  if (status.IsNotSupported()) return absl::FailedPreconditionError(message);
  return absl::InternalError(message);
}

// Remembers the first failure, whether a caller saw it or a background thread.
class FailureListener final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    Fail(ToStatus(*error, "background work"));
  }
  void Fail(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (failure_.ok()) failure_ = status;
  }
  absl::Status failure() const {
    absl::MutexLock lock(&mutex_);
    return failure_;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

// RocksDB's own log would be a file of the database's folder: a reading command must not add one to a folder that it may
// not even be allowed to write, and on a full disk this release aborts the process when it goes on writing it.
class WarningLogger final : public rocksdb::Logger {
 public:
  WarningLogger() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char text[1024];
    std::vsnprintf(text, sizeof text, format, arguments);
    LogWarning("RocksDB warns", {{"text", text}});
  }
};

rocksdb::DBOptions DatabaseOptions(const RocksStoreOptions& options, const StoreMemory::Parts& memory,
                                   std::shared_ptr<FailureListener> listener) {
  rocksdb::DBOptions db;
  if (options.env != nullptr) db.env = options.env;
  db.create_if_missing = !options.read_only;
  db.create_missing_column_families = !options.read_only;
  db.paranoid_checks = true;
  db.verify_sst_unique_id_in_manifest = true;
  // Finds a log file that vanished. SyncWAL() must then never be called: in this release it makes the next open report
  // a missing log that is there.
  db.track_and_verify_wals_in_manifest = true;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Recycled logs and compressed logs both recover wrongly in this release.
  db.recycle_log_file_num = 0;
  db.wal_compression = rocksdb::kNoCompression;
  db.manual_wal_flush = false;
  // A file takes what it holds. Space set aside makes no durable append faster, and each store's 13 MiB of it would
  // fail the writes of others where little is left.
  db.allow_fallocate = false;
  db.allow_data_in_errors = false;
  db.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  db.write_buffer_manager = memory.write_buffers;
  db.max_background_jobs = 2;
  db.max_open_files = 256;
  db.bytes_per_sync = 1 << 20;
  db.max_total_wal_size = 64 << 20;
  db.info_log = std::make_shared<WarningLogger>();
  db.listeners.push_back(std::move(listener));
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(size_t prefix_bytes, const StoreMemory::Parts& memory) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory.cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.write_buffer_size = 8 << 20;
  // Every table takes a block with its first row, out of the write buffers of all: with RocksDB's own choice of 1 MiB a
  // dozen tables with next to nothing in them are "full" and flush every few batches.
  family.arena_block_size = 64 << 10;
  family.compression = rocksdb::kNoCompression;
  family.bottommost_compression = rocksdb::kZSTD;
  family.memtable_whole_key_filtering = true;
  family.memtable_prefix_bloom_size_ratio = 0.02;
  if (prefix_bytes > 0) family.prefix_extractor.reset(rocksdb::NewCappedPrefixTransform(prefix_bytes));
  return family;
}

// The first key after every key that starts with `prefix`.
std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xFF) end.pop_back();
  // Nothing sorts after a prefix of 0xFF bytes but longer runs of them than any key may have.
  if (end.empty()) return std::string(kMaxKeyBytes + 1, '\xFF');
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

absl::Status CheckChange(const Batch::Change& change) {
  if (change.key.size() > kMaxKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(change.table, ": key of ", change.key.size(), " bytes, at most ", kMaxKeyBytes, " are allowed"));
  }
  if (change.value.size() > kMaxValueBytes) {
    return absl::InvalidArgumentError(absl::StrCat(change.table, ": value of ", change.value.size(),
                                                   " bytes, at most ", kMaxValueBytes, " are allowed"));
  }
  if (change.kind == Batch::Change::Kind::kDeletePrefix && change.key.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(change.table, ": the prefix to delete is empty"));
  }
  return absl::OkStatus();
}

}  // namespace

class RocksStore::Impl {
 public:
  explicit Impl(RocksStoreOptions options) : options_(std::move(options)) {
    if (options_.memory == nullptr) options_.memory = StoreMemory::Create(32 << 20, 16 << 20);
  }
  ~Impl() { Close(); }

  absl::Status Open();
  absl::Status Write(const Batch& batch, bool sync);
  // With a null snapshot: as it is now.
  absl::StatusOr<std::string> Get(absl::string_view table, absl::string_view key, const rocksdb::Snapshot* snapshot);
  absl::StatusOr<std::vector<Row>> Scan(absl::string_view table, absl::string_view prefix, absl::string_view start,
                                        size_t limit, const rocksdb::Snapshot* snapshot);
  const rocksdb::Snapshot* TakeSnapshot() { return db_->GetSnapshot(); }
  void Release(const rocksdb::Snapshot* snapshot) { db_->ReleaseSnapshot(snapshot); }
  absl::StatusOr<std::vector<Row>> ScanBackwards(absl::string_view table, absl::string_view prefix,
                                                 absl::string_view start, size_t limit);
  absl::StatusOr<std::string> StateHash(const std::vector<Table>& tables);
  absl::Status health() const;
  absl::Status CheckWritable() const;
  absl::Status VerifyChecksums() { return ToStatus(db_->VerifyChecksum(), options_.path); }
  absl::Status Compact();

 private:
  struct Family {
    // Null in a read-only store whose folder predates the table: it reads as empty.
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    size_t prefix_bytes = 0;
  };

  absl::Status CheckTables(const std::vector<std::string>& held) const;
  absl::Status OpenDatabase(const rocksdb::DBOptions& db_options, const std::vector<std::string>& held);
  absl::Status OpenFailure(const rocksdb::Status& status) const;
  absl::StatusOr<Family> Find(absl::string_view table) const;
  absl::Status AddToBatch(const Batch::Change& change, rocksdb::WriteBatch& batch) const;
  absl::Status HashTable(absl::string_view table, const rocksdb::Snapshot* snapshot, StateHasher& hasher) const;
  void Close();

  RocksStoreOptions options_;
  const std::shared_ptr<FailureListener> listener_ = std::make_shared<FailureListener>();
  // Constant after Open().
  std::unique_ptr<rocksdb::DB> db_;
  std::map<Table, Family, std::less<>> families_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

absl::Status RocksStore::Impl::CheckTables(const std::vector<std::string>& held) const {
  for (const std::string& name : held) {
    if (name == rocksdb::kDefaultColumnFamilyName) continue;
    const bool known = std::any_of(options_.tables.begin(), options_.tables.end(),
                                   [&](const TableOptions& table) { return table.name == name; });
    if (!known && !options_.read_only) {
      return absl::FailedPreconditionError(
          absl::StrCat(options_.path, ": holds the table \"", name, "\", which this program does not know"));
    }
  }
  return absl::OkStatus();
}

absl::Status RocksStore::Impl::OpenFailure(const rocksdb::Status& status) const {
  // RocksDB has no code of its own for a folder that is in use.
  if (status.IsIOError() && absl::StrContains(status.ToString(), "/LOCK")) {
    return absl::FailedPreconditionError(
        absl::StrCat(options_.path, ": in use by another process; stop it or name another folder"));
  }
  return ToStatus(status, absl::StrCat("open ", options_.path));
}

absl::Status RocksStore::Impl::Open() {
  const StoreMemory::Parts& memory = options_.memory->parts();
  const rocksdb::DBOptions db_options = DatabaseOptions(options_, memory, listener_);
  std::vector<std::string> held;
  const bool exists = db_options.env->FileExists(absl::StrCat(options_.path, "/CURRENT")).ok();
  if (exists) {
    const rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(db_options, options_.path, &held);
    if (!listed.ok()) return OpenFailure(listed);
  } else if (options_.read_only) {
    return absl::NotFoundError(absl::StrCat(options_.path, ": no store there"));
  } else {
    ASSAY_RETURN_IF_ERROR(MakeDirectories(options_.path));
  }
  ASSAY_RETURN_IF_ERROR(CheckTables(held));
  return OpenDatabase(db_options, held);
}

absl::Status RocksStore::Impl::OpenDatabase(const rocksdb::DBOptions& db_options,
                                            const std::vector<std::string>& held) {
  const StoreMemory::Parts& memory = options_.memory->parts();
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName, FamilyOptions(0, memory));
  for (const TableOptions& table : options_.tables) {
    families_[table.name] = {nullptr, table.prefix_bytes};
    if (options_.read_only && std::find(held.begin(), held.end(), table.name) == held.end()) continue;
    descriptors.emplace_back(table.name, FamilyOptions(table.prefix_bytes, memory));
  }
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      options_.read_only ? rocksdb::DB::OpenForReadOnly(db_options, options_.path, descriptors, &handles_, &db)
                         : rocksdb::DB::Open(db_options, options_.path, descriptors, &handles_, &db);
  if (!status.ok()) return OpenFailure(status);
  db_.reset(db);
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (const auto it = families_.find(handle->GetName()); it != families_.end()) it->second.handle = handle;
  }
  return absl::OkStatus();
}

void RocksStore::Impl::Close() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  const rocksdb::Status status = db_->Close();
  if (!status.ok()) LogWarning("store closed with an error", {{"status", status.ToString()}});
}

absl::StatusOr<RocksStore::Impl::Family> RocksStore::Impl::Find(absl::string_view table) const {
  const auto it = families_.find(table);
  if (it == families_.end()) return absl::InvalidArgumentError(absl::StrCat("no table \"", table, "\""));
  return it->second;
}

absl::Status RocksStore::Impl::health() const {
  if (options_.read_only) return absl::FailedPreconditionError(absl::StrCat(options_.path, ": opened for reading"));
  const absl::Status failure = listener_->failure();
  if (failure.ok()) return failure;
  return absl::Status(failure.code(), absl::StrCat(options_.path, ": read-only until it is opened again, because of: ",
                                                   failure.message()));
}

absl::Status RocksStore::Impl::CheckWritable() const {
  const absl::Status status = health();
  return status.ok() ? status : absl::FailedPreconditionError(status.message());
}

absl::Status RocksStore::Impl::AddToBatch(const Batch::Change& change, rocksdb::WriteBatch& batch) const {
  ASSAY_RETURN_IF_ERROR(CheckChange(change));
  ASSAY_ASSIGN_OR_RETURN(const Family family, Find(change.table));
  switch (change.kind) {
    case Batch::Change::Kind::kPut:
      return ToStatus(batch.Put(family.handle, change.key, change.value), "put");
    case Batch::Change::Kind::kDelete:
      return ToStatus(batch.Delete(family.handle, change.key), "delete");
    case Batch::Change::Kind::kDeletePrefix:
      return ToStatus(batch.DeleteRange(family.handle, change.key, PrefixEnd(change.key)), "delete prefix");
  }
  return absl::InternalError("unknown kind of change");
}

absl::Status RocksStore::Impl::Write(const Batch& batch, bool sync) {
  ASSAY_RETURN_IF_ERROR(CheckWritable());
  constexpr size_t kProtectionBytesPerKey = 8;
  rocksdb::WriteBatch changes(0, 0, kProtectionBytesPerKey, 0);
  for (const Batch::Change& change : batch.changes()) ASSAY_RETURN_IF_ERROR(AddToBatch(change, changes));
  rocksdb::WriteOptions write;
  write.sync = sync;
  const absl::Status status = ToStatus(db_->Write(write, &changes), absl::StrCat("write ", options_.path));
  if (!status.ok()) {
    listener_->Fail(status);
    LogError("store write failed", {{"path", options_.path}, {"status", status.ToString()}});
  }
  return status;
}

absl::StatusOr<std::string> RocksStore::Impl::Get(absl::string_view table, absl::string_view key,
                                                  const rocksdb::Snapshot* snapshot) {
  ASSAY_ASSIGN_OR_RETURN(const Family family, Find(table));
  if (family.handle == nullptr) return absl::NotFoundError(absl::StrCat(table, ": no such key"));
  rocksdb::ReadOptions read;
  read.snapshot = snapshot;
  std::string value;
  const rocksdb::Status status = db_->Get(read, family.handle, ToSlice(key), &value);
  if (status.IsNotFound()) return absl::NotFoundError(absl::StrCat(table, ": no such key"));
  if (!status.ok()) return ToStatus(status, table);
  return value;
}

absl::StatusOr<std::vector<Row>> RocksStore::Impl::Scan(absl::string_view table, absl::string_view prefix,
                                                        absl::string_view start, size_t limit,
                                                        const rocksdb::Snapshot* snapshot) {
  ASSAY_ASSIGN_OR_RETURN(const Family family, Find(table));
  std::vector<Row> rows;
  if (family.handle == nullptr) return rows;
  rocksdb::ReadOptions read;
  read.snapshot = snapshot;
  // Whoever reads all rows of one moment must not drive out what is read all the time.
  read.fill_cache = snapshot == nullptr;
  const bool names_owner = family.prefix_bytes > 0 && prefix.size() >= family.prefix_bytes;
  read.total_order_seek = !names_owner;
  read.prefix_same_as_start = names_owner;
  const std::string end = PrefixEnd(prefix);
  const rocksdb::Slice bound(end);
  if (!prefix.empty()) read.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(read, family.handle));
  for (row->Seek(ToSlice(std::max(prefix, start))); row->Valid() && rows.size() < limit; row->Next()) {
    rows.push_back({row->key().ToString(), row->value().ToString()});
  }
  if (!row->status().ok()) return ToStatus(row->status(), table);
  return rows;
}

absl::StatusOr<std::vector<Row>> RocksStore::Impl::ScanBackwards(absl::string_view table, absl::string_view prefix,
                                                                 absl::string_view start, size_t limit) {
  ASSAY_ASSIGN_OR_RETURN(const Family family, Find(table));
  std::vector<Row> rows;
  if (family.handle == nullptr) return rows;
  rocksdb::ReadOptions read;
  read.total_order_seek = true;
  const std::string end = PrefixEnd(prefix);
  // The upper bound is exclusive, which is just what `start` means here.
  const rocksdb::Slice bound = start.empty() ? rocksdb::Slice(end) : ToSlice(std::min<absl::string_view>(start, end));
  if (!start.empty() || !prefix.empty()) read.iterate_upper_bound = &bound;
  const rocksdb::Slice lower = ToSlice(prefix);
  read.iterate_lower_bound = &lower;
  const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(read, family.handle));
  for (row->SeekToLast(); row->Valid() && rows.size() < limit; row->Prev()) {
    rows.push_back({row->key().ToString(), row->value().ToString()});
  }
  if (!row->status().ok()) return ToStatus(row->status(), table);
  return rows;
}

absl::Status RocksStore::Impl::HashTable(absl::string_view table, const rocksdb::Snapshot* snapshot,
                                         StateHasher& hasher) const {
  ASSAY_ASSIGN_OR_RETURN(const Family family, Find(table));
  hasher.BeginTable(table);
  if (family.handle == nullptr) return absl::OkStatus();
  rocksdb::ReadOptions read;
  read.snapshot = snapshot;
  read.total_order_seek = true;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(read, family.handle));
  for (row->SeekToFirst(); row->Valid(); row->Next()) hasher.AddRow(ToView(row->key()), ToView(row->value()));
  return ToStatus(row->status(), table);
}

absl::StatusOr<std::string> RocksStore::Impl::StateHash(const std::vector<Table>& tables) {
  const rocksdb::Snapshot* snapshot = db_->GetSnapshot();
  StateHasher hasher;
  absl::Status status;
  for (const Table& table : tables) {
    status = HashTable(table, snapshot, hasher);
    if (!status.ok()) break;
  }
  db_->ReleaseSnapshot(snapshot);
  if (!status.ok()) return status;
  return hasher.Finish();
}

absl::Status RocksStore::Impl::Compact() {
  ASSAY_RETURN_IF_ERROR(CheckWritable());
  for (const auto& [name, family] : families_) {
    const rocksdb::Status status =
        db_->CompactRange(rocksdb::CompactRangeOptions(), family.handle, nullptr, nullptr);
    if (!status.ok()) return ToStatus(status, absl::StrCat("compact ", name));
  }
  return absl::OkStatus();
}

RocksStore::RocksStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksStore::~RocksStore() = default;

absl::StatusOr<std::unique_ptr<RocksStore>> RocksStore::Open(RocksStoreOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  ASSAY_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(impl)));
}

absl::Status RocksStore::Write(const Batch& batch, bool sync) { return impl_->Write(batch, sync); }

absl::StatusOr<std::string> RocksStore::Get(absl::string_view table, absl::string_view key) {
  return impl_->Get(table, key, nullptr);
}

absl::StatusOr<std::vector<Row>> RocksStore::Scan(absl::string_view table, absl::string_view prefix,
                                                  absl::string_view start, size_t limit) {
  return impl_->Scan(table, prefix, start, limit, nullptr);
}

absl::StatusOr<std::vector<Row>> RocksStore::ScanBackwards(absl::string_view table, absl::string_view prefix,
                                                           absl::string_view start, size_t limit) {
  return impl_->ScanBackwards(table, prefix, start, limit);
}

absl::StatusOr<std::string> RocksStore::StateHash(const std::vector<Table>& tables) {
  return impl_->StateHash(tables);
}

class RocksSnapshot::Impl {
 public:
  explicit Impl(RocksStore::Impl& store) : store(store), snapshot(store.TakeSnapshot()) {}
  ~Impl() { store.Release(snapshot); }

  RocksStore::Impl& store;
  const rocksdb::Snapshot* const snapshot;
};

RocksSnapshot::RocksSnapshot(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksSnapshot::~RocksSnapshot() = default;

absl::StatusOr<std::string> RocksSnapshot::Get(absl::string_view table, absl::string_view key) const {
  return impl_->store.Get(table, key, impl_->snapshot);
}

absl::StatusOr<std::vector<Row>> RocksSnapshot::Scan(absl::string_view table, absl::string_view prefix,
                                                     absl::string_view start, size_t limit) const {
  return impl_->store.Scan(table, prefix, start, limit, impl_->snapshot);
}

std::unique_ptr<RocksSnapshot> RocksStore::TakeSnapshot() {
  return std::unique_ptr<RocksSnapshot>(new RocksSnapshot(std::make_unique<RocksSnapshot::Impl>(*impl_)));
}

absl::Status RocksStore::health() const { return impl_->health(); }
absl::Status RocksStore::VerifyChecksums() { return impl_->VerifyChecksums(); }
absl::Status RocksStore::Compact() { return impl_->Compact(); }

}  // namespace assay::store
