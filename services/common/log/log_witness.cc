// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/log_witness.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/log/log_storage.h"

namespace assay::log {
namespace {

// A slot: digest of the rest (32), sequence (8), length of the identity (4), identity, ends (8 each).
constexpr size_t kHeaderBytes = Digest::kSize + 8 + 4;
constexpr size_t kMaxIdentityBytes = 64;

size_t SlotBytes(int32_t partitions) {
  const size_t needed = kHeaderBytes + kMaxIdentityBytes + 8 * static_cast<size_t>(partitions);
  return (needed + 511) / 512 * 512;
}

struct Slot {
  uint64_t sequence = 0;
  LogWitness::State state;
};

std::optional<Slot> ParseSlot(absl::string_view bytes) {
  const absl::string_view body = bytes.substr(Digest::kSize);
  if (Digest::Of(body).bytes() != bytes.substr(0, Digest::kSize)) return std::nullopt;
  Slot slot;
  slot.sequence = DecodeNumber64(body);
  const size_t identity_bytes = DecodeNumber32(body.substr(8));
  if (identity_bytes > kMaxIdentityBytes) return std::nullopt;
  slot.state.identity = std::string(body.substr(12, identity_bytes));
  for (absl::string_view rest = body.substr(12 + kMaxIdentityBytes); rest.size() >= 8; rest.remove_prefix(8)) {
    slot.state.ends.push_back(static_cast<int64_t>(DecodeNumber64(rest)));
  }
  return slot;
}

}  // namespace

LogWitness::LogWitness(std::string path, UniqueFd fd, size_t slot_bytes)
    : path_(std::move(path)), fd_(std::move(fd)), slot_bytes_(slot_bytes) {}

absl::StatusOr<std::unique_ptr<LogWitness>> LogWitness::Open(const std::string& path, int32_t partitions) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.is_open()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  auto witness = std::unique_ptr<LogWitness>(new LogWitness(path, std::move(fd), SlotBytes(partitions)));
  witness->Load();
  return witness;
}

void LogWitness::Load() {
  for (size_t i = 0; i < 2; ++i) {
    std::string bytes(slot_bytes_, '\0');
    const ssize_t got = ::pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(i * slot_bytes_));
    if (got != static_cast<ssize_t>(bytes.size())) continue;
    std::optional<Slot> slot = ParseSlot(bytes);
    if (!slot.has_value() || (found_.has_value() && slot->sequence <= sequence_)) continue;
    sequence_ = slot->sequence;
    found_ = std::move(slot->state);
  }
}

absl::Status LogWitness::Write(absl::string_view identity, const std::vector<int64_t>& ends) {
  std::string body;
  AppendNumber64(++sequence_, body);
  AppendNumber32(static_cast<uint32_t>(identity.size()), body);
  absl::StrAppend(&body, identity);
  body.resize(12 + kMaxIdentityBytes);
  for (const int64_t end : ends) AppendNumber64(static_cast<uint64_t>(end), body);
  body.resize(slot_bytes_ - Digest::kSize);
  const std::string slot = absl::StrCat(Digest::Of(body).bytes(), body);
  const off_t at = static_cast<off_t>(sequence_ % 2 * slot_bytes_);
  if (::pwrite(fd_.get(), slot.data(), slot.size(), at) != static_cast<ssize_t>(slot.size())) {
    return ErrnoStatus(errno, absl::StrCat("write ", path_));
  }
  return absl::OkStatus();
}

}  // namespace assay::log
