// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/log_storage.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::log {

void AppendNumber32(uint32_t value, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

void AppendNumber64(uint64_t value, std::string& out) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

uint32_t DecodeNumber32(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

uint64_t DecodeNumber64(absl::string_view bytes) {
  return uint64_t{DecodeNumber32(bytes)} << 32 | DecodeNumber32(bytes.substr(4));
}

namespace {

constexpr char kRecordTable[] = "record";
constexpr char kIdentityKey[] = "identity";
constexpr char kPartitionsKey[] = "partitions";
constexpr size_t kRecordKeyBytes = 12;
constexpr size_t kRecordHeaderBytes = 12;

std::string BoundsKey(int32_t partition) {
  std::string key = "bounds";
  AppendNumber32(static_cast<uint32_t>(partition), key);
  return key;
}

std::string EncodeBounds(const PartitionBounds& bounds) {
  std::string value;
  AppendNumber64(static_cast<uint64_t>(bounds.start), value);
  AppendNumber64(static_cast<uint64_t>(bounds.end), value);
  AppendNumber64(bounds.bytes, value);
  return value;
}

std::string RecordKey(int32_t partition, Offset offset) {
  std::string key;
  key.reserve(kRecordKeyBytes);
  AppendNumber32(static_cast<uint32_t>(partition), key);
  AppendNumber64(static_cast<uint64_t>(offset), key);
  return key;
}

std::string EncodeRecord(const Record& record, absl::Time time) {
  std::string value;
  value.reserve(kRecordHeaderBytes + record.key.size() + record.value.size());
  AppendNumber64(static_cast<uint64_t>(absl::ToUnixMicros(time)), value);
  AppendNumber32(static_cast<uint32_t>(record.key.size()), value);
  absl::StrAppend(&value, record.key, record.value);
  return value;
}

absl::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

absl::Status ToStatus(const rocksdb::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(what, ": ", status.ToString());
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

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

rocksdb::Options DatabaseOptions(const LogStorage::Options& options) {
  rocksdb::Options db;
  if (options.env != nullptr) db.env = options.env;
  db.create_if_missing = !options.read_only;
  db.create_missing_column_families = !options.read_only;
  db.paranoid_checks = true;
  db.verify_sst_unique_id_in_manifest = true;
  // With this on, SyncWAL() must never be called: this release would then miss a log file that is there.
  db.track_and_verify_wals_in_manifest = true;
  // Cuts the log at the first damage without a word; the witness is what notices.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  db.recycle_log_file_num = 0;
  db.wal_compression = rocksdb::kNoCompression;
  db.manual_wal_flush = false;
  // As in the store: a file takes what it holds.
  db.allow_fallocate = false;
  db.allow_data_in_errors = false;
  db.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  db.max_background_jobs = 2;
  db.max_open_files = 128;
  db.bytes_per_sync = 1 << 20;
  db.info_log = std::make_shared<WarningLogger>();
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(16 << 20);
  table.format_version = 5;
  db.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  db.write_buffer_size = 16 << 20;
  db.compression = rocksdb::kNoCompression;
  db.bottommost_compression = rocksdb::kZSTD;
  return db;
}

}  // namespace

class LogStorage::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)) {}
  ~Impl() {
    if (db_ == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
    const rocksdb::Status status = db_->Close();
    if (!status.ok()) LogWarning("log closed with an error", {{"status", status.ToString()}});
  }

  absl::Status Open();
  const std::string& identity() const { return identity_; }
  const std::vector<PartitionBounds>& bounds() const { return bounds_; }
  absl::Status Append(const std::vector<Record>& records, absl::Time time, const std::vector<PartitionBounds>& bounds);
  absl::StatusOr<std::vector<Record>> Read(int32_t partition, Offset from, Offset end, size_t max_records,
                                           size_t max_bytes);
  absl::StatusOr<PartitionBounds> FindCut(int32_t partition, const PartitionBounds& now, uint64_t max_bytes,
                                          absl::Time oldest, Offset floor, size_t max_records);
  absl::Status Drop(int32_t partition, const PartitionBounds& bounds);

 private:
  static constexpr size_t kProtectionBytesPerKey = 8;

  rocksdb::ColumnFamilyHandle* meta() const { return handles_[0]; }
  rocksdb::ColumnFamilyHandle* records() const { return handles_[1]; }
  absl::Status Create();
  absl::Status Load();
  absl::Status Write(rocksdb::WriteBatch& batch);
  // Calls `visit(offset, encoded record)` for [from, end) in order until it returns false.
  template <typename Visit>
  absl::Status ForEach(int32_t partition, Offset from, Offset end, Visit visit);

  const Options options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::string identity_;
  std::vector<PartitionBounds> bounds_;
};

absl::Status LogStorage::Impl::Open() {
  const rocksdb::Options db_options = DatabaseOptions(options_);
  const bool exists = db_options.env->FileExists(absl::StrCat(options_.path, "/CURRENT")).ok();
  if (!exists && options_.read_only) return absl::NotFoundError(absl::StrCat(options_.path, ": no log there"));
  if (!exists) ASSAY_RETURN_IF_ERROR(MakeDirectories(options_.path));
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {{rocksdb::kDefaultColumnFamilyName, db_options},
                                                                 {kRecordTable, db_options}};
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      options_.read_only ? rocksdb::DB::OpenForReadOnly(db_options, options_.path, families, &handles_, &db)
                         : rocksdb::DB::Open(db_options, options_.path, families, &handles_, &db);
  // RocksDB has no code of its own for a folder that is in use.
  if (status.IsIOError() && absl::StrContains(status.ToString(), "/LOCK")) {
    return absl::FailedPreconditionError(
        absl::StrCat(options_.path, ": in use by another process; stop it or name another folder"));
  }
  if (!status.ok()) return ToStatus(status, absl::StrCat("open ", options_.path));
  db_.reset(db);
  std::string identity;
  const rocksdb::Status found = db_->Get(rocksdb::ReadOptions(), meta(), kIdentityKey, &identity);
  if (found.IsNotFound() && !options_.read_only) ASSAY_RETURN_IF_ERROR(Create());
  return Load();
}

absl::Status LogStorage::Impl::Create() {
  rocksdb::WriteBatch batch(0, 0, kProtectionBytesPerKey, 0);
  batch.Put(meta(), kIdentityKey, Base32(RandomBytes(16)));
  batch.Put(meta(), kPartitionsKey, absl::StrCat(options_.partitions));
  return Write(batch);
}

absl::Status LogStorage::Impl::Load() {
  std::string partitions;
  int32_t count = 0;
  rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), meta(), kIdentityKey, &identity_);
  if (status.ok()) status = db_->Get(rocksdb::ReadOptions(), meta(), kPartitionsKey, &partitions);
  if (!status.ok() || !absl::SimpleAtoi(partitions, &count)) {
    return absl::DataLossError(absl::StrCat(options_.path, ": the log's identity is missing: ", status.ToString()));
  }
  if (count != options_.partitions) {
    return absl::FailedPreconditionError(absl::StrCat(options_.path, ": made with ", count, " partitions, ",
                                                      options_.partitions, " are configured; the number is fixed"));
  }
  bounds_.resize(static_cast<size_t>(count));
  for (int32_t partition = 0; partition < count; ++partition) {
    std::string value;
    status = db_->Get(rocksdb::ReadOptions(), meta(), BoundsKey(partition), &value);
    if (status.IsNotFound()) continue;
    if (!status.ok() || value.size() != 24) {
      return absl::DataLossError(absl::StrCat(options_.path, ": bounds of partition ", partition, " are damaged"));
    }
    const absl::string_view view = value;
    bounds_[static_cast<size_t>(partition)] = {static_cast<Offset>(DecodeNumber64(view)),
                                               static_cast<Offset>(DecodeNumber64(view.substr(8))),
                                               DecodeNumber64(view.substr(16))};
  }
  return absl::OkStatus();
}

absl::Status LogStorage::Impl::Write(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions write;
  write.sync = true;
  return ToStatus(db_->Write(write, &batch), absl::StrCat("write ", options_.path));
}

absl::Status LogStorage::Impl::Append(const std::vector<Record>& batch_records, absl::Time time,
                                      const std::vector<PartitionBounds>& bounds) {
  rocksdb::WriteBatch batch(0, 0, kProtectionBytesPerKey, 0);
  std::vector<bool> touched(bounds.size());
  for (const Record& record : batch_records) {
    const rocksdb::Status status =
        batch.Put(records(), RecordKey(record.partition, record.offset), EncodeRecord(record, time));
    if (!status.ok()) return ToStatus(status, "put");
    touched[static_cast<size_t>(record.partition)] = true;
  }
  for (size_t partition = 0; partition < bounds.size(); ++partition) {
    if (!touched[partition]) continue;
    const rocksdb::Status status =
        batch.Put(meta(), BoundsKey(static_cast<int32_t>(partition)), EncodeBounds(bounds[partition]));
    if (!status.ok()) return ToStatus(status, "put");
  }
  return Write(batch);
}

template <typename Visit>
absl::Status LogStorage::Impl::ForEach(int32_t partition, Offset from, Offset end, Visit visit) {
  rocksdb::ReadOptions read;
  const std::string upper = RecordKey(partition, end);
  const rocksdb::Slice bound(upper);
  read.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(read, records()));
  Offset expected = from;
  bool more = from < end;
  for (row->Seek(RecordKey(partition, from)); more && row->Valid(); row->Next(), ++expected) {
    const absl::string_view key = ToView(row->key());
    const absl::string_view value = ToView(row->value());
    const bool intact = key.size() == kRecordKeyBytes && value.size() >= kRecordHeaderBytes &&
                        DecodeNumber64(key.substr(4)) == static_cast<uint64_t>(expected) &&
                        DecodeNumber32(value.substr(8)) <= value.size() - kRecordHeaderBytes;
    if (!intact) break;
    more = visit(expected, value) && expected + 1 < end;
  }
  if (!row->status().ok()) return ToStatus(row->status(), options_.path);
  if (!more) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(options_.path, ": partition ", partition, ": offset ", expected, " is missing or damaged"));
}

absl::StatusOr<std::vector<Record>> LogStorage::Impl::Read(int32_t partition, Offset from, Offset end,
                                                           size_t max_records, size_t max_bytes) {
  std::vector<Record> found;
  size_t bytes = 0;
  ASSAY_RETURN_IF_ERROR(ForEach(partition, from, end, [&](Offset offset, absl::string_view value) {
    const size_t key_bytes = DecodeNumber32(value.substr(8));
    const absl::string_view body = value.substr(kRecordHeaderBytes);
    found.push_back({partition, offset, std::string(body.substr(0, key_bytes)), std::string(body.substr(key_bytes))});
    bytes += value.size();
    return found.size() < max_records && bytes < max_bytes;
  }));
  return found;
}

absl::StatusOr<PartitionBounds> LogStorage::Impl::FindCut(int32_t partition, const PartitionBounds& now,
                                                          uint64_t max_bytes, absl::Time oldest, Offset floor,
                                                          size_t max_records) {
  PartitionBounds cut = now;
  const int64_t oldest_micros = absl::ToUnixMicros(oldest);
  ASSAY_RETURN_IF_ERROR(ForEach(partition, now.start, std::min(now.end, floor), [&](Offset, absl::string_view value) {
    const bool too_much = max_bytes > 0 && cut.bytes > max_bytes;
    const bool too_old = static_cast<int64_t>(DecodeNumber64(value)) < oldest_micros;
    if (!too_much && !too_old) return false;
    ++cut.start;
    cut.bytes -= std::min<uint64_t>(cut.bytes, value.size() - kRecordHeaderBytes);
    return static_cast<size_t>(cut.start - now.start) < max_records;
  }));
  return cut;
}

absl::Status LogStorage::Impl::Drop(int32_t partition, const PartitionBounds& bounds) {
  rocksdb::WriteBatch batch(0, 0, kProtectionBytesPerKey, 0);
  rocksdb::Status status = batch.DeleteRange(records(), RecordKey(partition, 0), RecordKey(partition, bounds.start));
  if (status.ok()) status = batch.Put(meta(), BoundsKey(partition), EncodeBounds(bounds));
  if (!status.ok()) return ToStatus(status, "drop");
  return Write(batch);
}

LogStorage::LogStorage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogStorage::~LogStorage() = default;

absl::StatusOr<std::unique_ptr<LogStorage>> LogStorage::Open(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  ASSAY_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<LogStorage>(new LogStorage(std::move(impl)));
}

const std::string& LogStorage::identity() const { return impl_->identity(); }
const std::vector<PartitionBounds>& LogStorage::bounds() const { return impl_->bounds(); }

absl::Status LogStorage::Append(const std::vector<Record>& records, absl::Time time,
                                const std::vector<PartitionBounds>& bounds) {
  return impl_->Append(records, time, bounds);
}

absl::StatusOr<std::vector<Record>> LogStorage::Read(int32_t partition, Offset from, Offset end, size_t max_records,
                                                     size_t max_bytes) {
  return impl_->Read(partition, from, end, max_records, max_bytes);
}

absl::StatusOr<PartitionBounds> LogStorage::FindCut(int32_t partition, const PartitionBounds& now, uint64_t max_bytes,
                                                    absl::Time oldest, Offset floor, size_t max_records) {
  return impl_->FindCut(partition, now, max_bytes, oldest, floor, max_records);
}

absl::Status LogStorage::Drop(int32_t partition, const PartitionBounds& bounds) {
  return impl_->Drop(partition, bounds);
}

}  // namespace assay::log
