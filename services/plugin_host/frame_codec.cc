// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/frame_codec.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace assay::plugin_host {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kCompactAbove = 1 << 16;

}  // namespace

absl::Status FrameEncoder::Encode(plugin::v1::Frame& frame, std::string& out) {
  frame.set_sequence(sequence_ + 1);
  const size_t size = frame.ByteSizeLong();
  if (size > max_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat("a frame of ", size, " bytes; at most ", max_bytes_));
  }
  ++sequence_;
  const auto length = static_cast<uint32_t>(size);
  out.append(reinterpret_cast<const char*>(&length), kLengthBytes);
  frame.AppendToString(&out);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<plugin::v1::Frame>> FrameDecoder::Next() {
  if (!fault_.ok()) return fault_;
  if (buffer_.size() - at_ < kLengthBytes) return std::nullopt;
  uint32_t length = 0;
  std::memcpy(&length, buffer_.data() + at_, kLengthBytes);
  if (length > max_bytes_) {
    fault_ = absl::InvalidArgumentError(absl::StrCat("a frame of ", length, " bytes; at most ", max_bytes_));
    return fault_;
  }
  if (buffer_.size() - at_ - kLengthBytes < length) return std::nullopt;
  plugin::v1::Frame frame;
  if (!frame.ParseFromArray(buffer_.data() + at_ + kLengthBytes, static_cast<int>(length))) {
    fault_ = absl::InvalidArgumentError("bytes that are no frame");
    return fault_;
  }
  if (frame.sequence() != sequence_ + 1) {
    fault_ = absl::InvalidArgumentError(absl::StrCat("frame ", frame.sequence(), " after frame ", sequence_));
    return fault_;
  }
  ++sequence_;
  at_ += kLengthBytes + length;
  if (at_ == buffer_.size() || at_ > kCompactAbove) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  return frame;
}

}  // namespace assay::plugin_host
