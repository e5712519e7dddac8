// SPDX-License-Identifier: Apache-2.0
#include "services/common/blob/result_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "services/common/base/status_macros.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/blob/folder_blob_store.h"

namespace assay::blob {
namespace {

using ::assay::testing::IsOk;
using ::assay::testing::IsOkAndHolds;
using ::assay::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const Owner kOwner = {"local", "abc"};

class ResultDocumentTest : public ::testing::Test {
 protected:
  Digest Put(const std::vector<absl::string_view>& contents) {
    event::v1::ResultDocument document;
    document.set_evaluator("rubric");
    return *PutResult(*store_, kOwner, std::move(document), contents);
  }

  // What is read back of a piece, through the document that was written first.
  absl::StatusOr<std::string> Read(const Digest& result, absl::string_view piece, uint64_t max_bytes = 1 << 20) {
    ASSAY_ASSIGN_OR_RETURN(event::v1::ResultDocument document, GetResult(*store_, kOwner, result));
    RecordedBytes recorded(*store_, kOwner);
    recorded.Take(document);
    return recorded.Get(Digest::Of(piece).ToString(), max_bytes);
  }

  assay::testing::TempDir folder_;
  std::unique_ptr<FolderBlobStore> store_ =
      *FolderBlobStore::Open({.path = folder_ / "blobs", .min_free_bytes = 0});
};

TEST_F(ResultDocumentTest, IsOneBlobAndGivesEachPieceBackByItsOwnDigest) {
  const Digest result = Put({"first", "second", "first", ""});
  EXPECT_THAT(*store_->List(kOwner), SizeIs(1));
  const auto document = GetResult(*store_, kOwner, result);
  ASSERT_THAT(document, IsOk());
  EXPECT_EQ(document->evaluator(), "rubric");
  EXPECT_THAT(document->contents(), SizeIs(3));
  for (const char* piece : {"first", "second", ""}) {
    EXPECT_THAT(ContentOf(*document, Digest::Of(piece)), IsOkAndHolds(piece));
    EXPECT_THAT(Read(result, piece), IsOkAndHolds(piece));
  }
  EXPECT_THAT(ContentOf(*document, Digest::Of("third")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Read(result, "third"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Read(result, "second", 5), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(ResultDocumentTest, EqualContentsInAnyOrderAreTheSameDocument) {
  EXPECT_EQ(Put({"one", "two", "three"}), Put({"three", "one", "two"}));
  EXPECT_THAT(*store_->List(kOwner), SizeIs(1));
}

TEST_F(ResultDocumentTest, WhatIsLargeIsABlobOfItsOwnAndReadAlike) {
  const std::string histogram(600 << 10, 'h');
  const Digest result = Put({histogram, "small"});
  EXPECT_THAT(*store_->List(kOwner), SizeIs(2));
  EXPECT_THAT(Read(result, histogram), IsOkAndHolds(histogram));
  EXPECT_THAT(Read(result, "small"), IsOkAndHolds("small"));
}

TEST_F(ResultDocumentTest, HoldsEightMebibytesTogetherAndNoMore) {
  std::vector<std::string> pieces;
  for (int i = 0; i < 20; ++i) pieces.push_back(std::string((512 << 10) - 1, static_cast<char>('a' + i)));
  const Digest result = Put({pieces.begin(), pieces.end()});
  EXPECT_THAT(*store_->List(kOwner), SizeIs(1 + 4));
  for (const std::string& piece : pieces) EXPECT_THAT(Read(result, piece), IsOkAndHolds(piece));
}

TEST_F(ResultDocumentTest, ADamagedDocumentGivesNoPieceAway) {
  const Digest result = Put({"what a rater wrote", "another piece"});
  {
    std::fstream file(folder_ / "blobs/local/abc/" + result.ToHex(), std::ios::in | std::ios::out | std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    file.seekp(static_cast<std::streamoff>(bytes.find("rater")));
    file << "R";
  }
  EXPECT_THAT(GetResult(*store_, kOwner, result), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Read(result, "another piece"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ResultDocumentTest, APieceUnderAnotherPiecesDigestIsNoticed) {
  event::v1::ResultDocument document;
  event::v1::ResultDocument::Content& piece = *document.add_contents();
  piece.set_digest(std::string(Digest::Of("what was cited").bytes()));
  piece.set_content("something else");
  const Digest cited = Digest::Of("what was cited");
  EXPECT_THAT(ContentOf(document, cited), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(cited.ToString())));
  RecordedBytes recorded(*store_, kOwner);
  recorded.Take(document);
  EXPECT_THAT(recorded.Get(cited.ToString(), 100), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ResultDocumentTest, BytesThatAreNoDocumentAreSaidToBeNone) {
  const Digest other = *blob::Put(*store_, kOwner, "\x0a\xff");
  EXPECT_THAT(GetResult(*store_, kOwner, other), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ResultDocumentTest, ErasingTheCandidateErasesEveryPiece) {
  const Digest result = Put({"first", "second"});
  ASSERT_THAT(store_->DeleteAll(kOwner), IsOk());
  EXPECT_THAT(GetResult(*store_, kOwner, result), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(*store_->List(kOwner), SizeIs(0));
}

}  // namespace
}  // namespace assay::blob
