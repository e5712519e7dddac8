// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/base/testing/status_matchers.h"
#include "services/common/store/testing/fake_store.h"

namespace assay::aggregator {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Keys(const RowReader& rows, absl::string_view prefix, absl::string_view start, size_t limit) {
  std::vector<std::string> keys;
  const std::vector<store::Row> found = *rows.Scan("t", prefix, start, limit);
  for (const store::Row& row : found) keys.push_back(row.key + "=" + row.value);
  return keys;
}

class RowChangesTest : public ::testing::Test {
 protected:
  RowChangesTest() : store_({"t"}), below_(store_), changes_(below_) {
    store::Batch batch;
    for (const char* key : {"a1", "a3", "a5", "b1"}) batch.Put("t", key, "old");
    EXPECT_TRUE(store_.Write(batch, true).ok());
  }
  store::FakeStore store_;
  StoreRows below_;
  RowChanges changes_;
};

TEST_F(RowChangesTest, AScanSeesChangesLaidOverWhatIsStored) {
  changes_.Put("t", "a2", std::string("new"));
  changes_.Put("t", "a5", std::string("new"));
  changes_.Delete("t", "a1");
  EXPECT_THAT(Keys(changes_, "a", "", 10), ElementsAre("a2=new", "a3=old", "a5=new"));
  EXPECT_THAT(Keys(changes_, "a", "a3", 10), ElementsAre("a3=old", "a5=new"));
}

TEST_F(RowChangesTest, DeletedRowsDoNotShortenAPage) {
  changes_.Delete("t", "a1");
  changes_.Delete("t", "a3");
  EXPECT_THAT(Keys(changes_, "a", "", 1), ElementsAre("a5=old"));
}

TEST_F(RowChangesTest, AnEmptiedPrefixStaysEmpty) {
  for (const char* key : {"a1", "a3", "a5"}) changes_.Delete("t", key);
  EXPECT_THAT(Keys(changes_, "a", "", 10), ElementsAre());
  EXPECT_THAT(Keys(changes_, "b", "", 10), ElementsAre("b1=old"));
}

}  // namespace
}  // namespace assay::aggregator
