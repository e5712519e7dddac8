// SPDX-License-Identifier: Apache-2.0
//
// What the folder adds to the contract of every blob store: several processes, and a limit for each tenant.
#include "services/common/blob/folder_blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"

namespace assay::blob {
namespace {

using testing::IsOkAndHolds;
using testing::StatusIs;
using ::testing::HasSubstr;

const Owner kAlice{"alpha", "alice"};
const Owner kBob{"beta", "bob"};

class FolderBlobStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<FolderBlobStore> Open(const std::string& process) {
    FolderBlobStoreOptions options;
    options.path = folder_ / "blobs";
    options.shared_as = process;
    options.min_free_bytes = 0;
    options.max_tenant_bytes = 4096;
    options.max_bytes_of_tenant = {{"beta", 8192}};
    return FolderBlobStore::Open(options).value();
  }

  testing::TempDir folder_;
};

TEST_F(FolderBlobStoreTest, AProcessThatStartsLeavesAloneWhatAnotherWrites) {
  auto first = Open("gateway-1");
  ASSAY_ASSERT_OK_AND_ASSIGN(std::unique_ptr<Writer> writer, first->Create(kAlice, 100));
  ASSAY_ASSERT_OK(writer->Append("half"));
  auto second = Open("gateway-2");
  ASSAY_ASSERT_OK(writer->Append(" and half"));
  ASSAY_ASSERT_OK_AND_ASSIGN(const Digest digest, writer->Commit());
  EXPECT_THAT(Get(*second, kAlice, digest, 100), IsOkAndHolds("half and half"));
}

TEST_F(FolderBlobStoreTest, AProcessThatStartsAgainRemovesItsOwnLeftovers) {
  Open("gateway-1");
  const std::string left = folder_ / "blobs/.incoming/gateway-1/left";
  std::filesystem::create_directories(left);
  Open("gateway-2");
  EXPECT_TRUE(std::filesystem::exists(left));
  Open("gateway-1");
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST_F(FolderBlobStoreTest, StoresForACandidateThatAnotherProcessDeletedMeanwhile) {
  auto first = Open("gateway-1");
  auto second = Open("aggregator-1");
  ASSAY_ASSERT_OK(Put(*first, kAlice, "before"));
  ASSAY_ASSERT_OK(second->DeleteAll(kAlice));
  ASSAY_ASSERT_OK_AND_ASSIGN(const Digest digest, Put(*first, kAlice, "after"));
  EXPECT_THAT(Get(*second, kAlice, digest, 100), IsOkAndHolds("after"));
}

TEST_F(FolderBlobStoreTest, CountsWhatOthersStoredWhenAsked) {
  auto first = Open("gateway-1");
  auto second = Open("gateway-2");
  ASSAY_ASSERT_OK(Put(*second, kAlice, std::string(1000, 'x')));
  EXPECT_EQ(first->used_bytes(), 0u);
  ASSAY_ASSERT_OK(first->Recount());
  EXPECT_EQ(first->used_bytes(), 1000u);
}

TEST_F(FolderBlobStoreTest, ATenantAtItsLimitLeavesRoomForOthers) {
  auto store = Open("");
  ASSAY_ASSERT_OK(Put(*store, kAlice, std::string(4096, 'x')));
  EXPECT_THAT(Put(*store, kAlice, "more"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("tenant alpha uses 4096 of its 4096 bytes")));
  ASSAY_EXPECT_OK(Put(*store, kBob, std::string(8000, 'x')));
}

TEST_F(FolderBlobStoreTest, DeletingGivesATenantItsRoomBack) {
  auto store = Open("");
  ASSAY_ASSERT_OK_AND_ASSIGN(const Digest digest, Put(*store, kAlice, std::string(4096, 'x')));
  ASSAY_ASSERT_OK(store->Delete(kAlice, digest));
  ASSAY_ASSERT_OK(Put(*store, kAlice, std::string(4000, 'y')));
  ASSAY_ASSERT_OK(store->DeleteAll(kAlice));
  ASSAY_EXPECT_OK(Put(*store, kAlice, std::string(4096, 'z')));
}

TEST_F(FolderBlobStoreTest, NewWorkEndsBeforeTheLimitOfATenant) {
  auto store = Open("");
  ASSAY_ASSERT_OK(Put(*store, kAlice, std::string(3500, 'x')));
  ASSAY_EXPECT_OK(store->HasRoom("alpha"));
  ASSAY_ASSERT_OK(Put(*store, kAlice, std::string(200, 'y')));
  EXPECT_THAT(store->HasRoom("alpha"), StatusIs(absl::StatusCode::kResourceExhausted));
  ASSAY_EXPECT_OK(store->HasRoom("beta"));
}

TEST_F(FolderBlobStoreTest, AnUploadThatIsGivenUpGivesItsRoomBack) {
  auto store = Open("");
  ASSAY_ASSERT_OK_AND_ASSIGN(std::unique_ptr<Writer> writer, store->Create(kAlice, 4096));
  ASSAY_ASSERT_OK(writer->Append("some"));
  EXPECT_THAT(Put(*store, kAlice, "more"), StatusIs(absl::StatusCode::kResourceExhausted));
  writer.reset();
  ASSAY_EXPECT_OK(Put(*store, kAlice, std::string(4096, 'x')));
}

}  // namespace
}  // namespace assay::blob
