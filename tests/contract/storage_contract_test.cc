// SPDX-License-Identifier: Apache-2.0
// The real implementations and their fakes against the same promises.
#include <filesystem>
#include <memory>
#include <string>

#include "services/common/base/clock.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/blob/folder_blob_store.h"
#include "services/common/blob/testing/fake_blob_store.h"
#include "services/common/log/embedded_log.h"
#include "services/common/log/memory_work_queue.h"
#include "services/common/log/testing/fake_log.h"
#include "services/common/store/rocks_store.h"
#include "services/common/store/testing/fake_store.h"
#include "tests/contract/blob_store_contract.h"
#include "tests/contract/log_contract.h"
#include "tests/contract/store_contract.h"
#include "tests/contract/work_queue_contract.h"

namespace assay {
namespace log {

class EmbeddedLogHarness {
 public:
  static constexpr bool kReopens = true;
  EmbeddedLogHarness() { Reopen(); }
  Log& log() { return *log_; }
  void Reopen() {
    log_.reset();
    EmbeddedLogOptions options;
    options.path = dir_ / "log";
    options.partitions = kPartitions;
    log_ = EmbeddedLog::Open(options).value();
  }

 private:
  testing::TempDir dir_;
  std::unique_ptr<EmbeddedLog> log_;
};

class FakeLogHarness {
 public:
  static constexpr bool kReopens = false;
  Log& log() { return log_; }
  void Reopen() {}

 private:
  FakeLog log_{kPartitions};
};

class MemoryWorkQueueHarness {
 public:
  static constexpr size_t kWindow = 16;
  WorkQueue& queue() { return queue_; }

 private:
  static MemoryWorkQueueOptions Options() {
    MemoryWorkQueueOptions options;
    options.window = kWindow;
    return options;
  }
  MemoryWorkQueue queue_{Options()};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Embedded, LogContract, EmbeddedLogHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, LogContract, FakeLogHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, WorkQueueContract, MemoryWorkQueueHarness);

}  // namespace log

namespace store {

class RocksStoreHarness {
 public:
  RocksStoreHarness() { Reopen(); }
  Store& store() { return *store_; }
  void Reopen() {
    store_.reset();
    RocksStoreOptions options;
    options.path = dir_ / "store";
    options.tables = {{"plain", 0}, {"owned", 4}, {"meta", 0}};
    store_ = RocksStore::Open(options).value();
  }

 private:
  testing::TempDir dir_;
  std::unique_ptr<RocksStore> store_;
};

// The same with everything moved to table files, where prefixes and filters matter.
class CompactedStoreHarness {
 public:
  CompactedStoreHarness() { Reopen(); }
  Store& store() {
    ASSAY_EXPECT_OK(store_->Compact());
    return *store_;
  }
  void Reopen() {
    store_.reset();
    RocksStoreOptions options;
    options.path = dir_ / "store";
    options.tables = {{"plain", 0}, {"owned", 4}, {"meta", 0}};
    store_ = RocksStore::Open(options).value();
  }

 private:
  testing::TempDir dir_;
  std::unique_ptr<RocksStore> store_;
};

class FakeStoreHarness {
 public:
  Store& store() { return store_; }
  void Reopen() { store_.Reopen(); }

 private:
  FakeStore store_{ContractTables()};
};

// A flush inside the write path costs several writes' time: it has to be worth it.
TEST(RocksStore, FewSmallRowsInManyTablesStayInMemory) {
  testing::TempDir dir;
  RocksStoreOptions options;
  options.path = dir / "store";
  for (int i = 0; i < 16; ++i) options.tables.push_back({absl::StrCat("table", i), 0});
  const std::unique_ptr<RocksStore> store = RocksStore::Open(options).value();
  for (int i = 0; i < 400; ++i) {
    Batch batch;
    for (const TableOptions& table : options.tables) {
      batch.Put(table.name, absl::StrCat("key", i), std::string(100, 'v'));
    }
    ASSAY_ASSERT_OK(store->Write(batch, /*sync=*/false));
  }
  int table_files = 0;
  for (const auto& file : std::filesystem::directory_iterator(options.path)) {
    table_files += file.path().extension() == ".sst" ? 1 : 0;
  }
  EXPECT_EQ(table_files, 0);
}

INSTANTIATE_TYPED_TEST_SUITE_P(Rocks, StoreContract, RocksStoreHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(RocksCompacted, StoreContract, CompactedStoreHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, StoreContract, FakeStoreHarness);

}  // namespace store

namespace blob {

class FolderBlobStoreHarness {
 public:
  FolderBlobStoreHarness() {
    FolderBlobStoreOptions options;
    options.path = dir_ / "blobs";
    options.max_bytes = kContractQuota;
    options.min_free_bytes = 0;
    store_ = FolderBlobStore::Open(options, clock).value();
  }
  BlobStore& store() { return *store_; }
  SimulatedClock clock;

 private:
  testing::TempDir dir_;
  std::unique_ptr<FolderBlobStore> store_;
};

// One of two stores that write one folder.
class SharedBlobStoreHarness {
 public:
  SharedBlobStoreHarness() {
    store_ = Open("first").value();
    other_ = Open("second").value();
  }
  BlobStore& store() { return *store_; }
  BlobStore& other() { return *other_; }
  absl::StatusOr<std::unique_ptr<FolderBlobStore>> Open(const std::string& name) {
    FolderBlobStoreOptions options;
    options.path = dir_ / "blobs";
    options.shared_as = name;
    options.max_bytes = kContractQuota;
    options.min_free_bytes = 0;
    return FolderBlobStore::Open(options, clock);
  }
  SimulatedClock clock;

 private:
  testing::TempDir dir_;
  std::unique_ptr<FolderBlobStore> store_;
  std::unique_ptr<FolderBlobStore> other_;
};

class FakeBlobStoreHarness {
 public:
  SimulatedClock clock;
  BlobStore& store() { return store_; }

 private:
  FakeBlobStore store_{clock, kContractQuota};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Folder, BlobStoreContract, FolderBlobStoreHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Shared, BlobStoreContract, SharedBlobStoreHarness);
INSTANTIATE_TYPED_TEST_SUITE_P(Fake, BlobStoreContract, FakeBlobStoreHarness);

TEST(SharedBlobFolder, ShowsEveryProcessWhatAnyWroteAndRemoved) {
  SharedBlobStoreHarness folder;
  const Owner ann{"tenant", "ann"};
  ASSAY_ASSERT_OK_AND_ASSIGN(const Digest digest, Put(folder.store(), ann, "hers"));
  EXPECT_THAT(Get(folder.other(), ann, digest, 10), testing::IsOkAndHolds("hers"));
  ASSAY_ASSERT_OK(folder.other().DeleteAll(ann));
  EXPECT_THAT(folder.store().Open(ann, digest), testing::StatusIs(absl::StatusCode::kNotFound));
}

TEST(SharedBlobFolder, KeepsWhatIsBeingWrittenWhenAnotherProcessStarts) {
  SharedBlobStoreHarness folder;
  const Owner ann{"tenant", "ann"};
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Writer> writer, folder.store().Create(ann, 100));
  ASSAY_ASSERT_OK(writer->Append("half, "));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto third, folder.Open("third"));
  ASSAY_ASSERT_OK(writer->Append("half"));
  ASSAY_ASSERT_OK_AND_ASSIGN(const Digest digest, writer->Commit());
  EXPECT_THAT(Get(*third, ann, digest, 100), testing::IsOkAndHolds("half, half"));
}

TEST(SharedBlobFolder, StoresForCandidatesThatOthersRemoveAllTheTime) {
  SharedBlobStoreHarness folder;
  const Owner ann{"tenant", "ann"};
  std::thread remover([&] {
    for (int i = 0; i < 200; ++i) ASSAY_EXPECT_OK(folder.other().DeleteAll(ann));
  });
  for (int i = 0; i < 200; ++i) ASSAY_EXPECT_OK(Put(folder.store(), ann, absl::StrCat(i)));
  remover.join();
}

}  // namespace blob
}  // namespace assay
