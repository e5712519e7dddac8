// SPDX-License-Identifier: Apache-2.0
// What is acknowledged survives: power loss and full disks by a file system that forgets, SIGKILL by killing a child,
// damage by flipped bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/blob/folder_blob_store.h"
#include "services/common/log/embedded_log.h"
#include "services/common/log/memory_work_queue.h"
#include "services/common/log/testing/fake_log.h"
#include "services/common/store/disk_guard.h"
#include "services/common/store/rocks_store.h"
#include "services/common/store/testing/fake_store.h"
#include "services/common/store/testing/lossy_file_system.h"

namespace assay {
namespace {

using ::assay::testing::IsOkAndHolds;
using ::assay::testing::StatusIs;
using log::AppendAndWait;
using log::EmbeddedLog;
using log::EmbeddedLogOptions;
using store::Batch;
using store::LossyFileSystem;
using store::RocksStore;
using store::RocksStoreOptions;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

EmbeddedLogOptions LogIn(const std::string& path, rocksdb::Env* env = nullptr) {
  EmbeddedLogOptions options;
  options.path = path;
  options.partitions = 2;
  options.env = env;
  return options;
}

RocksStoreOptions StoreIn(const std::string& path, rocksdb::Env* env = nullptr) {
  RocksStoreOptions options;
  options.path = path;
  options.tables = {{"rows", 0}, {"meta", 0}};
  options.env = env;
  return options;
}

std::vector<log::Record> ReadAll(log::Log& log, int32_t partition) {
  auto reader = log.OpenReader(partition, log.StartOffset(partition).value()).value();
  std::vector<log::Record> all;
  const log::Offset end = log.EndOffset(partition).value();
  while (all.empty() || all.back().offset + 1 < end) {
    absl::StatusOr<std::vector<log::Record>> records = reader->Read(1000, absl::ZeroDuration());
    if (!records.ok() || records->empty()) break;
    all.insert(all.end(), records->begin(), records->end());
  }
  return all;
}

// The newest write-ahead log of a RocksDB folder.
std::string NewestWal(const std::string& folder) {
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path();
    if (entry.path().extension() == ".log" && std::filesystem::file_size(path) > 0) newest = std::max(newest, path);
  }
  return newest;
}

class PowerLoss : public ::testing::TestWithParam<double> {
 protected:
  testing::TempDir dir_;
  const std::shared_ptr<LossyFileSystem> disk_ = LossyFileSystem::Create(GetParam());
};

TEST_P(PowerLoss, TakesNothingThatTheLogAcknowledged) {
  for (int round = 0; round < 4; ++round) {
    auto log = EmbeddedLog::Open(LogIn(dir_ / "log", disk_->env())).value();
    const log::Offset before = log->EndOffset(0).value();
    absl::Mutex mutex;
    log::Offset acknowledged = before - 1;
    absl::BlockingCounter delivered(200);
    std::thread power([&] {
      const auto is_under_way = [&] { return acknowledged >= before + 20; };
      absl::MutexLock lock(&mutex, absl::Condition(&is_under_way));
      disk_->PowerCut();
    });
    for (int i = 0; i < 200; ++i) {
      log->Append(0, "k", absl::StrCat(before + i), [&](const log::Delivery& delivery) {
        absl::MutexLock lock(&mutex);
        if (delivery.status.ok()) acknowledged = std::max(acknowledged, delivery.offset);
        delivered.DecrementCount();
      });
      // Batches of several sizes.
      if (i % 7 == 0) AppendAndWait(*log, 1, "k", "x");
    }
    delivered.Wait();
    power.join();
    log.reset();
    ASSAY_ASSERT_OK(disk_->Restore());
    absl::StatusOr<std::unique_ptr<EmbeddedLog>> again = EmbeddedLog::Open(LogIn(dir_ / "log", disk_->env()));
    ASSAY_ASSERT_OK(again);
    const std::vector<log::Record> records = ReadAll(**again, 0);
    ASSERT_GT(static_cast<log::Offset>(records.size()), acknowledged);
    for (size_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i].offset, static_cast<log::Offset>(i));
  }
}

TEST_P(PowerLoss, LeavesAStoreThatIsAPrefixWithItsOffset) {
  // Every batch writes row n and the offset n together, synced now and then: whatever survives must agree.
  int last_synced = -1;
  int next = 0;
  for (int round = 0; round < 4; ++round) {
    auto store = RocksStore::Open(StoreIn(dir_ / "store", disk_->env())).value();
    for (int i = 0; i < 50; ++i, ++next) {
      Batch batch;
      batch.Put("rows", absl::StrCat(absl::Dec(next, absl::kZeroPad6)), "v");
      batch.Put("meta", "offset", absl::StrCat(next));
      const bool sync = i % 9 == 0;
      ASSAY_ASSERT_OK(store->Write(batch, sync));
      if (sync) last_synced = next;
    }
    if (round % 2 == 1) {
      ASSAY_ASSERT_OK(store->Compact());
    }
    disk_->PowerCut();
    store.reset();
    ASSAY_ASSERT_OK(disk_->Restore());
    store = RocksStore::Open(StoreIn(dir_ / "store", disk_->env())).value();
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::string offset, store->Get("meta", "offset"));
    int recovered = 0;
    ASSERT_TRUE(absl::SimpleAtoi(offset, &recovered));
    EXPECT_GE(recovered, last_synced);
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::vector<store::Row> rows, store->Scan("rows", "", "", 100000));
    EXPECT_EQ(rows.size(), static_cast<size_t>(recovered) + 1) << "a hole, or rows without their offset";
    next = recovered + 1;
  }
}

INSTANTIATE_TEST_SUITE_P(Disks, PowerLoss, ::testing::Values(0.0, 0.5, 1.0), [](const auto& info) {
  return info.param == 0 ? "ForgetsTheTail" : info.param == 1 ? "KeepsTheTail" : "TearsTheTail";
});

TEST(Snapshot, ShowsItsMomentWhateverIsWrittenMeanwhile) {
  testing::TempDir dir;
  auto store = RocksStore::Open(StoreIn(dir / "store")).value();
  const std::string table = StoreIn("").tables.front().name;
  Batch before;
  before.Put(table, "kept", "old");
  before.Put(table, "removed", "old");
  ASSAY_ASSERT_OK(store->Write(before, true));
  const auto snapshot = store->TakeSnapshot();
  Batch after;
  after.Put(table, "added", "new");
  after.Put(table, "kept", "new");
  after.Delete(table, "removed");
  ASSAY_ASSERT_OK(store->Write(after, true));
  EXPECT_THAT(snapshot->Get(table, "kept"), IsOkAndHolds("old"));
  EXPECT_THAT(snapshot->Get(table, "added"), StatusIs(absl::StatusCode::kNotFound));
  const auto rows = snapshot->Scan(table, "", "", 10);
  ASSERT_EQ(rows.value().size(), 2u);
  EXPECT_EQ(rows.value()[1].key, "removed");
  EXPECT_THAT(store->Get(table, "kept"), IsOkAndHolds("new"));
}

TEST(EmbeddedLogOnABadDisk, SaysUnknownOnceAndThenStopsUntilReopened) {
  testing::TempDir dir;
  const auto disk = LossyFileSystem::Create();
  auto log = EmbeddedLog::Open(LogIn(dir / "log", disk->env())).value();
  ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", "kept").status);
  disk->SetFailSyncs(true);
  EXPECT_THAT(AppendAndWait(*log, 0, "k", "unknown").status, StatusIs(absl::StatusCode::kUnavailable));
  disk->SetFailSyncs(false);
  EXPECT_THAT(AppendAndWait(*log, 0, "k", "refused").status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE(log->health().ok());
  EXPECT_EQ(ReadAll(*log, 0).size(), 1u);
  log = nullptr;
  log = EmbeddedLog::Open(LogIn(dir / "log", disk->env())).value();
  const std::vector<log::Record> records = ReadAll(*log, 0);
  ASSERT_GE(records.size(), 1u);
  EXPECT_EQ(records[0].value, "kept");
  for (const log::Record& record : records) EXPECT_NE(record.value, "refused");
  ASSAY_EXPECT_OK(AppendAndWait(*log, 0, "k", "again").status);
}

TEST(EmbeddedLogOnABadDisk, HealsAfterAFullDisk) {
  testing::TempDir dir;
  const auto disk = LossyFileSystem::Create();
  auto log = EmbeddedLog::Open(LogIn(dir / "log", disk->env())).value();
  ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", "kept").status);
  disk->SetFreeBytes(100);
  absl::Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = AppendAndWait(*log, 0, "k", std::string(50, 'x')).status;
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  log = nullptr;
  disk->SetFreeBytes(-1);
  log = EmbeddedLog::Open(LogIn(dir / "log", disk->env())).value();
  EXPECT_EQ(ReadAll(*log, 0).at(0).value, "kept");
  ASSAY_EXPECT_OK(AppendAndWait(*log, 0, "k", "more").status);
}

TEST(EmbeddedLogOnABadDisk, RefusesToOpenWhenAcknowledgedRecordsAreGone) {
  testing::TempDir dir;
  {
    auto log = EmbeddedLog::Open(LogIn(dir / "log")).value();
    for (int i = 0; i < 200; ++i) ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", std::string(100, 'x')).status);
  }
  const std::string wal = NewestWal(dir / "log/db");
  ASSERT_FALSE(wal.empty());
  ASSAY_ASSERT_OK(store::FlipBit(wal, static_cast<int64_t>(std::filesystem::file_size(wal) / 2)));
  EXPECT_THAT(EmbeddedLog::Open(LogIn(dir / "log")), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("acknowledged")));
  EmbeddedLogOptions accepting = LogIn(dir / "log");
  accepting.accept_loss = true;
  const absl::StatusOr<std::unique_ptr<EmbeddedLog>> log = EmbeddedLog::Open(accepting);
  ASSAY_ASSERT_OK(log);
  const size_t left = ReadAll(**log, 0).size();
  EXPECT_LT(left, 200u);
  EXPECT_THAT((*log)->OpenReader(0, 200), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(EmbeddedLogOnABadDisk, RefusesAnEmptyLogInPlaceOfTheOneThatWasThere) {
  testing::TempDir dir;
  ASSAY_ASSERT_OK(AppendAndWait(*EmbeddedLog::Open(LogIn(dir / "log")).value(), 0, "k", "v").status);
  std::filesystem::remove_all(dir / "log/db");
  EXPECT_THAT(EmbeddedLog::Open(LogIn(dir / "log")), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(EmbeddedLogTest, BoundsItsQueueAndSaysSo) {
  testing::TempDir dir;
  EmbeddedLogOptions options = LogIn(dir / "log");
  options.max_queued_records = 4;
  auto log = EmbeddedLog::Open(options).value();
  // The first delivery holds the writing thread, so that the queue fills.
  absl::Notification held;
  absl::Notification go;
  log->Append(0, "k", "first", [&](const log::Delivery&) {
    held.Notify();
    go.WaitForNotification();
  });
  held.WaitForNotification();
  std::vector<absl::Status> refused;
  absl::BlockingCounter accepted(4);
  for (int i = 0; i < 10; ++i) {
    log->Append(0, "k", "v", [&](const log::Delivery& delivery) {
      delivery.status.ok() ? (void)accepted.DecrementCount() : refused.push_back(delivery.status);
    });
  }
  EXPECT_EQ(refused.size(), 6u);
  for (const absl::Status& status : refused) EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  go.Notify();
  accepted.Wait();
  EXPECT_THAT(log->EndOffset(0), IsOkAndHolds(5));
}

TEST(EmbeddedLogTest, SharesOneFlushAmongManyWriters) {
  testing::TempDir dir;
  auto log = EmbeddedLog::Open(LogIn(dir / "log")).value();
  constexpr int kCount = 2000;
  absl::BlockingCounter delivered(kCount);
  for (int i = 0; i < kCount; ++i) {
    log->Append(i % 2, "k", "v", [&](const log::Delivery& delivery) {
      ASSAY_EXPECT_OK(delivery.status);
      delivered.DecrementCount();
    });
  }
  delivered.Wait();
  EXPECT_EQ(log->stats().records, static_cast<uint64_t>(kCount));
  EXPECT_LT(log->stats().flushes, static_cast<uint64_t>(kCount) / 4);
}

TEST(EmbeddedLogTest, DropsWhatIsTooOldOrTooMuchButNothingUnread) {
  testing::TempDir dir;
  SimulatedClock clock;
  EmbeddedLogOptions options = LogIn(dir / "log");
  options.retention = absl::Hours(1);
  options.retention_interval = absl::Minutes(1);
  auto log = EmbeddedLog::Open(options, clock).value();
  for (int i = 0; i < 10; ++i) ASSAY_ASSERT_OK(AppendAndWait(*log, 0, "k", "old").status);
  const auto reader = log->OpenReader(0, 0).value();
  ASSAY_ASSERT_OK(log->SetRetentionFloor(0, 7));
  clock.AdvanceTime(absl::Hours(2));
  const absl::Time deadline = absl::Now() + kPatience;
  while (log->StartOffset(0).value() < 7 && absl::Now() < deadline) {
    // Retention runs on the writing thread, which an append wakes.
    ASSAY_ASSERT_OK(AppendAndWait(*log, 1, "k", "new").status);
  }
  EXPECT_THAT(log->StartOffset(0), IsOkAndHolds(7));
  EXPECT_THAT(reader->Read(1, absl::ZeroDuration()), StatusIs(absl::StatusCode::kOutOfRange));
  log = nullptr;
  log = EmbeddedLog::Open(options, clock).value();
  EXPECT_THAT(log->StartOffset(0), IsOkAndHolds(7));
  EXPECT_EQ(ReadAll(*log, 0).size(), 3u);
}

TEST(EmbeddedLogTest, OpensForReadingWithoutChangingAnything) {
  testing::TempDir dir;
  EmbeddedLogOptions reading = LogIn(dir / "log");
  reading.read_only = true;
  EXPECT_THAT(EmbeddedLog::Open(reading), StatusIs(absl::StatusCode::kNotFound));
  ASSAY_ASSERT_OK(AppendAndWait(*EmbeddedLog::Open(LogIn(dir / "log")).value(), 0, "k", "v").status);
  std::set<std::string> before;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / "log")) before.insert(entry.path());
  {
    auto log = EmbeddedLog::Open(reading).value();
    EXPECT_EQ(ReadAll(*log, 0).size(), 1u);
    EXPECT_THAT(AppendAndWait(*log, 0, "k", "v").status, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(log->OpenReader(0, 1).value()->Read(1, absl::InfiniteDuration()), IsOkAndHolds(::testing::IsEmpty()));
  }
  std::set<std::string> after;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir / "log")) after.insert(entry.path());
  EXPECT_EQ(before, after);
}

TEST(EmbeddedLogTest, HasOneOwnerAndAFixedNumberOfPartitions) {
  testing::TempDir dir;
  auto log = EmbeddedLog::Open(LogIn(dir / "log")).value();
  EXPECT_THAT(EmbeddedLog::Open(LogIn(dir / "log")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use")));
  log = nullptr;
  EmbeddedLogOptions other = LogIn(dir / "log");
  other.partitions = 3;
  EXPECT_THAT(EmbeddedLog::Open(other), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("2 partitions")));
  other.partitions = 0;
  EXPECT_THAT(EmbeddedLog::Open(other), StatusIs(absl::StatusCode::kInvalidArgument));
}

// Runs `work` in a child until it has written `bytes` bytes to its pipe, kills it, and returns what came through.
template <typename Work>
std::string KillAfter(size_t bytes, Work work) {
  int ends[2];
  if (::pipe(ends) != 0) return "";
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    work(ends[1]);
    ::_exit(1);
  }
  ::close(ends[1]);
  std::string seen;
  char buffer[256];
  bool killed = false;
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    seen.append(buffer, static_cast<size_t>(got));
    if (!killed && seen.size() >= bytes) {
      ::kill(pid, SIGKILL);
      killed = true;
    }
  }
  ::close(ends[0]);
  ::waitpid(pid, nullptr, 0);
  return seen;
}

TEST(Sigkill, TakesNothingThatWasAcknowledged) {
  testing::TempDir dir;
  int64_t acknowledged = 0;
  for (const size_t bytes : {100, 555, 1234}) {
    const std::string seen = KillAfter(bytes, [&](int pipe) {
      auto log = EmbeddedLog::Open(LogIn(dir / "log")).value();
      auto store = RocksStore::Open(StoreIn(dir / "store")).value();
      for (;;) {
        const log::Delivery delivery = AppendAndWait(*log, 0, "k", "v");
        Batch batch;
        batch.Put("rows", absl::StrCat(absl::Dec(delivery.offset, absl::kZeroPad8)), "v");
        batch.Put("meta", "offset", absl::StrCat(delivery.offset));
        if (!delivery.status.ok() || !store->Write(batch, true).ok()) ::_exit(1);
        const std::string line = absl::StrCat(delivery.offset, "\n");
        if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(1);
      }
    });
    // The last line may be cut.
    const std::vector<std::string> lines = absl::StrSplit(seen.substr(0, seen.rfind('\n')), '\n');
    ASSERT_TRUE(absl::SimpleAtoi(lines.back(), &acknowledged)) << seen;
    auto log = EmbeddedLog::Open(LogIn(dir / "log")).value();
    auto store = RocksStore::Open(StoreIn(dir / "store")).value();
    EXPECT_GT(log->EndOffset(0).value(), acknowledged);
    int64_t offset = 0;
    ASSERT_TRUE(absl::SimpleAtoi(store->Get("meta", "offset").value(), &offset));
    EXPECT_GE(offset, acknowledged);
    EXPECT_LT(offset, log->EndOffset(0).value()) << "the store is ahead of the log";
    ASSAY_EXPECT_OK(store->Get("rows", absl::StrCat(absl::Dec(acknowledged, absl::kZeroPad8))));
  }
}

TEST(RocksStoreTest, IsReadOnlyAfterAFailureUntilReopened) {
  testing::TempDir dir;
  const auto disk = LossyFileSystem::Create();
  auto store = RocksStore::Open(StoreIn(dir / "store", disk->env())).value();
  Batch batch;
  batch.Put("rows", "a", "1");
  ASSAY_ASSERT_OK(store->Write(batch, true));
  disk->SetFreeBytes(0);
  EXPECT_THAT(store->Write(batch, true), StatusIs(absl::StatusCode::kResourceExhausted));
  disk->SetFreeBytes(-1);
  EXPECT_THAT(store->Write(batch, true), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("opened again")));
  EXPECT_FALSE(store->health().ok());
  EXPECT_THAT(store->Get("rows", "a"), IsOkAndHolds("1"));
  store = nullptr;
  store = RocksStore::Open(StoreIn(dir / "store", disk->env())).value();
  ASSAY_EXPECT_OK(store->Write(batch, true));
}

TEST(RocksStoreTest, NeverReturnsDamagedRowsAsGoodOnes) {
  testing::TempDir dir;
  {
    auto store = RocksStore::Open(StoreIn(dir / "store")).value();
    Batch batch;
    for (int i = 0; i < 2000; ++i) batch.Put("rows", absl::StrCat(absl::Dec(i, absl::kZeroPad6)), std::string(50, 'v'));
    ASSAY_ASSERT_OK(store->Write(batch, true));
    ASSAY_ASSERT_OK(store->Compact());
  }
  std::string table;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "store")) {
    if (entry.path().extension() == ".sst" &&
        (table.empty() || entry.file_size() > std::filesystem::file_size(table))) {
      table = entry.path();
    }
  }
  ASSERT_FALSE(table.empty());
  ASSAY_ASSERT_OK(store::FlipBit(table, 2000));
  absl::StatusOr<std::unique_ptr<RocksStore>> store = RocksStore::Open(StoreIn(dir / "store"));
  if (!store.ok()) {
    EXPECT_THAT(store, StatusIs(absl::StatusCode::kDataLoss));
    return;
  }
  int lost = 0;
  for (int i = 0; i < 2000; ++i) {
    const absl::StatusOr<std::string> value = (*store)->Get("rows", absl::StrCat(absl::Dec(i, absl::kZeroPad6)));
    if (value.ok()) {
      EXPECT_EQ(*value, std::string(50, 'v'));
    } else {
      EXPECT_THAT(value, StatusIs(absl::StatusCode::kDataLoss));
      ++lost;
    }
  }
  EXPECT_GT(lost, 0);
  EXPECT_THAT((*store)->VerifyChecksums(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(RocksStoreTest, OpensForReadingBesideNothingElse) {
  testing::TempDir dir;
  RocksStoreOptions reading = StoreIn(dir / "store");
  reading.read_only = true;
  EXPECT_THAT(RocksStore::Open(reading), StatusIs(absl::StatusCode::kNotFound));
  Batch batch;
  batch.Put("rows", "a", "1");
  ASSAY_ASSERT_OK(RocksStore::Open(StoreIn(dir / "store")).value()->Write(batch, true));
  reading.tables.push_back({"newer", 0});
  auto store = RocksStore::Open(reading).value();
  EXPECT_THAT(store->Get("rows", "a"), IsOkAndHolds("1"));
  EXPECT_THAT(store->Scan("newer", "", "", 10), IsOkAndHolds(::testing::IsEmpty()));
  EXPECT_THAT(store->Write(batch, true), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(RocksStoreTest, RefusesAFolderInUseAndTablesItWouldHide) {
  testing::TempDir dir;
  auto store = RocksStore::Open(StoreIn(dir / "store")).value();
  EXPECT_THAT(RocksStore::Open(StoreIn(dir / "store")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use")));
  store = nullptr;
  RocksStoreOptions fewer = StoreIn(dir / "store");
  fewer.tables.pop_back();
  EXPECT_THAT(RocksStore::Open(fewer), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("meta")));
}

TEST(RocksStoreTest, SharesMemoryAmongStores) {
  testing::TempDir dir;
  const auto memory = store::StoreMemory::Create(8 << 20, 4 << 20);
  std::vector<std::unique_ptr<RocksStore>> stores;
  for (int i = 0; i < 4; ++i) {
    RocksStoreOptions options = StoreIn(dir / absl::StrCat("store", i));
    options.memory = memory;
    stores.push_back(RocksStore::Open(options).value());
  }
  Batch batch;
  batch.Put("rows", "a", "1");
  for (const auto& store : stores) ASSAY_EXPECT_OK(store->Write(batch, true));
}

TEST(FakeStoreTest, LosesAndKeepsAsItIsTold) {
  store::FakeStore store({"rows"});
  const auto put = [&](const std::string& key, bool sync) {
    Batch batch;
    batch.Put("rows", key, "v");
    return store.Write(batch, sync);
  };
  ASSAY_ASSERT_OK(put("synced", true));
  ASSAY_ASSERT_OK(put("not synced", false));
  store.LoseUnsynced();
  ASSAY_EXPECT_OK(store.Get("rows", "synced"));
  EXPECT_FALSE(store.Get("rows", "not synced").ok());
  store.FailNext(absl::InternalError("disk"), /*applied=*/true);
  EXPECT_THAT(put("unknown", true), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(put("refused", true), StatusIs(absl::StatusCode::kFailedPrecondition));
  store.Reopen();
  ASSAY_EXPECT_OK(store.Get("rows", "unknown"));
  ASSAY_EXPECT_OK(put("again", true));
}

TEST(FakeLogTest, HoldsFailsDoublesAndLosesAsItIsTold) {
  log::FakeLog log(1);
  log.Cork();
  std::vector<absl::StatusCode> delivered;
  const auto record = [&](const log::Delivery& delivery) { delivered.push_back(delivery.status.code()); };
  log.Append(0, "k", "corked", record);
  EXPECT_TRUE(delivered.empty());
  EXPECT_THAT(log.EndOffset(0), IsOkAndHolds(0));
  log.Uncork();
  log.FailNext(absl::ResourceExhaustedError("full"));
  log.Append(0, "k", "failed", record);
  log.UnknownNext(/*is_there=*/true);
  log.Append(0, "k", "unknown, there", record);
  log.UnknownNext(/*is_there=*/false);
  log.Append(0, "k", "unknown, not there", record);
  log.DuplicateNext();
  log.Append(0, "k", "twice", record);
  EXPECT_THAT(delivered, ::testing::ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kResourceExhausted,
                                                absl::StatusCode::kUnavailable, absl::StatusCode::kUnavailable,
                                                absl::StatusCode::kOk));
  std::vector<std::string> values;
  for (const log::Record& kept : log.Records(0)) values.push_back(kept.value);
  EXPECT_THAT(values, ::testing::ElementsAre("corked", "unknown, there", "twice", "twice"));
  const auto reader = log.OpenReader(0, 1).value();
  log.DropBefore(0, 2);
  EXPECT_THAT(reader->Read(1, absl::ZeroDuration()), StatusIs(absl::StatusCode::kOutOfRange));
  log.LoseFrom(0, 3);
  EXPECT_THAT(log.OpenReader(0, 4), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(DiskGuardTest, RefusesNewWorkWhenSpaceIsShortAndHasBallastToThrow) {
  testing::TempDir dir;
  store::DiskGuardOptions options;
  options.path = dir / "data";
  options.ballast_bytes = 1 << 20;
  options.minimum_free_fraction = 0;
  auto guard = store::DiskGuard::Create(options).value();
  ASSAY_EXPECT_OK(guard->HasRoom());
  EXPECT_TRUE(guard->has_ballast());
  ASSAY_EXPECT_OK(guard->ReleaseBallast());
  ASSAY_EXPECT_OK(guard->ReleaseBallast());
  EXPECT_FALSE(guard->has_ballast());
  options.minimum_free_fraction = 1;
  options.enough_free_bytes = UINT64_MAX;
  EXPECT_THAT(store::DiskGuard::Create(options).value()->HasRoom(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("bytes free")));
}

class BlobFolder : public ::testing::Test {
 protected:
  std::unique_ptr<blob::FolderBlobStore> Open() {
    blob::FolderBlobStoreOptions options;
    options.path = dir_ / "blobs";
    options.min_free_bytes = 0;
    return blob::FolderBlobStore::Open(options).value();
  }
  std::string PathOf(const Digest& digest) { return absl::StrCat(dir_ / "blobs", "/t/c/", digest.ToHex()); }

  const blob::Owner owner_{"t", "c"};
  testing::TempDir dir_;
};

TEST_F(BlobFolder, FindsDamageWhenABlobIsOpened) {
  auto store = Open();
  const Digest digest = blob::Put(*store, owner_, "content").value();
  ASSAY_ASSERT_OK(store->Open(owner_, digest));
  ASSAY_ASSERT_OK(store->Open(owner_, digest));
  ASSAY_ASSERT_OK(store::FlipBit(PathOf(digest), 3));
  EXPECT_THAT(store->Open(owner_, digest), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Open()->Open(owner_, digest), StatusIs(absl::StatusCode::kDataLoss));
  // Storing it again heals it.
  ASSAY_ASSERT_OK(blob::Put(*store, owner_, "content"));
  EXPECT_THAT(blob::Get(*store, owner_, digest, 100), IsOkAndHolds("content"));
}

TEST_F(BlobFolder, RemovesWhatACrashLeftAndCountsTheRest) {
  const std::string content(1000, 'x');
  Digest digest;
  {
    auto store = Open();
    digest = blob::Put(*store, owner_, content).value();
    EXPECT_EQ(store->used_bytes(), 1000u);
    auto writer = store->Create(owner_, 100).value();
    ASSAY_ASSERT_OK(writer->Append("half"));
    writer.reset();
    EXPECT_EQ(store->used_bytes(), 1000u);
  }
  ASSAY_ASSERT_OK(WriteFileAtomically(dir_ / "blobs/.incoming/left", "half"));
  auto store = Open();
  EXPECT_FALSE(std::filesystem::exists(dir_ / "blobs/.incoming/left"));
  EXPECT_EQ(store->used_bytes(), 1000u);
  EXPECT_THAT(blob::Get(*store, owner_, digest, 1000), IsOkAndHolds(content));
}

TEST_F(BlobFolder, KeepsCommittedBlobsOverASigkill) {
  const std::string seen = KillAfter(700, [&](int pipe) {
    auto store = Open();
    for (int i = 0;; ++i) {
      const absl::StatusOr<Digest> digest = blob::Put(*store, owner_, absl::StrCat("blob ", i));
      if (!digest.ok()) ::_exit(1);
      const std::string line = absl::StrCat(digest->ToString(), "\n");
      if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(1);
    }
  });
  auto store = Open();
  std::vector<std::string> lines = absl::StrSplit(seen, '\n');
  lines.pop_back();
  ASSERT_GE(lines.size(), 5u);
  for (const std::string& line : lines) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const Digest digest, Digest::Parse(line));
    ASSAY_EXPECT_OK(store->Open(owner_, digest));
  }
}

TEST_F(BlobFolder, RefusesNewBlobsOnAFullDisk) {
  blob::FolderBlobStoreOptions options;
  options.path = dir_ / "blobs";
  options.min_free_bytes = UINT64_MAX;
  auto store = blob::FolderBlobStore::Open(options).value();
  EXPECT_THAT(store->Create(owner_, 10), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("bytes free")));
}

TEST(MemoryWorkQueueTest, FencesAConsumerWhoseNameIsTaken) {
  log::MemoryWorkQueue queue({});
  queue.Put("fast", "k", "v", [](const log::Delivery& delivery) { ASSAY_EXPECT_OK(delivery.status); });
  auto first = queue.Consume("fast", "worker").value();
  const std::vector<log::WorkItem> items = first->Take(1, absl::ZeroDuration()).value();
  ASSERT_EQ(items.size(), 1u);
  auto second = queue.Consume("fast", "worker").value();
  EXPECT_THAT(first->Take(1, absl::ZeroDuration()), StatusIs(absl::StatusCode::kFailedPrecondition));
  first->Done(items[0]);
  EXPECT_EQ(second->Take(1, absl::ZeroDuration()).value().size(), 1u);
  first.reset();
  EXPECT_EQ(queue.Depth("fast"), 1u);
  second.reset();
  EXPECT_EQ(queue.Consume("fast", "other").value()->Take(1, absl::ZeroDuration()).value().size(), 1u);
}

TEST(MemoryWorkQueueTest, RefusesMoreThanALaneHolds) {
  log::MemoryWorkQueueOptions options;
  options.max_items = 2;
  log::MemoryWorkQueue queue(options);
  std::vector<absl::StatusCode> codes;
  for (int i = 0; i < 3; ++i) {
    queue.Put("fast", "k", "v", [&](const log::Delivery& delivery) { codes.push_back(delivery.status.code()); });
  }
  EXPECT_THAT(codes, ::testing::ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kOk,
                                            absl::StatusCode::kResourceExhausted));
}

TEST(PartitionOf, NeverChanges) {
  // Fixed for ever: records lie where these numbers say.
  EXPECT_EQ(log::PartitionOf("local", "c-1", 1), 0);
  std::vector<int> counts(4);
  for (int i = 0; i < 1000; ++i) ++counts[static_cast<size_t>(log::PartitionOf("local", absl::StrCat(i), 4))];
  for (const int count : counts) EXPECT_GT(count, 200);
  EXPECT_EQ(log::PartitionOf("local", "c-1", 24), log::PartitionOf("local", "c-1", 24));
}

}  // namespace
}  // namespace assay
