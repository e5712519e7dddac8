// SPDX-License-Identifier: Apache-2.0
#include "services/archive/pack.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <random>

#include "services/archive/entry_path.h"
#include "services/archive/pack_format.h"
#include "services/archive/pack_writer.h"
#include "services/common/base/testing/status_matchers.h"

namespace assay::archive {
namespace {

using assay::testing::IsOk;
using assay::testing::StatusIs;
using ::testing::HasSubstr;

std::string Bytes(const Pack& pack) {
  std::string bytes(static_cast<size_t>(::lseek(pack.fd(), 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(pack.fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

absl::StatusOr<Pack> OpenBytes(const std::string& bytes, bool seal = true) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  if (seal) {
    EXPECT_THAT(SealPack(fd.get()), IsOk());
  }
  return Pack::Open(std::move(fd));
}

Pack Sample() {
  auto pack = MakePack(
      {{"src/app.js", "listen()"}, {"bin/run", "#!", 0755}, {"link", "../etc/passwd", 0644, true}, {"empty", ""}});
  EXPECT_THAT(pack, IsOk());
  return *std::move(pack);
}

TEST(Pack, KeepsSortedFilesWithTheirBytesAndModes) {
  const Pack pack = Sample();
  ASSERT_EQ(pack.entries().size(), 4u);
  EXPECT_EQ(pack.entries()[0].path, "bin/run");
  EXPECT_EQ(pack.entries()[0].mode, 0755u);
  ASSERT_NE(pack.Find("src/app.js"), nullptr);
  EXPECT_EQ(pack.Content(*pack.Find("src/app.js")), "listen()");
  EXPECT_EQ(pack.Find("src/app.js")->sha256, Digest::Of("listen()"));
  EXPECT_TRUE(pack.Find("link")->is_link);
  EXPECT_EQ(pack.Find("nothing"), nullptr);
  EXPECT_THAT(pack.Verify(), IsOk());
}

TEST(Pack, MayBeEmpty) {
  const auto pack = MakePack({});
  ASSERT_THAT(pack, IsOk());
  EXPECT_TRUE(pack->entries().empty());
}

TEST(Pack, ContentDigestKnowsNamesModesLinksAndBytesAndNothingElse) {
  const auto digest = [](std::vector<PackFile> files) { return MakePack(std::move(files))->content_digest(); };
  const Digest base = digest({{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(base, digest({{"b", "2"}, {"a", "1"}}));
  EXPECT_NE(base, digest({{"a", "1"}, {"c", "2"}}));
  EXPECT_NE(base, digest({{"a", "1", 0755}, {"b", "2"}}));
  EXPECT_NE(base, digest({{"a", "1", 0644, true}, {"b", "2"}}));
  EXPECT_NE(base, digest({{"a", "1"}, {"b", "3"}}));
}

TEST(Pack, RefusesADescriptorThatCouldStillChange) {
  EXPECT_THAT(OpenBytes(Bytes(Sample()), false), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sealed")));
}

TEST(Pack, RefusesNamesThatAreTwiceOrDifferInCaseAlone) {
  EXPECT_THAT(MakePack({{"a", ""}, {"a", ""}}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
  EXPECT_THAT(MakePack({{"Readme", ""}, {"README", ""}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("in case alone")));
  EXPECT_THAT(MakePack({{"a", ""}, {"A/b", ""}}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no folder")));
}

TEST(EntryPath, RefusesWhatLeadsOutOrCannotBeShown) {
  for (const char* bad :
       {"", "/a", "a/../b", "..", "a//b", "./a", "a/", "a\\b", "a\nb", "a\xff", "\xc0\xaf", "\xed\xa0\x80"}) {
    EXPECT_THAT(CheckEntryPath(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(CheckEntryPath(std::string(256, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 255")));
  EXPECT_THAT(CheckEntryPath("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 16")));
  std::string long_name = std::string(255, 'a');
  for (int i = 0; i < 4; ++i) long_name += "/" + std::string(255, 'a');
  EXPECT_THAT(CheckEntryPath(long_name), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 1024")));
  for (const char* good :
       {"a", "a/b..c", "...", "\xc3\xa9/\xf0\x9f\x98\x80", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"}) {
    EXPECT_THAT(CheckEntryPath(good), IsOk()) << good;
  }
}

TEST(Pack, RefusesEveryTruncation) {
  const std::string bytes = Bytes(Sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(OpenBytes(bytes.substr(0, size)), StatusIs(absl::StatusCode::kInvalidArgument)) << size;
  }
}

// Any changed byte of header and index gives an error or a pack whose every content can still be read.
TEST(Pack, SurvivesAnyChangedByte) {
  const std::string bytes = Bytes(Sample());
  std::mt19937 random(7);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (random() % 8)));
    const auto pack = OpenBytes(changed);
    if (!pack.ok()) continue;
    size_t total = 0;
    for (const PackEntry& entry : pack->entries()) {
      for (const char c : pack->Content(entry)) total += static_cast<size_t>(c != 0);
    }
    EXPECT_LE(total, bytes.size() * pack->entries().size());
  }
}

TEST(Pack, VerifyFindsAContentThatIsNotWhatTheIndexSays) {
  std::string bytes = Bytes(Sample());
  bytes[bytes.find("listen()")] ^= 1;
  const auto pack = OpenBytes(bytes);
  ASSERT_THAT(pack, IsOk());
  EXPECT_THAT(pack->Verify(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("src/app.js")));
}

}  // namespace
}  // namespace assay::archive
