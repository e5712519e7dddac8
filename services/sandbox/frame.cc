// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/frame.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::sandbox {
namespace {

// One description of the layout serves both directions: Visit calls the same fields in the same order.
class Encoder {
 public:
  template <typename T>
  void Number(T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void Text(std::string& value) {
    uint32_t size = static_cast<uint32_t>(value.size());
    Number(size);
    bytes_.append(value);
  }
  size_t Count(size_t count) {
    uint32_t narrow = static_cast<uint32_t>(count);
    Number(narrow);
    return count;
  }
  std::string Take() { return std::move(bytes_); }
  bool ok() const { return true; }

 private:
  std::string bytes_;
};

class Decoder {
 public:
  explicit Decoder(absl::string_view bytes) : rest_(bytes) {}

  template <typename T>
  void Number(T& value) {
    if (rest_.size() < sizeof value) return Fail();
    if constexpr (std::is_same_v<T, bool>) {
      if (static_cast<unsigned char>(rest_[0]) > 1) return Fail();
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
  }
  void Text(std::string& value) {
    uint32_t size = 0;
    Number(size);
    if (size > rest_.size()) return Fail();
    value.assign(rest_.data(), size);
    rest_.remove_prefix(size);
    // Everything that travels ends up as a C string sooner or later.
    if (value.find('\0') != std::string::npos) Fail();
  }
  size_t Count(size_t) {
    uint32_t count = 0;
    Number(count);
    if (count > kMaxStrings) Fail();
    return ok_ ? count : 0;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

template <typename Coder, typename T, typename Each>
void VisitList(Coder& coder, std::vector<T>& list, Each each) {
  size_t count = coder.Count(list.size());
  if constexpr (std::is_same_v<Coder, Decoder>) list.assign(count, T{});
  for (size_t i = 0; i < count && coder.ok(); ++i) each(list[i]);
}

template <typename Coder>
void VisitDuration(Coder& coder, absl::Duration& duration) {
  int64_t nanoseconds = duration == absl::InfiniteDuration() ? INT64_MAX : absl::ToInt64Nanoseconds(duration);
  coder.Number(nanoseconds);
  if constexpr (std::is_same_v<Coder, Decoder>) {
    if (nanoseconds < 0) coder.Fail();
    duration = nanoseconds == INT64_MAX ? absl::InfiniteDuration() : absl::Nanoseconds(nanoseconds);
  }
}

template <typename Coder, typename Enum>
void VisitEnum(Coder& coder, Enum& value, Enum last) {
  uint8_t number = static_cast<uint8_t>(value);
  coder.Number(number);
  if constexpr (std::is_same_v<Coder, Decoder>) {
    if (number > static_cast<uint8_t>(last)) return coder.Fail();
    value = static_cast<Enum>(number);
  }
}

template <typename Coder>
void VisitSpec(Coder& coder, LaunchSpec& spec) {
  VisitList(coder, spec.argv, [&](std::string& text) { coder.Text(text); });
  VisitList(coder, spec.environment, [&](std::string& text) { coder.Text(text); });
  coder.Text(spec.directory);
  VisitList(coder, spec.descriptors, [&](std::pair<int, int>& pair) { coder.Number(pair.second); });
  Limits& limits = spec.limits;
  coder.Number(limits.memory_bytes);
  coder.Number(limits.max_processes);
  coder.Number(limits.cpus);
  VisitDuration(coder, limits.wall);
  VisitDuration(coder, limits.cpu_time);
  coder.Number(limits.disk_bytes);
  Isolation& isolation = spec.isolation;
  for (bool* flag : {&isolation.new_network, &isolation.new_mounts, &isolation.new_processes,
                     &isolation.drop_privileges, &isolation.seccomp, &isolation.best_effort}) {
    coder.Number(*flag);
  }
  VisitEnum(coder, isolation.profile, Profile::kInstall);
  VisitList(coder, isolation.mounts, [&](Mount& mount) {
    coder.Text(mount.source);
    coder.Text(mount.target);
    coder.Number(mount.writable);
    VisitEnum(coder, mount.kind, Mount::Kind::kOverlay);
  });
  coder.Number(spec.join_process);
  coder.Number(spec.join_network_only);
}

template <typename Coder>
void VisitFrame(Coder& coder, Frame& frame) {
  VisitEnum(coder, frame.type, FrameType::kDone);
  coder.Number(frame.id);
  switch (frame.type) {
    case FrameType::kLaunch:
      return VisitSpec(coder, frame.spec);
    case FrameType::kSignal:
      coder.Number(frame.process);
      coder.Number(frame.number);
      return coder.Number(frame.inner_pid);
    case FrameType::kKill:
    case FrameType::kDone:
      return;
    case FrameType::kChecks:
      return VisitList(coder, frame.checks, [&](Launcher::Check& check) {
        coder.Text(check.id);
        VisitEnum(coder, check.result, Launcher::Check::Result::kBroken);
        coder.Text(check.detail);
        coder.Text(check.mend);
      });
    case FrameType::kStarted:
      coder.Number(frame.number);
      return VisitList(coder, frame.names, [&](std::string& text) { coder.Text(text); });
    case FrameType::kRefused:
      coder.Number(frame.number);
      return coder.Text(frame.text);
    case FrameType::kExited:
      coder.Number(frame.exit.signalled);
      coder.Number(frame.exit.code);
      VisitEnum(coder, frame.exit.limit, ExitInfo::Limit::kDisk);
      VisitDuration(coder, frame.exit.wall);
      VisitDuration(coder, frame.exit.cpu);
      return coder.Number(frame.exit.peak_bytes);
  }
}

}  // namespace

absl::StatusOr<std::string> EncodeFrame(const Frame& frame) {
  Encoder encoder;
  // Visiting never changes a frame that is being encoded.
  VisitFrame(encoder, const_cast<Frame&>(frame));
  std::string bytes = encoder.Take();
  if (bytes.size() > kMaxFrameBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("arguments and environment take ", bytes.size(), " bytes; at most ", kMaxFrameBytes));
  }
  return bytes;
}

absl::StatusOr<Frame> DecodeFrame(absl::string_view bytes) {
  Decoder decoder(bytes);
  Frame frame;
  VisitFrame(decoder, frame);
  if (!decoder.at_end() || frame.type < FrameType::kLaunch) {
    return absl::InvalidArgumentError("malformed launcher frame");
  }
  return frame;
}

absl::Status SendFrame(int socket, absl::string_view bytes, const std::vector<int>& descriptors) {
  if (descriptors.size() > kMaxDescriptors) {
    return absl::InvalidArgumentError(
        absl::StrCat("descriptors: ", descriptors.size(), " given; at most ", kMaxDescriptors));
  }
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return absl::OkStatus();
  if (errno == EPIPE || errno == ECONNRESET) return absl::UnavailableError("the launcher connection is closed");
  if (errno == EBADF) return absl::InvalidArgumentError("descriptors: one of them is not open");
  return ErrnoStatus(errno, "send to the launcher connection");
}

absl::StatusOr<ReceivedFrame> ReceiveFrame(int socket) {
  ReceivedFrame received;
  received.bytes.resize(kMaxFrameBytes);
  iovec piece{received.bytes.data(), received.bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size;
  do {
    size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno != ECONNRESET) return ErrnoStatus(errno, "receive from the launcher connection");
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); size > 0 && header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      received.descriptors.emplace_back(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::InvalidArgumentError("launcher frame is larger than allowed");
  }
  received.bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return received;
}

}  // namespace assay::sandbox
