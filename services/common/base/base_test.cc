// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>
#include <vector>

#include "services/common/base/build_id.h"
#include "services/common/base/clock.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/secret_key.h"
#include "services/common/base/shell_quote.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"

namespace assay {
namespace {

using ::assay::testing::IsOkAndHolds;
using ::assay::testing::StatusIs;
using ::assay::testing::TempDir;
using ::testing::HasSubstr;

TEST(Digest, MatchesThePublishedValueForAbc) {  // FIPS 180-2, appendix B.1
  EXPECT_EQ(Digest::Of("abc").ToString(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, ParsesWhatItPrints) {
  const Digest digest = Digest::Of("x");
  EXPECT_THAT(Digest::Parse(digest.ToString()), IsOkAndHolds(digest));
}

TEST(Digest, RefusesEverythingElse) {
  for (const char* text : {"", "sha256:", "sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e",
                           "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"}) {
    EXPECT_THAT(Digest::Parse(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(Digest, InPiecesEqualsAtOnce) {
  Hasher hasher;
  hasher.Update("a");
  hasher.Update("");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish(), Digest::Of("abc"));
}

TEST(Hmac, MatchesTheSecondTestCaseOfRfc4231) {
  EXPECT_EQ(Hmac("Jefe", "what do ya want for nothing?").ToHex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Base32, MatchesRfc4648) {
  EXPECT_EQ(Base32("foobar"), "mzxw6ytboi");
  EXPECT_EQ(Base32(""), "");
}

TEST(File, AtomicWriteReplacesAndLeavesNoTemporary) {
  TempDir dir;
  ASSAY_ASSERT_OK(WriteFileAtomically(dir / "a", "one"));
  ASSAY_ASSERT_OK(WriteFileAtomically(dir / "a", "two"));
  EXPECT_THAT(ReadFile(dir / "a"), IsOkAndHolds(std::string("two")));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(File, ReadingTooMuchOrNothingSaysWhichFile) {
  TempDir dir;
  ASSAY_ASSERT_OK(WriteFileAtomically(dir / "a", "0123456789"));
  EXPECT_THAT(ReadFile(dir / "a", 9), StatusIs(absl::StatusCode::kResourceExhausted, ::testing::HasSubstr(dir / "a")));
  EXPECT_THAT(ReadFile(dir / "b"), StatusIs(absl::StatusCode::kNotFound, ::testing::HasSubstr(dir / "b")));
}

TEST(SecretKey, IsMadeOnceAndStaysTheSame) {
  TempDir dir;
  EXPECT_THAT(ReadSecretKey(dir.path(), "a"), StatusIs(absl::StatusCode::kNotFound));
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string made, ReadOrMakeSecretKey(dir.path(), "a"));
  EXPECT_EQ(made.size(), kSecretKeyBytes);
  EXPECT_THAT(ReadOrMakeSecretKey(dir.path(), "a"), IsOkAndHolds(made));
  EXPECT_THAT(ReadSecretKey(dir.path(), "a"), IsOkAndHolds(made));
}

TEST(SecretKey, IsOneHoweverManyMakeItAtOnce) {
  TempDir dir;
  std::vector<absl::StatusOr<std::string>> made(8);
  std::vector<std::thread> makers;
  for (absl::StatusOr<std::string>& key : made) {
    makers.emplace_back([&] { key = ReadOrMakeSecretKey(dir.path(), "a"); });
  }
  for (std::thread& maker : makers) maker.join();
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string kept, ReadSecretKey(dir.path(), "a"));
  for (const absl::StatusOr<std::string>& key : made) EXPECT_THAT(key, IsOkAndHolds(kept));
}

TEST(SecretKey, IsRefusedWhenOthersMayReadItOrItIsNoKey) {
  TempDir dir;
  ASSAY_ASSERT_OK(ReadOrMakeSecretKey(dir.path(), "a").status());
  std::filesystem::permissions(dir / "a.key", std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  EXPECT_THAT(ReadSecretKey(dir.path(), "a"), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSAY_ASSERT_OK(WriteFileAtomically(dir / "b.key", "short"));
  EXPECT_THAT(ReadSecretKey(dir.path(), "b"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(ShellQuote, QuotesOnlyWhatAShellWouldReadOtherwise) {
  EXPECT_EQ(ShellQuote("a/b-1.yaml"), "a/b-1.yaml");
  EXPECT_EQ(ShellQuote(""), "''");
  EXPECT_EQ(ShellQuote("it's; rm *"), "'it'\\''s; rm *'");
}

TEST(JsonQuote, EscapesControlsAndReplacesWhatIsNotUtf8) {
  EXPECT_EQ(JsonQuote("a\"b\\c\n\x7F"), "\"a\\\"b\\\\c\\u000a\\u007f\"");
  EXPECT_EQ(JsonQuote("\xC3\xA4\xFF\xED\xA0\x80"), "\"\xC3\xA4\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(SimulatedClock, MovesOnlyWhenTold) {
  SimulatedClock clock;
  const absl::Time start = clock.TimeNow();
  EXPECT_EQ(clock.TimeNow(), start);
  clock.AdvanceTime(absl::Seconds(3));
  EXPECT_EQ(clock.TimeNow(), start + absl::Seconds(3));
}

TEST(BuildId, IsFoundInAProgramWithoutRunningIt) {
  EXPECT_THAT(FindBuildId("/proc/self/exe"), IsOkAndHolds(std::string(BuildId())));
  EXPECT_EQ(BuildId().size(), 32u);
  EXPECT_THAT(std::string(BuildVersion()), ::testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  ASSAY_EXPECT_OK(CheckSameBuild("/proc/self/exe"));
  EXPECT_THAT(FindBuildId("/bin/sh"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("none of Assay's programs")));
  EXPECT_THAT(CheckSameBuild("/no/such/program"), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not there")));
}

TEST(BuildId, AProgramOfAnotherBuildIsRefusedWithBothIds) {
  TempDir dir;
  ASSAY_ASSERT_OK_AND_ASSIGN(std::string program, ReadFile("/proc/self/exe", 1 << 30));
  const std::string other(32, 'f');
  const std::string own(BuildId());
  for (size_t at = program.find(own); at != std::string::npos; at = program.find(own, at)) program.replace(at, 32, other);
  const std::string path = dir / "assay-other";
  ASSAY_ASSERT_OK(WriteFileAtomically(path, program));
  ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
  EXPECT_THAT(CheckSameBuild(path), StatusIs(absl::StatusCode::kFailedPrecondition,
                                             ::testing::AllOf(HasSubstr("assay-other"), HasSubstr(other), HasSubstr(own))));
}

}  // namespace
}  // namespace assay
