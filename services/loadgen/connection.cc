// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/connection.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace assay::loadgen {
namespace {

// What ends a head: with or without the wish to keep the connection.
constexpr absl::string_view kKeep = "\r\n";
constexpr absl::string_view kClose = "Connection: close\r\n\r\n";
constexpr int64_t kPiece = 50'000'000;  // a slow upload sends about this often

iovec Rest(absl::string_view bytes, size_t from) {
  const absl::string_view rest = bytes.substr(from);
  return {const_cast<char*>(rest.data()), rest.size()};
}

}  // namespace

absl::StatusOr<Target> TargetOf(const Plan& plan) {
  Target target;
  auto* four = reinterpret_cast<sockaddr_in*>(&target.address);
  auto* six = reinterpret_cast<sockaddr_in6*>(&target.address);
  if (inet_pton(AF_INET, plan.address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(plan.port);
    target.size = sizeof *four;
  } else if (inet_pton(AF_INET6, plan.address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(plan.port);
    target.size = sizeof *six;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("target.address: not an address: ", plan.address));
  }
  return target;
}

bool Connection::Open(const Target& target, bool slow_reader) {
  ++generation;
  was_used_ = false;
  wants_write = false;
  fd.reset(socket(target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return false;
  const int one = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (slow_reader) {
    // Otherwise the kernel would read ahead megabytes that the class means to leave unread.
    const int small = 4096;
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  }
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&target.address), target.size) == 0 || errno == EINPROGRESS) {
    state = State::kConnecting;
    return true;
  }
  Close();
  return false;
}

bool Connection::FinishConnecting() {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

void Connection::Close() {
  fd.reset();
  state = State::kClosed;
  request = nullptr;
}

void Connection::BecomeIdle() {
  state = State::kIdle;
  request = nullptr;
  was_used_ = true;
}

void Connection::Carry(const RequestClass& carried, bool keep_alive, const Sent& about, int64_t deadline,
                       const ResponseParser::Bounds& bounds) {
  request = &carried;
  keep_alive_ = keep_alive;
  sent = about;
  sent.reused = was_used_;
  deadline_ns = deadline;
  head_sent_ = close_sent_ = body_sent_ = 0;
  surplus_ = broken_by_reset_ = false;
  parser.Reset(bounds, carried.is_head);
}

size_t Connection::BodyDue(int64_t now_ns) {
  const int64_t length = sent.upload_end_ns - sent.intended_ns;
  const size_t size = request->body.size();
  if (length <= 0 || size == 0) return size;
  const auto pieces = static_cast<int64_t>(std::min<uint64_t>(size, std::max<int64_t>(1, length / kPiece)));
  const int64_t done = std::clamp<int64_t>((now_ns - sent.intended_ns) * pieces / length, 0, pieces);
  next_piece_ns_ = sent.intended_ns + (std::min(done + 1, pieces) * length + pieces - 1) / pieces;
  return static_cast<size_t>(static_cast<double>(size) * static_cast<double>(done) / static_cast<double>(pieces));
}

Connection::Io Connection::Send(int64_t now_ns) {
  const absl::string_view head = request->head;
  const absl::string_view ending = head.empty() ? absl::string_view() : keep_alive_ ? kKeep : kClose;
  const size_t due = BodyDue(now_ns);
  const absl::string_view body = absl::string_view(request->body).substr(0, due);
  while (head_sent_ < head.size() || close_sent_ < ending.size() || body_sent_ < body.size()) {
    const iovec parts[3] = {Rest(head, head_sent_), Rest(ending, close_sent_), Rest(body, body_sent_)};
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = 3;
    const ssize_t written = sendmsg(fd.get(), &message, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return Io::kBlocked;
    if (written < 0) return Io::kBroken;
    size_t left = static_cast<size_t>(written);
    for (auto [counter, part] : {std::pair{&head_sent_, 0}, {&close_sent_, 1}, {&body_sent_, 2}}) {
      const size_t taken = std::min(left, parts[part].iov_len);
      *counter += taken;
      left -= taken;
    }
  }
  sent.entirely_sent = body_sent_ == request->body.size();
  return sent.entirely_sent ? Io::kComplete : Io::kProgress;
}

Connection::Io Connection::Receive(char* buffer, size_t capacity) {
  const ssize_t got = recv(fd.get(), buffer, capacity, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Io::kBlocked;
  if (got < 0) {
    broken_by_reset_ = true;
    return Io::kBroken;
  }
  if (got == 0) return parser.FeedEnd() == ResponseParser::State::kDone ? Io::kComplete : Io::kBroken;
  const absl::string_view data(buffer, static_cast<size_t>(got));
  surplus_ = parser.Feed(data) < data.size();
  return parser.state() == ResponseParser::State::kReading ? Io::kProgress : Io::kComplete;
}

}  // namespace assay::loadgen
