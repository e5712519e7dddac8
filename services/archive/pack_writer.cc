// SPDX-License-Identifier: Apache-2.0
#include "services/archive/pack_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/archive/entry_path.h"
#include "services/archive/pack_format.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"

namespace assay::archive {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

absl::Status WriteAt(int fd, absl::string_view data, uint64_t offset) {
  while (!data.empty()) {
    const ssize_t count = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return ErrnoStatus(errno, "writing a pack");
    data.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return absl::OkStatus();
}

}  // namespace

void PackWriter::Begin(absl::string_view path, uint32_t mode, bool is_link) {
  if (entries_.empty() && buffer_.empty()) buffer_.assign(kPackHeaderBytes, '\0');
  PackEntry& entry = entries_.emplace_back();
  entry.path = std::string(path);
  entry.mode = (mode & 0111) != 0 && !is_link ? 0755 : 0644;
  entry.is_link = is_link;
  entry.offset = written_ + buffer_.size();
  hasher_.emplace();
}

absl::Status PackWriter::Append(absl::string_view data) {
  content_bytes_ += data.size();
  if (content_bytes_ > kMaxPackContentBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "entry ", JsonQuote(entries_.back().path), ": the contents exceed ", kMaxPackContentBytes, " bytes together"));
  }
  entries_.back().size += data.size();
  hasher_->Update(data);
  absl::StrAppend(&buffer_, data);
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
}

void PackWriter::End() { entries_.back().sha256 = hasher_->Finish(); }

absl::Status PackWriter::Flush() {
  ASSAY_RETURN_IF_ERROR(WriteAt(fd_, buffer_, written_));
  written_ += buffer_.size();
  buffer_.clear();
  return absl::OkStatus();
}

void PackWriter::StripPrefix(absl::string_view prefix) {
  for (PackEntry& entry : entries_) entry.path.erase(0, prefix.size());
}

// Two names that differ in case alone would be one file on some machines, and a file cannot be a folder too.
absl::Status PackWriter::CheckPaths() {
  if (entries_.size() > kMaxPackEntries) {
    return absl::ResourceExhaustedError(absl::StrCat(entries_.size(), " entries; at most ", kMaxPackEntries));
  }
  std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  absl::flat_hash_map<std::string, absl::string_view> seen;
  for (const PackEntry& entry : entries_) {
    ASSAY_RETURN_IF_ERROR(CheckEntryPath(entry.path));
    const auto [at, added] = seen.emplace(absl::AsciiStrToLower(entry.path), entry.path);
    if (!added) {
      return absl::InvalidArgumentError(absl::StrCat(
          "entry ", JsonQuote(entry.path), at->second == entry.path ? ": occurs twice" : ": differs from ",
          at->second == entry.path ? "" : JsonQuote(at->second), at->second == entry.path ? "" : " in case alone"));
    }
  }
  for (const PackEntry& entry : entries_) {
    const std::string lower = absl::AsciiStrToLower(entry.path);
    for (size_t slash = lower.find('/'); slash != std::string::npos; slash = lower.find('/', slash + 1)) {
      const auto file = seen.find(lower.substr(0, slash));
      if (file != seen.end()) {
        return absl::InvalidArgumentError(absl::StrCat("entry ", JsonQuote(entry.path), ": lies below ",
                                                       JsonQuote(file->second), ", which is no folder"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status PackWriter::Finish() {
  if (entries_.empty()) buffer_.assign(kPackHeaderBytes, '\0');
  ASSAY_RETURN_IF_ERROR(CheckPaths());
  const uint64_t names = written_ + buffer_.size();
  std::string index;
  uint64_t name = names;
  for (const PackEntry& entry : entries_) {
    AppendNumber<uint64_t>(entry.offset, index);
    AppendNumber<uint64_t>(entry.size, index);
    AppendNumber<uint32_t>(static_cast<uint32_t>(entry.path.size()), index);
    AppendNumber<uint32_t>(entry.is_link ? kModeLink : entry.mode == 0755 ? kModeExecutable : kModeFile, index);
    AppendNumber<uint64_t>(name, index);
    absl::StrAppend(&index, entry.sha256.bytes());
    name += entry.path.size();
    buffer_ += entry.path;
  }
  const uint64_t index_offset = written_ + buffer_.size();
  buffer_ += index;
  ASSAY_RETURN_IF_ERROR(Flush());
  std::string header(kPackMagic);
  AppendNumber<uint64_t>(entries_.size(), header);
  AppendNumber<uint64_t>(index_offset, header);
  AppendNumber<uint64_t>(names, header);
  AppendNumber<uint64_t>(written_, header);
  header.resize(kPackHeaderBytes, '\0');
  ASSAY_RETURN_IF_ERROR(WriteAt(fd_, header, 0));
  if (::ftruncate(fd_, static_cast<off_t>(written_)) != 0) return ErrnoStatus(errno, "cutting a pack to its size");
  return absl::OkStatus();
}

}  // namespace assay::archive
