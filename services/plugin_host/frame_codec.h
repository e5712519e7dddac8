// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "assay/plugin/v1/frame.pb.h"

namespace assay::plugin_host {

inline constexpr size_t kMaxFrameToHost = 4 << 20;
inline constexpr size_t kMaxFrameFromHost = 4 << 20;

// Gives frames their sequence numbers and bytes. Not thread-safe.
class FrameEncoder {
 public:
  explicit FrameEncoder(size_t max_bytes) : max_bytes_(max_bytes) {}
  // Appends the next frame to `out`. RESOURCE_EXHAUSTED: larger than the limit; nothing was appended.
  absl::Status Encode(plugin::v1::Frame& frame, std::string& out);

 private:
  const size_t max_bytes_;
  uint64_t sequence_ = 0;
};

// Turns bytes that may be anything into frames. Holds at most one frame and what was fed with it. Not thread-safe.
class FrameDecoder {
 public:
  explicit FrameDecoder(size_t max_bytes) : max_bytes_(max_bytes) {}
  void Feed(absl::string_view bytes) { buffer_.append(bytes.data(), bytes.size()); }
  // The next frame, or none until more is fed. INVALID_ARGUMENT: too large, not a frame, or a gap in the sequence;
  // every later call then says the same.
  absl::StatusOr<std::optional<plugin::v1::Frame>> Next();

 private:
  const size_t max_bytes_;
  std::string buffer_;
  size_t at_ = 0;
  uint64_t sequence_ = 0;
  absl::Status fault_;
};

}  // namespace assay::plugin_host
