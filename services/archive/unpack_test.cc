// SPDX-License-Identifier: Apache-2.0
#include "services/archive/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "services/archive/decoder.h"
#include "services/common/base/folder_archive.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/plugin_host/testing/plain_launcher.h"

namespace assay::archive {
namespace {

using assay::testing::IsOk;
using assay::testing::StatusIs;
using assay::testing::TempDir;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

UniqueFd MemoryFile(const std::string& content = "") {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::pwrite(fd.get(), content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
  return fd;
}

std::string Bytes(int fd) {
  std::string bytes(static_cast<size_t>(::lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

struct Member {
  std::string name;
  std::string content;
  unsigned type = AE_IFREG;
  unsigned mode = 0644;
  std::string hard_link = "";
  long long size = -1;  // as the header says it; -1: the truth
};

enum class Kind { kTar, kTarGz, kTarZst, kZip };

// Writes an archive with libarchive; `before_open` may set options.
std::string Make(Kind kind, const std::vector<Member>& members) {
  UniqueFd fd = MemoryFile();
  std::unique_ptr<::archive, int (*)(::archive*)> writer(archive_write_new(), &archive_write_free);
  kind == Kind::kZip ? archive_write_set_format_zip(writer.get())
                     : archive_write_set_format_pax_restricted(writer.get());
  if (kind == Kind::kTarGz) archive_write_add_filter_gzip(writer.get());
  if (kind == Kind::kTarZst) archive_write_add_filter_zstd(writer.get());
  EXPECT_EQ(archive_write_open_fd(writer.get(), fd.get()), ARCHIVE_OK);
  for (const Member& member : members) {
    std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), &archive_entry_free);
    archive_entry_set_pathname(entry.get(), member.name.c_str());
    archive_entry_set_mode(entry.get(), static_cast<mode_t>(member.type | member.mode));
    if (member.type == AE_IFLNK) {
      archive_entry_set_symlink(entry.get(), member.content.c_str());
    } else if (!member.hard_link.empty()) {
      archive_entry_set_hardlink(entry.get(), member.hard_link.c_str());
    } else if (member.type == AE_IFREG) {
      archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.content.size()));
    }
    EXPECT_EQ(archive_write_header(writer.get(), entry.get()), ARCHIVE_OK) << archive_error_string(writer.get());
    if (member.type == AE_IFREG && member.hard_link.empty()) {
      archive_write_data(writer.get(), member.content.data(), member.content.size());
    }
  }
  EXPECT_EQ(archive_write_close(writer.get()), ARCHIVE_OK);
  return Bytes(fd.get());
}

struct Unpacked {
  Pack pack;
  std::vector<std::string> remarks;
};

absl::StatusOr<Unpacked> Open(const std::string& archive, const UnpackLimits& limits = {}) {
  UniqueFd out = MemoryFile();
  PackWriter writer(out.get());
  auto remarks = Unpack(MemoryFile(archive).get(), writer, limits);
  if (!remarks.ok()) return remarks.status();
  EXPECT_THAT(SealPack(out.get()), IsOk());
  auto pack = Pack::Open(std::move(out));
  if (!pack.ok()) return pack.status();
  return Unpacked{*std::move(pack), *std::move(remarks)};
}

std::vector<std::string> Names(const Pack& pack) {
  std::vector<std::string> names;
  for (const PackEntry& entry : pack.entries()) names.push_back(entry.path);
  return names;
}

class EveryFormat : public ::testing::TestWithParam<Kind> {
 protected:
  absl::StatusOr<Unpacked> OpenMembers(const std::vector<Member>& members, const UnpackLimits& limits = {}) {
    return Open(Make(GetParam(), members), limits);
  }
};

TEST_P(EveryFormat, GivesFilesWithModesAndBytes) {
  const std::string large(300'000, 'x');
  const auto unpacked =
      OpenMembers({{"package.json", "{}"}, {"bin/run", "#!/bin/sh", AE_IFREG, 0775}, {"large.txt", large}});
  ASSERT_THAT(unpacked, IsOk());
  EXPECT_THAT(Names(unpacked->pack), ElementsAre("bin/run", "large.txt", "package.json"));
  EXPECT_EQ(unpacked->pack.Find("bin/run")->mode, 0755u);
  EXPECT_EQ(unpacked->pack.Content(*unpacked->pack.Find("large.txt")), large);
  EXPECT_THAT(unpacked->remarks, IsEmpty());
}

TEST_P(EveryFormat, RefusesNamesThatLeadOut) {
  for (const char* name : {"../x", "a/../../x", "/etc/passwd"}) {
    EXPECT_THAT(OpenMembers({{"ok", ""}, {name, "x"}}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name[0] == '/' ? "absolute" : "..")))
        << name;
  }
}

TEST_P(EveryFormat, RefusesDuplicatesAndCaseCollisions) {
  EXPECT_THAT(OpenMembers({{"a", "1"}, {"a", "2"}}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
  EXPECT_THAT(OpenMembers({{"App.js", "1"}, {"app.js", "2"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("case")));
}

TEST_P(EveryFormat, RecordsLinksAndNeverFollowsThem) {
  const auto unpacked = OpenMembers({{"secrets", "/etc/shadow", AE_IFLNK}, {"a.js", "1"}});
  ASSERT_THAT(unpacked, IsOk());
  EXPECT_TRUE(unpacked->pack.Find("secrets")->is_link);
  EXPECT_EQ(unpacked->pack.Content(*unpacked->pack.Find("secrets")), "/etc/shadow");
  EXPECT_THAT(unpacked->remarks, Contains(HasSubstr("not followed")));
}

TEST_P(EveryFormat, StripsOneTopFolder) {
  const auto unpacked =
      OpenMembers({{"package/", "", AE_IFDIR, 0755}, {"package/package.json", "{}"}, {"package/lib/a.js", ""}});
  ASSERT_THAT(unpacked, IsOk());
  EXPECT_THAT(Names(unpacked->pack), ElementsAre("lib/a.js", "package.json"));
  const auto two = OpenMembers({{"client/a.js", ""}, {"server/a.js", ""}});
  EXPECT_THAT(Names(two->pack), ElementsAre("client/a.js", "server/a.js"));
}

TEST_P(EveryFormat, LeavesOutInstalledDependenciesAndReportsThem) {
  const auto unpacked = OpenMembers({{"r/a.js", ""},
                                     {"r/node_modules/x/index.js", "x"},
                                     {"r/node_modules/y.js", "y"},
                                     {"r/.git/config", ""},
                                     {"__MACOSX/._a", ""}});
  ASSERT_THAT(unpacked, IsOk());
  EXPECT_THAT(Names(unpacked->pack), ElementsAre("a.js"));
  EXPECT_THAT(unpacked->remarks, Contains(HasSubstr("\"r/node_modules\" was left out (2 entries)")));
  EXPECT_THAT(unpacked->remarks, Contains(HasSubstr(".git")));
}

TEST_P(EveryFormat, BoundsEntriesBytesAndRatioAndNamesTheLimit) {
  UnpackLimits limits;
  limits.max_entries = 2;
  EXPECT_THAT(OpenMembers({{"a", ""}, {"b", ""}, {"c", ""}}, limits),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("entry \"c\": more than 2 entries")));
  limits = {};
  limits.max_visited_entries = 2;
  EXPECT_THAT(
      OpenMembers({{"node_modules/a", ""}, {"node_modules/b", ""}, {"node_modules/c", ""}}, limits),
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("entry \"node_modules/c\": more than 2 entries")));
  limits = {};
  limits.max_content_bytes = 1000;
  EXPECT_THAT(OpenMembers({{"a", std::string(600, 'x')}, {"b", std::string(600, 'x')}}, limits),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("1000 bytes")));
  if (GetParam() == Kind::kTar) return;
  EXPECT_THAT(OpenMembers({{"bomb", std::string(20 << 20, '\0')}}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("100 times")));
}

TEST_P(EveryFormat, RefusesEveryTruncation) {
  const std::string archive = Make(GetParam(), {{"a.js", std::string(5000, 'a')}, {"b.js", std::string(5000, 'b')}});
  for (const size_t cut : {size_t{1}, archive.size() / 2, archive.size() - archive.size() / 4}) {
    EXPECT_THAT(Open(archive.substr(0, archive.size() - cut)), StatusIs(absl::StatusCode::kInvalidArgument)) << cut;
  }
}

TEST_P(EveryFormat, SurvivesChangedBytes) {
  const std::string archive = Make(GetParam(), {{"a.js", "listen(1)"}, {"lib/b.js", std::string(700, 'b')}});
  for (size_t at = 0; at < archive.size(); at += archive.size() / 300 + 1) {
    for (const int bit : {0x01, 0x80}) {
      std::string changed = archive;
      changed[at] = static_cast<char>(changed[at] ^ bit);
      const auto unpacked = Open(changed);
      if (!unpacked.ok()) {
        EXPECT_THAT(unpacked.status().code(),
                    ::testing::AnyOf(absl::StatusCode::kInvalidArgument, absl::StatusCode::kResourceExhausted))
            << unpacked.status();
      }
    }
  }
}

std::string FormatName(const ::testing::TestParamInfo<Kind>& info) {
  switch (info.param) {
    case Kind::kTar:
      return "tar";
    case Kind::kTarGz:
      return "tar_gz";
    case Kind::kTarZst:
      return "tar_zst";
    case Kind::kZip:
      return "zip";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat, ::testing::Values(Kind::kTar, Kind::kTarGz, Kind::kTarZst, Kind::kZip),
                         FormatName);

TEST(Unpack, RefusesDevicesAndPipesAndDropsSetUserId) {
  EXPECT_THAT(Open(Make(Kind::kTar, {{"pipe", "", AE_IFIFO}})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pipe")));
  EXPECT_THAT(Open(Make(Kind::kTar, {{"dev", "", AE_IFCHR}})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dev")));
  const auto unpacked = Open(Make(Kind::kTar, {{"su", "x", AE_IFREG, 04755}}));
  ASSERT_THAT(unpacked, IsOk());
  EXPECT_EQ(unpacked->pack.entries()[0].mode, 0755u);
  EXPECT_THAT(unpacked->remarks, Contains(HasSubstr("set-user-id")));
}

TEST(Unpack, RecordsHardLinksAsLinks) {
  const auto unpacked = Open(Make(Kind::kTar, {{"a", "1"}, {"b", "", AE_IFREG, 0644, "a"}}));
  ASSERT_THAT(unpacked, IsOk());
  EXPECT_TRUE(unpacked->pack.Find("b")->is_link);
}

// A name that ends at a NUL is what every reader of it sees; nothing hides behind.
TEST(Unpack, ANulEndsAName) {
  std::string zip = Make(Kind::kZip, {{"app.js_.png", "1"}, {"app.js", "2"}});
  for (size_t at = zip.find("js_.png"); at != std::string::npos; at = zip.find("js_.png")) zip[at + 2] = '\0';
  EXPECT_THAT(Open(zip), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("entry \"app.js\": occurs twice")));
}

TEST(Unpack, RefusesAZipWhoseDirectoryNamesOtherFiles) {
  std::string zip = Make(Kind::kZip, {{"app.js", "1"}, {"b.js", "2"}});
  zip.replace(zip.rfind("b.js"), 4, "c.js");
  EXPECT_THAT(Open(zip), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("entry \"b.js\": the zip's directory calls it \"c.js\"")));
}

TEST(Unpack, RefusesAHeaderThatPromisesMoreThanIsAllowed) {
  std::string archive = Make(Kind::kTar, {{"a", "1"}});
  // The size field of the first header (octal, 11 digits) and its checksum.
  archive.replace(124, 11, "77777777777");
  archive.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(archive[static_cast<size_t>(i)]);
  char field[9];
  snprintf(field, sizeof field, "%06o", sum);
  archive.replace(148, 7, field, 7);
  EXPECT_THAT(Open(archive),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("its header says 8589934591 bytes")));
}

TEST(Unpack, RefusesOtherFormatsAndEncryptedArchives) {
  EXPECT_THAT(Open("hello, I am a text file that is no archive at all"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(".tar.gz")));
  EXPECT_THAT(Open(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  for (const Kind kind : {Kind::kTar, Kind::kTarGz, Kind::kTarZst, Kind::kZip}) {
    EXPECT_THAT(Open(Make(kind, {})), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the archive is empty")));
  }
  std::string zip = Make(Kind::kZip, {{"a", "secret"}});
  // Bit 0 of the general purpose flags, in the local header and in the central directory.
  zip[6] = static_cast<char>(zip[6] | 1);
  const size_t central = zip.find("PK\x01\x02");
  zip[central + 8] = static_cast<char>(zip[central + 8] | 1);
  EXPECT_THAT(Open(zip), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("encrypted")));
}

TEST(Unpack, RefusesACompressedStreamInsideAnother) {
  const std::string inner = Make(Kind::kTarGz, {{"a", "1"}});
  UniqueFd fd = MemoryFile();
  std::unique_ptr<::archive, int (*)(::archive*)> writer(archive_write_new(), &archive_write_free);
  archive_write_set_format_raw(writer.get());
  archive_write_add_filter_gzip(writer.get());
  archive_write_open_fd(writer.get(), fd.get());
  std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), &archive_entry_free);
  archive_entry_set_pathname(entry.get(), "x");
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_write_header(writer.get(), entry.get());
  archive_write_data(writer.get(), inner.data(), inner.size());
  archive_write_close(writer.get());
  EXPECT_THAT(Open(Bytes(fd.get())), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than once")));
}

// ---- folders, and the decoder process ----

class Folder : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& content, int mode = 0644) {
    std::filesystem::create_directories(std::filesystem::path(folder_ / path).parent_path());
    std::ofstream(folder_ / path) << content;
    ::chmod((folder_ / path).c_str(), static_cast<mode_t>(mode));
  }
  absl::StatusOr<std::string> Archive(FolderArchive* result = nullptr) {
    UniqueFd fd = MemoryFile();
    auto written = WriteFolderArchive(folder_.path(), fd.get());
    if (!written.ok()) return written.status();
    if (result != nullptr) *result = *written;
    return Bytes(fd.get());
  }
  TempDir folder_;
};

TEST_F(Folder, TarAndZipOfTheSameFilesAreTheSameContent) {
  Write("package.json", "{}");
  Write("bin/run", "#!", 0755);
  Write("src/deep/a.js", std::string(100'000, 'a'));
  Write("node_modules/x/index.js", "x");
  std::filesystem::create_symlink("src/deep", folder_ / "alias");
  const auto folder = Open(*Archive());
  ASSERT_THAT(folder, IsOk());
  const std::vector<Member> members = {{"repo-main/src/deep/a.js", std::string(100'000, 'a')},
                                       {"repo-main/bin/run", "#!", AE_IFREG, 0777},
                                       {"repo-main/alias", "src/deep", AE_IFLNK},
                                       {"repo-main/package.json", "{}", AE_IFREG, 0600}};
  for (const Kind kind : {Kind::kTar, Kind::kTarGz, Kind::kTarZst, Kind::kZip}) {
    const auto other = Open(Make(kind, members));
    ASSERT_THAT(other, IsOk());
    EXPECT_EQ(other->pack.content_digest(), folder->pack.content_digest());
  }
}

TEST_F(Folder, IsPackedToTheSameBytesEachTimeAndSaysWhatItLeftOut) {
  Write("b.js", "1");
  Write("a.js", "2");
  Write(".git/HEAD", "x");
  FolderArchive result;
  const auto first = Archive(&result);
  std::filesystem::last_write_time(folder_ / "a.js",
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(99));
  EXPECT_EQ(*first, *Archive());
  EXPECT_EQ(result.files, 2u);
  EXPECT_THAT(result.left_out, ElementsAre(".git"));
}

TEST_F(Folder, WithOneInnerFolderKeepsThatFolder) {
  Write("src/a.js", "1");
  EXPECT_THAT(Names(Open(*Archive())->pack), ElementsAre("src/a.js"));
}

TEST_F(Folder, KeepsNamesThatAreNotAsciiAndLongOnes) {
  const std::string name = "caf\xc3\xa9-" + std::string(200, 'n') + ".js";
  Write(name, "1");
  EXPECT_THAT(Names(Open(*Archive())->pack), ElementsAre(name));
}

TEST_F(Folder, RefusesPipesAndLinksInThePlaceOfTheFolder) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(Archive(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pipe")));
  TempDir other;
  std::filesystem::create_directory_symlink(folder_.path(), other / "link");
  EXPECT_FALSE(WriteFolderArchive(other / "link", MemoryFile().get()).ok());
}

std::string BinaryFolder() { return std::string(getenv("ASSAY_BUILD_DIR")) + "/bin"; }

TEST(Decoder, ReturnsAVerifiedPackFromItsProcess) {
  plugin_host::PlainLauncher launcher;
  const auto decoded =
      DecodeArchive(launcher, MemoryFile(Make(Kind::kTarGz, {{"package/a.js", "1"}})), {BinaryFolder()});
  ASSERT_THAT(decoded, IsOk());
  EXPECT_THAT(Names(decoded->pack), ElementsAre("a.js"));
  EXPECT_THAT(decoded->remarks, ElementsAre(HasSubstr("\"package/\" was stripped")));
}

TEST(Decoder, PassesARefusalOnWithItsCodeAndWords) {
  plugin_host::PlainLauncher launcher;
  EXPECT_THAT(DecodeArchive(launcher, MemoryFile(Make(Kind::kZip, {{"../x", "1"}})), {BinaryFolder()}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"../x\"")));
}

TEST(Decoder, AMissingExecutableIsThePlatformsFault) {
  plugin_host::PlainLauncher launcher;
  EXPECT_THAT(DecodeArchive(launcher, MemoryFile("x"), {"/nowhere"}), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace assay::archive
