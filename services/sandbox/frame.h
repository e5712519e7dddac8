// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/base/unique_fd.h"
#include "services/sandbox/launcher.h"

// Messages between a client and its launcher: one datagram each over an inherited SOCK_SEQPACKET socket. Both sides are
// built together, so there is no version; every length is checked all the same.
namespace assay::sandbox {

inline constexpr size_t kMaxFrameBytes = 128 << 10;
inline constexpr size_t kMaxStrings = 2048;  // of one list in a frame
inline constexpr size_t kMaxDescriptors = 64;
inline constexpr int kMaxDescriptorNumber = 1023;

enum class FrameType : uint8_t {
  kLaunch = 1,  // client: request id, spec, descriptors
  kSignal,      // client: request id, process id, signal, inner pid
  kKill,        // client: process id
  kChecks,      // launcher: once, first
  kStarted,     // launcher: request id, pid, what was left out
  kRefused,     // launcher: request id, code, message
  kExited,      // launcher: process id, exit info
  kDone,        // launcher: request id of a signal that was sent
};

struct Frame {
  FrameType type = FrameType::kKill;
  // Of the request and its answer. A launch's request id is the process's id from then on.
  uint64_t id = 0;
  uint64_t process = 0;
  int32_t number = 0;  // signal; pid; status code
  int32_t inner_pid = 0;
  std::string text;
  std::vector<std::string> names;
  LaunchSpec spec;  // its descriptors hold target numbers in .second; the files travel beside the frame
  ExitInfo exit;
  std::vector<Launcher::Check> checks;
};

// RESOURCE_EXHAUSTED when the frame is too large to send.
absl::StatusOr<std::string> EncodeFrame(const Frame& frame);
// INVALID_ARGUMENT for anything EncodeFrame cannot have made.
absl::StatusOr<Frame> DecodeFrame(absl::string_view bytes);

// Sends one datagram with descriptors. UNAVAILABLE: the other side is gone.
absl::Status SendFrame(int socket, absl::string_view bytes, const std::vector<int>& descriptors = {});

struct ReceivedFrame {
  std::string bytes;  // empty: the other side is gone
  std::vector<UniqueFd> descriptors;
};
absl::StatusOr<ReceivedFrame> ReceiveFrame(int socket);

}  // namespace assay::sandbox
