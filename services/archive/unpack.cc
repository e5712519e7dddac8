// SPDX-License-Identifier: Apache-2.0
#include "services/archive/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/archive/entry_path.h"
#include "services/archive/pack_format.h"
#include "services/archive/zip_directory.h"
#include "services/common/base/file.h"
#include "services/common/base/folder_archive.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::archive {
namespace {

constexpr size_t kMaxRemarks = 50;
constexpr size_t kMaxLinkBytes = 4096;
constexpr uint64_t kRatioFloorBytes = 1 << 20;
constexpr absl::string_view kFormats = "a .tar, .tar.gz, .tar.zst or .zip is needed";

enum class Format { kTar, kCompressedTar, kZip };

absl::Status Bad(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("entry ", JsonQuote(name.substr(0, 512)), ": ", why));
}

bool IsZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

// Tells the four formats by their bytes, so that libarchive is only ever given a reader that was chosen here.
absl::StatusOr<Format> Detect(int fd, uint64_t size) {
  std::array<char, 512> head{};
  const ssize_t got = ::pread(fd, head.data(), head.size(), 0);
  if (got < 0) return ErrnoStatus(errno, "reading the archive");
  const absl::string_view bytes(head.data(), static_cast<size_t>(got));
  if (absl::StartsWith(bytes, "\x1f\x8b") || absl::StartsWith(bytes, "\x28\xb5\x2f\xfd")) return Format::kCompressedTar;
  if (absl::StartsWith(bytes, "PK\x03\x04")) return Format::kZip;
  const bool no_entries = absl::StartsWith(bytes, "PK\x05\x06") || (bytes.size() == 512 && IsZero(bytes));
  if (no_entries) return absl::InvalidArgumentError(absl::StrCat("the archive is empty; ", kFormats));
  if (bytes.size() != 512 || bytes.substr(257, 5) != "ustar") {
    return absl::InvalidArgumentError(absl::StrCat("the archive is of no known format; ", kFormats));
  }
  std::array<char, 512> tail{};
  if (size % 512 != 0 || ::pread(fd, tail.data(), tail.size(), static_cast<off_t>(size - tail.size())) != 512 ||
      !IsZero(absl::string_view(tail.data(), tail.size()))) {
    return absl::InvalidArgumentError("the archive is truncated: its end mark is missing");
  }
  return Format::kTar;
}

class Unpacker {
 public:
  Unpacker(int fd, uint64_t size, Format format, PackWriter& writer, const UnpackLimits& limits)
      : fd_(fd),
        size_(size),
        format_(format),
        writer_(writer),
        limits_(limits),
        reader_(archive_read_new(), &archive_read_free) {}

  absl::StatusOr<std::vector<std::string>> Run() {
    ASSAY_RETURN_IF_ERROR(Open());
    for (;;) {
      archive_entry* entry = nullptr;
      const int code = archive_read_next_header(reader_.get(), &entry);
      if (code == ARCHIVE_EOF) break;
      ASSAY_RETURN_IF_ERROR(CheckHeader(code, entry));
      ASSAY_RETURN_IF_ERROR(Visit(entry));
    }
    if (archive_read_has_encrypted_entries(reader_.get()) == 1)
      return absl::InvalidArgumentError("the archive is encrypted");
    if (visited_ == 0) return absl::InvalidArgumentError("the archive is empty");
    StripTopFolder();
    RemarkLeftOut();
    ASSAY_RETURN_IF_ERROR(writer_.Finish());
    return std::move(remarks_);
  }

 private:
  absl::Status Damaged() {
    const char* why = archive_error_string(reader_.get());
    return absl::InvalidArgumentError(
        absl::StrCat("the archive is truncated or damaged", current_.empty() ? "" : " at or after entry ",
                     current_.empty() ? "" : JsonQuote(current_), ": ", why == nullptr ? "no further detail" : why));
  }

  absl::Status Open() {
    ::archive* reader = reader_.get();
    if (format_ == Format::kZip) {
      archive_read_support_format_zip_seekable(reader);
    } else {
      archive_read_support_format_tar(reader);
    }
    if (format_ == Format::kCompressedTar) {
      archive_read_support_filter_gzip(reader);
      archive_read_support_filter_zstd(reader);
    }
    if (::lseek(fd_, 0, SEEK_SET) != 0) return ErrnoStatus(errno, "the archive's descriptor");
    if (archive_read_open_fd(reader, fd_, 1 << 16) != ARCHIVE_OK) return Damaged();
    return absl::OkStatus();
  }

  // Conversions to this process's locale may fail; names are checked as the bytes they are. Every other warning is
  // about an entry that contradicts itself.
  absl::Status CheckHeader(int code, archive_entry* entry) {
    if (code == ARCHIVE_OK) {
      // A compressed stream inside a compressed stream is a bomb's trick; nobody packs that way.
      if (archive_filter_count(reader_.get()) > 2) {
        return absl::InvalidArgumentError(absl::StrCat("the archive is compressed more than once; ", kFormats));
      }
      return absl::OkStatus();
    }
    const char* why = archive_error_string(reader_.get());
    if (code == ARCHIVE_WARN && why != nullptr && absl::StrContains(why, "can't be converted")) return absl::OkStatus();
    if (code == ARCHIVE_WARN) current_ = Name(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry));
    return Damaged();
  }

  static std::string Name(const char* utf8, const char* raw) {
    return utf8 != nullptr ? utf8 : raw != nullptr ? raw : "";
  }

  absl::Status Visit(archive_entry* entry) {
    std::string name = Name(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry));
    absl::string_view path = name;
    while (absl::ConsumePrefix(&path, "./")) {
    }
    while (absl::ConsumeSuffix(&path, "/")) {
    }
    if (path.empty() && !absl::StartsWith(name, "/")) path = ".";
    current_ = std::string(path);
    if (++visited_ > limits_.max_visited_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("entry ", JsonQuote(current_), ": more than ", limits_.max_visited_entries, " entries"));
    }
    if (archive_entry_is_encrypted(entry) != 0) return Bad(current_, "encrypted; upload it without a password");
    const auto type = archive_entry_filetype(entry);
    if (current_ == "." && type == AE_IFDIR) return Discard();
    ASSAY_RETURN_IF_ERROR(CheckEntryPath(absl::StartsWith(name, "/") ? name : current_));
    if (LeaveOut()) return Discard();
    if (type == AE_IFDIR) return Folder();
    if (archive_entry_hardlink(entry) != nullptr) {
      return Link(Name(archive_entry_hardlink_utf8(entry), archive_entry_hardlink(entry)));
    }
    if (type == AE_IFLNK) return Link(Name(archive_entry_symlink_utf8(entry), archive_entry_symlink(entry)));
    if (type != AE_IFREG) return Bad(current_, "neither a file nor a folder nor a link");
    return File(entry);
  }

  // Folders carry nothing, but whether one holds everything decides what is stripped.
  absl::Status Folder() {
    top_names_.insert(current_.substr(0, current_.find('/')));
    return Discard();
  }

  absl::Status CountEntry() {
    top_names_.insert(current_.substr(0, current_.find('/')));
    if (!absl::StrContains(current_, '/')) top_is_file_ = true;
    if (writer_.entries().size() >= limits_.max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("entry ", JsonQuote(current_), ": more than ", limits_.max_entries, " entries"));
    }
    return absl::OkStatus();
  }

  absl::Status Link(const std::string& target) {
    ASSAY_RETURN_IF_ERROR(CountEntry());
    if (target.empty() || target.size() > kMaxLinkBytes) {
      return Bad(current_, absl::StrCat("a link with a target of ", target.size(), " bytes; 1 to ", kMaxLinkBytes));
    }
    Remark(absl::StrCat(JsonQuote(current_), " is a link; it was recorded and not followed"));
    writer_.Begin(current_, 0644, true);
    ASSAY_RETURN_IF_ERROR(writer_.Append(target));
    writer_.End();
    return Discard();
  }

  absl::Status File(archive_entry* entry) {
    ASSAY_RETURN_IF_ERROR(CountEntry());
    const auto mode = archive_entry_perm(entry);
    if ((mode & 07000) != 0) Remark(absl::StrCat(JsonQuote(current_), ": set-user-id and like bits were dropped"));
    if (archive_entry_size_is_set(entry) != 0 &&
        static_cast<uint64_t>(archive_entry_size(entry)) > limits_.max_content_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat("entry ", JsonQuote(current_), ": its header says ",
                                                       archive_entry_size(entry), " bytes; at most ",
                                                       limits_.max_content_bytes, " together"));
    }
    writer_.Begin(current_, mode, false);
    uint64_t size = 0;
    ASSAY_RETURN_IF_ERROR(EachBlock([&](absl::string_view block) {
      size += block.size();
      if (writer_.content_bytes() + block.size() > limits_.max_content_bytes) {
        return absl::ResourceExhaustedError(absl::StrCat("entry ", JsonQuote(current_), ": the contents exceed ",
                                                         limits_.max_content_bytes, " bytes together"));
      }
      return writer_.Append(block);
    }));
    writer_.End();
    if (archive_entry_size_is_set(entry) != 0 && static_cast<uint64_t>(archive_entry_size(entry)) != size) {
      return Bad(current_, absl::StrCat("its header says ", archive_entry_size(entry), " bytes, it has ", size));
    }
    return absl::OkStatus();
  }

  // Reads over the entry's data under the same counts. A zip is skipped without inflating.
  absl::Status Discard() {
    if (format_ == Format::kZip) {
      return archive_read_data_skip(reader_.get()) == ARCHIVE_OK ? absl::OkStatus() : Damaged();
    }
    return EachBlock([](absl::string_view) { return absl::OkStatus(); });
  }

  template <typename Body>
  absl::Status EachBlock(Body body) {
    la_int64_t position = 0;
    for (;;) {
      const void* data = nullptr;
      size_t size = 0;
      la_int64_t offset = 0;
      const int code = archive_read_data_block(reader_.get(), &data, &size, &offset);
      if (code == ARCHIVE_EOF) {
        return offset <= position ? absl::OkStatus() : Bad(current_, "a sparse file");
      }
      if (code != ARCHIVE_OK) return Damaged();
      if (offset != position) return Bad(current_, "a sparse file");
      position += static_cast<la_int64_t>(size);
      inflated_ += size;
      ASSAY_RETURN_IF_ERROR(CheckInflated());
      ASSAY_RETURN_IF_ERROR(body(absl::string_view(static_cast<const char*>(data), size)));
    }
  }

  // Of a tar the whole stream counts, headers included; of a zip what was inflated.
  absl::Status CheckInflated() {
    const auto stream = static_cast<uint64_t>(archive_filter_bytes(reader_.get(), 0));
    const uint64_t inflated = format_ == Format::kZip ? inflated_ : std::max(inflated_, stream);
    if (inflated > limits_.max_inflated_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "entry ", JsonQuote(current_), ": the archive inflates to more than ", limits_.max_inflated_bytes, " bytes"));
    }
    if (inflated > kRatioFloorBytes && inflated / limits_.max_ratio > size_) {
      return absl::ResourceExhaustedError(absl::StrCat("entry ", JsonQuote(current_),
                                                       ": the archive inflates to more than ", limits_.max_ratio,
                                                       " times its own ", size_, " bytes"));
    }
    return absl::OkStatus();
  }

  bool LeaveOut() {
    size_t end = 0;
    for (const absl::string_view part : absl::StrSplit(current_, '/')) {
      end += part.size();
      if (IsLeftOut(part)) {
        if (left_out_.size() < kMaxRemarks || left_out_.contains(current_.substr(0, end))) {
          ++left_out_[current_.substr(0, end)];
        }
        return true;
      }
      ++end;
    }
    return false;
  }

  // npm packs below "package/", forges below "<repository>-<branch>/": that folder is no part of the content.
  void StripTopFolder() {
    if (top_names_.size() != 1 || top_is_file_ || writer_.entries().empty()) return;
    const std::string top = *top_names_.begin() + "/";
    for (const PackEntry& entry : writer_.entries()) {
      if (!absl::StartsWith(entry.path, top)) return;
    }
    writer_.StripPrefix(top);
    if (top != kPackedTopFolder) Remark(absl::StrCat("the top folder ", JsonQuote(top), " was stripped"));
  }

  void RemarkLeftOut() {
    for (const auto& [path, count] : left_out_)
      Remark(absl::StrCat(JsonQuote(path), " was left out (", count, " entries)"));
  }

  void Remark(std::string text) {
    if (remarks_.size() < kMaxRemarks) remarks_.push_back(std::move(text));
  }

  const int fd_;
  const uint64_t size_;
  const Format format_;
  PackWriter& writer_;
  const UnpackLimits& limits_;
  std::unique_ptr<::archive, int (*)(::archive*)> reader_;
  std::string current_;
  uint64_t visited_ = 0;
  uint64_t inflated_ = 0;
  absl::flat_hash_set<std::string> top_names_;
  bool top_is_file_ = false;
  std::map<std::string, uint64_t> left_out_;
  std::vector<std::string> remarks_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> Unpack(int archive_fd, PackWriter& writer, const UnpackLimits& limits) {
  struct stat status {};
  if (::fstat(archive_fd, &status) != 0) return ErrnoStatus(errno, "the archive's descriptor");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size == 0) return absl::InvalidArgumentError(absl::StrCat("the archive is empty; ", kFormats));
  ASSAY_ASSIGN_OR_RETURN(const Format format, Detect(archive_fd, size));
  if (format == Format::kZip) {
    ASSAY_RETURN_IF_ERROR(CheckZipDirectory(archive_fd, size, limits.max_visited_entries));
  }
  return Unpacker(archive_fd, size, format, writer, limits).Run();
}

}  // namespace assay::archive
