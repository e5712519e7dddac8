// SPDX-License-Identifier: Apache-2.0
// What every Store promises. A harness is default-constructible and has
//   Store& store()                    with the tables kTables; keys of "owned" start with 4 bytes of an owner
//   void Reopen()                     closes it and opens it again
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/store/store.h"
#include "services/common/store/testing/fake_store.h"

namespace assay::store {

inline const std::vector<Table>& ContractTables() {
  static const auto* const tables = new std::vector<Table>{"plain", "owned", "meta"};
  return *tables;
}

inline std::vector<std::string> Keys(const absl::StatusOr<std::vector<Row>>& rows) {
  if (!rows.ok()) return {rows.status().ToString()};
  std::vector<std::string> keys;
  for (const Row& row : *rows) keys.push_back(row.key);
  return keys;
}

template <typename Harness>
class StoreContract : public ::testing::Test {
 protected:
  Store& store() { return harness_.store(); }

  void Put(const std::string& table, const std::string& key, const std::string& value) {
    Batch batch;
    batch.Put(table, key, value);
    ASSAY_ASSERT_OK(store().Write(batch, true));
  }

  // A random change to either table, among few enough keys that changes meet.
  Batch RandomBatch(std::mt19937& random) {
    Batch batch;
    const auto pick = [&](uint32_t n) { return random() % n; };
    for (uint32_t i = pick(6); i < 6; ++i) {
      const std::string table = pick(2) == 0 ? "plain" : "owned";
      const std::string owner = absl::StrCat("own", pick(4));
      const std::string key = absl::StrCat(owner, std::string(pick(3), '\xff'), pick(20));
      const uint32_t kind = pick(10);
      if (kind < 6) {
        batch.Put(table, key, absl::StrCat("v", random()));
      } else if (kind < 9) {
        batch.Delete(table, key);
      } else {
        batch.DeletePrefix(table, key.substr(0, 4 + pick(3)));
      }
    }
    return batch;
  }

  void ExpectSame(Store& expected) {
    EXPECT_EQ(store().StateHash(ContractTables()).value(), expected.StateHash(ContractTables()).value());
    for (const std::string table : {"plain", "owned"}) {
      for (const std::string prefix : {"", "own", "own1", "own1\xff", "own3\xff\xff", "zzz", "\xff"}) {
        for (const std::string start : {"", "own1", "own1\xff" "1", "own2", "zzzz"}) {
          EXPECT_EQ(Keys(store().Scan(table, prefix, start, 7)), Keys(expected.Scan(table, prefix, start, 7)))
              << table << " prefix " << prefix << " start " << start;
          EXPECT_EQ(Keys(store().ScanBackwards(table, prefix, start, 7)),
                    Keys(expected.ScanBackwards(table, prefix, start, 7)))
              << table << " backwards, prefix " << prefix << " start " << start;
        }
      }
    }
  }

  Harness harness_;
};

TYPED_TEST_SUITE_P(StoreContract);

TYPED_TEST_P(StoreContract, ReturnsWhatWasWritten) {
  this->Put("plain", "k", std::string("\0v", 2));
  EXPECT_THAT(this->store().Get("plain", "k"), testing::IsOkAndHolds(std::string("\0v", 2)));
  EXPECT_THAT(this->store().Get("plain", "other"), testing::StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(this->store().Get("owned", "k"), testing::StatusIs(absl::StatusCode::kNotFound));
}

TYPED_TEST_P(StoreContract, AppliesABatchInItsOrder) {
  this->Put("plain", "a1", "old");
  Batch batch;
  batch.Put("plain", "a2", "gone with the prefix");
  batch.DeletePrefix("plain", "a");
  batch.Put("plain", "a3", "kept");
  batch.Put("plain", "b", "first");
  batch.Delete("plain", "b");
  batch.Put("plain", "b", "last");
  ASSAY_ASSERT_OK(this->store().Write(batch, true));
  EXPECT_THAT(Keys(this->store().Scan("plain", "", "", 10)), ::testing::ElementsAre("a3", "b"));
  EXPECT_THAT(this->store().Get("plain", "b"), testing::IsOkAndHolds("last"));
}

TYPED_TEST_P(StoreContract, RefusesABadBatchWholeAndGoesOn) {
  for (const int bad : {0, 1, 2, 3}) {
    Batch batch;
    batch.Put("plain", "good", "x");
    if (bad == 0) batch.Put("no such table", "k", "v");
    if (bad == 1) batch.Put("plain", std::string(kMaxKeyBytes + 1, 'k'), "v");
    if (bad == 2) batch.Put("plain", "k", std::string(kMaxValueBytes + 1, 'v'));
    if (bad == 3) batch.DeletePrefix("plain", "");
    EXPECT_THAT(this->store().Write(batch, true), testing::StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(this->store().Get("plain", "good"), testing::StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(this->store().Get("no such table", "k"), testing::StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(this->store().Scan("no such table", "", "", 1), testing::StatusIs(absl::StatusCode::kInvalidArgument));
  this->Put("plain", "good", "x");
}

TYPED_TEST_P(StoreContract, BehavesLikeAnOrderedMap) {
  FakeStore model(ContractTables());
  std::mt19937 random(20260101);
  for (int round = 0; round < 60; ++round) {
    const Batch batch = this->RandomBatch(random);
    ASSAY_ASSERT_OK(this->store().Write(batch, false));
    ASSAY_ASSERT_OK(model.Write(batch, false));
    if (round % 10 == 9) this->ExpectSame(model);
  }
}

TYPED_TEST_P(StoreContract, KeepsEverythingOverAReopen) {
  FakeStore model(ContractTables());
  std::mt19937 random(7);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) {
      const Batch batch = this->RandomBatch(random);
      ASSAY_ASSERT_OK(this->store().Write(batch, true));
      ASSAY_ASSERT_OK(model.Write(batch, true));
    }
    this->harness_.Reopen();
    this->ExpectSame(model);
  }
}

TYPED_TEST_P(StoreContract, HashesTellStatesApart) {
  const auto hash = [this] { return this->store().StateHash(ContractTables()).value(); };
  const std::string empty = hash();
  EXPECT_EQ(empty.size(), 32u);
  this->Put("plain", "ab", "c");
  const std::string first = hash();
  Batch batch;
  batch.Delete("plain", "ab");
  batch.Put("plain", "a", "bc");
  ASSAY_ASSERT_OK(this->store().Write(batch, true));
  const std::string second = hash();
  EXPECT_NE(first, second);
  batch.Clear();
  batch.Delete("plain", "a");
  batch.Put("owned", "ab", "c");
  ASSAY_ASSERT_OK(this->store().Write(batch, true));
  EXPECT_NE(hash(), first);
  batch.Clear();
  batch.Delete("owned", "ab");
  ASSAY_ASSERT_OK(this->store().Write(batch, true));
  EXPECT_EQ(hash(), empty);
}

TYPED_TEST_P(StoreContract, ReadersSeeWholeBatchesWhileOneWrites) {
  std::thread writer([this] {
    for (int i = 0; i < 200; ++i) {
      Batch batch;
      for (const char* key : {"own1a", "own1b", "own1c"}) batch.Put("owned", key, absl::StrCat(i));
      ASSAY_ASSERT_OK(this->store().Write(batch, false));
    }
  });
  for (int i = 0; i < 200; ++i) {
    const absl::StatusOr<std::vector<Row>> rows = this->store().Scan("owned", "own1", "", 10);
    ASSAY_ASSERT_OK(rows);
    for (const Row& row : *rows) EXPECT_EQ(row.value, rows->front().value);
  }
  writer.join();
}

REGISTER_TYPED_TEST_SUITE_P(StoreContract, ReturnsWhatWasWritten, AppliesABatchInItsOrder,
                            RefusesABadBatchWholeAndGoesOn, BehavesLikeAnOrderedMap, KeepsEverythingOverAReopen,
                            HashesTellStatesApart, ReadersSeeWholeBatchesWhileOneWrites);

}  // namespace assay::store
