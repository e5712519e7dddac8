// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/host/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace assay::plugin_host {
namespace {

constexpr size_t kSendAbove = 64 << 10;
constexpr size_t kMaxArrived = 16;
constexpr size_t kMaxDescriptors = 8;
constexpr int64_t kMinHeartbeatMilliseconds = 10;

[[noreturn]] void Lost() { ::_exit(Connection::kLostConnection); }

}  // namespace

void Connection::Start() {
  reader_ = std::thread([this] { ReadLoop(); });
  reader_.detach();
}

void Connection::Send(plugin::v1::Frame& frame, bool now) {
  absl::MutexLock lock(&send_mutex_);
  SendLocked(frame, now);
}

void Connection::SendLocked(plugin::v1::Frame& frame, bool now) {
  // Every body is bounded before it comes here; one that is not would leave a gap that the other side sees.
  if (!encoder_.Encode(frame, unsent_).ok()) Lost();
  if (!now && unsent_.size() < kSendAbove) return;
  absl::string_view rest = unsent_;
  while (!rest.empty()) {
    const ssize_t sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) Lost();
    rest.remove_prefix(static_cast<size_t>(sent));
  }
  unsent_.clear();
}

plugin::v1::Reply Connection::Call(plugin::v1::Frame& frame) {
  {
    absl::MutexLock lock(&mutex_);
    awaited_ = frame.request_id();
    reply_.reset();
  }
  Send(frame);
  absl::MutexLock lock(&mutex_);
  const auto has_reply = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return reply_.has_value(); };
  mutex_.Await(absl::Condition(&has_reply));
  awaited_ = 0;
  return *std::exchange(reply_, std::nullopt);
}

Arrived Connection::Next() {
  absl::MutexLock lock(&mutex_);
  const auto has_frame = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !arrived_.empty(); };
  mutex_.Await(absl::Condition(&has_frame));
  Arrived next = std::move(arrived_.front());
  arrived_.pop_front();
  return next;
}

void Connection::ReadLoop() {
  using SteadyClock = std::chrono::steady_clock;
  auto beat = SteadyClock::now();
  for (;;) {
    const auto now = SteadyClock::now();
    if (now >= beat) {
      plugin::v1::Frame frame;
      frame.mutable_heartbeat();
      Send(frame);
      beat = now + std::chrono::milliseconds(heartbeat_milliseconds_.load());
    }
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(beat - now).count();
    pollfd event = {fd_, POLLIN, 0};
    const int ready = ::poll(&event, 1, static_cast<int>(std::max<int64_t>(wait, 1)));
    if (ready < 0 && errno != EINTR) Lost();
    if (ready <= 0) continue;
    if ((event.revents & POLLNVAL) != 0 || !Receive()) Lost();
    for (;;) {
      auto frame = decoder_.Next();
      if (!frame.ok()) Lost();
      if (!frame->has_value()) break;
      Dispatch(**std::move(frame));
    }
  }
}

bool Connection::Receive() {
  char buffer[64 << 10];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  iovec part = {buffer, sizeof buffer};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      descriptors_.emplace_back(fd);
    }
  }
  decoder_.Feed({buffer, static_cast<size_t>(got)});
  return descriptors_.size() <= kMaxDescriptors;
}

void Connection::Dispatch(plugin::v1::Frame frame) {
  using Body = plugin::v1::Frame;
  switch (frame.body_case()) {
    case Body::kWelcome:
      heartbeat_milliseconds_ = std::max<int64_t>(
          kMinHeartbeatMilliseconds, static_cast<int64_t>(frame.welcome().heartbeat_nanoseconds() / 1'000'000));
      return;
    case Body::kCancel:
      cancelled_.store(true, std::memory_order_relaxed);
      return;
    case Body::kReply: {
      absl::MutexLock lock(&mutex_);
      if (frame.request_id() == awaited_ && awaited_ != 0) reply_ = std::move(*frame.mutable_reply());
      return;
    }
    case Body::kConfigure:
    case Body::kEvaluate:
    case Body::kDrain: {
      absl::MutexLock lock(&mutex_);
      if (arrived_.size() >= kMaxArrived) Lost();
      arrived_.push_back({std::move(frame), std::exchange(descriptors_, {})});
      return;
    }
    default:
      return;
  }
}

}  // namespace assay::plugin_host
