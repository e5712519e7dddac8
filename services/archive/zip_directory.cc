// SPDX-License-Identifier: Apache-2.0
#include "services/archive/zip_directory.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"

namespace assay::archive {
namespace {

// The record at the end of a zip: 22 bytes and a comment of at most 65,535.
constexpr absl::string_view kEndMark = "PK\x05\x06";
constexpr size_t kEndBytes = 22;
constexpr size_t kMaxComment = 0xffff;
constexpr absl::string_view kRecordMark = "PK\x01\x02";
constexpr size_t kRecordBytes = 46;
constexpr absl::string_view kFileMark = "PK\x03\x04";
constexpr size_t kFileBytes = 30;
constexpr size_t kPageBytes = 1 << 20;

// Up to `length` bytes at `offset`; fewer at the end of the file or on an error.
std::string Read(int fd, uint64_t offset, size_t length) {
  std::string bytes(length, '\0');
  size_t have = 0;
  while (have < length) {
    const ssize_t got = ::pread(fd, bytes.data() + have, length - have, static_cast<off_t>(offset + have));
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

uint64_t Number(absl::string_view bytes, size_t at, size_t length) {
  uint64_t value = 0;
  for (size_t i = length; i > 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[at + i - 1]);
  return value;
}

struct Directory {
  uint64_t offset = 0;
  uint64_t end = 0;
  // What stands before the archive; offsets in the directory do not count it.
  uint64_t prefix = 0;
};

std::optional<Directory> FindDirectory(int fd, uint64_t size) {
  const size_t length = std::min<uint64_t>(size, kEndBytes + kMaxComment);
  const std::string tail = Read(fd, size - length, length);
  const size_t at = absl::string_view(tail).rfind(kEndMark);
  if (at == absl::string_view::npos || tail.size() - at < kEndBytes) return std::nullopt;
  const uint64_t end = size - length + at, bytes = Number(tail, at + 12, 4), offset = Number(tail, at + 16, 4);
  if (bytes + offset > end) return std::nullopt;
  return Directory{end - bytes, end, end - bytes - offset};
}

absl::Status CheckName(int fd, uint64_t offset, absl::string_view name) {
  const std::string file = Read(fd, offset, kFileBytes + name.size());
  if (file.size() < kFileBytes || !absl::StartsWith(file, kFileMark)) return absl::OkStatus();
  const size_t length = Number(file, 26, 2);
  if (length == name.size() && absl::string_view(file).substr(kFileBytes) == name) return absl::OkStatus();
  const std::string own = Read(fd, offset + kFileBytes, length);
  return absl::InvalidArgumentError(absl::StrCat("entry ", JsonQuote(own.substr(0, 512)),
                                                 ": the zip's directory calls it ", JsonQuote(name.substr(0, 512))));
}

}  // namespace

absl::Status CheckZipDirectory(int fd, uint64_t size, uint64_t max_entries) {
  const std::optional<Directory> directory = FindDirectory(fd, size);
  if (!directory) return absl::OkStatus();
  uint64_t offset = directory->offset, page_offset = offset, entries = 0;
  std::string page;
  // Fills the page so that `length` bytes from `offset` are in it, where there are as many.
  const auto record = [&](size_t length) {
    if (offset + length > page_offset + page.size()) {
      page_offset = offset;
      page = Read(fd, offset, std::min<uint64_t>(kPageBytes, directory->end - offset));
    }
    return absl::string_view(page).substr(offset - page_offset, length);
  };
  while (offset + kRecordBytes <= directory->end) {
    const absl::string_view fixed = record(kRecordBytes);
    if (fixed.size() < kRecordBytes || !absl::StartsWith(fixed, kRecordMark)) break;
    const size_t name_length = Number(fixed, 28, 2);
    const uint64_t length = kRecordBytes + name_length + Number(fixed, 30, 2) + Number(fixed, 32, 2);
    const uint64_t file_offset = directory->prefix + Number(fixed, 42, 4);
    const absl::string_view named = record(kRecordBytes + name_length);
    if (named.size() < kRecordBytes + name_length) break;
    const std::string name(named.substr(kRecordBytes));
    if (++entries > max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("entry ", JsonQuote(name.substr(0, 512)), ": more than ", max_entries, " entries"));
    }
    const absl::Status same = CheckName(fd, file_offset, name);
    if (!same.ok()) return same;
    offset += length;
  }
  return absl::OkStatus();
}

}  // namespace assay::archive
