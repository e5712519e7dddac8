// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/testing/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <queue>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace assay::loadgen::testing {
namespace {
constexpr int64_t kSecond = 1'000'000'000;
}

// All of it belongs to the server's thread.
struct ScriptedServer::Loop {
  struct Peer {
    uint64_t id = 0;
    std::string received;
    std::optional<Reply> endless;
  };
  struct Due {
    int64_t at_ns;
    uint64_t order;
    int fd;
    uint64_t peer;
    Reply reply;
    bool operator>(const Due& other) const { return std::tie(at_ns, order) > std::tie(other.at_ns, other.order); }
  };

  explicit Loop(ScriptedServer& server) : server(server), epoll(epoll_create1(EPOLL_CLOEXEC)) {
    Watch(server.listener_, EPOLLIN, true);
    Watch(server.wake_, EPOLLIN, true);
  }
  ~Loop() {
    while (!peers.empty()) Close(peers.begin()->first, false);
    close(epoll);
  }

  void Watch(int fd, uint32_t events, bool add) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    epoll_ctl(epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
  }

  void Accept() {
    for (int fd; (fd = accept4(server.listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      const int one = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      peers[fd].id = ++last_id;
      Watch(fd, EPOLLIN, true);
    }
  }

  void Close(int fd, bool reset) {
    const linger now{1, 0};
    if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    peers.erase(fd);
  }

  void Read(int fd) {
    char buffer[65536];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return Close(fd, false);
    ++server.reads_;
    Peer& peer = peers[fd];
    peer.received.append(buffer, static_cast<size_t>(got));
    while (std::optional<Reply> reply = server.script_(peer.received)) {
      ++server.requests_;
      const int64_t at = std::max(reply->due_ns, ScriptedServer::Now());
      due.push({at, ++order, fd, peer.id, *std::move(reply)});
      if (peer.received.empty()) break;
    }
  }

  void SendDue() {
    while (!due.empty() && due.top().at_ns <= ScriptedServer::Now()) {
      const Due next = due.top();
      due.pop();
      const auto peer = peers.find(next.fd);
      if (peer == peers.end() || peer->second.id != next.peer) continue;
      if (next.reply.endless) {
        peer->second.endless = next.reply;
        Watch(next.fd, EPOLLIN | EPOLLOUT, false);
        continue;
      }
      if (!next.reply.bytes.empty() && send(next.fd, next.reply.bytes.data(), next.reply.bytes.size(), MSG_NOSIGNAL) < 0) {
        Close(next.fd, false);
        continue;
      }
      if (next.reply.close || next.reply.reset) Close(next.fd, next.reply.reset);
    }
  }

  void Turn() {
    int64_t wait = kSecond;
    // Woken a little early and polling from there, so that its own lateness stays out of what is measured.
    if (!due.empty()) wait = std::clamp<int64_t>(due.top().at_ns - ScriptedServer::Now() - 150'000, 0, kSecond);
    const timespec timeout{wait / kSecond, wait % kSecond};
    epoll_event events[256];
    const int count = epoll_pwait2(epoll, events, 256, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == server.wake_) return;
      if (fd == server.listener_) {
        Accept();
        continue;
      }
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Read(fd);
      const auto peer = peers.find(fd);
      if (peer == peers.end() || !peer->second.endless.has_value()) continue;
      const std::string& bytes = peer->second.endless->bytes;
      if (send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0 && errno != EAGAIN) Close(fd, false);
    }
    SendDue();
  }

  ScriptedServer& server;
  int epoll;
  std::map<int, Peer> peers;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
  uint64_t last_id = 0;
  uint64_t order = 0;
};

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(listener_, 4096) < 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) < 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

ScriptedServer::~ScriptedServer() {
  Die();
  close(wake_);
}

void ScriptedServer::Serve() {
  Loop loop(*this);
  while (!stop_) loop.Turn();
  close(listener_);
}

void ScriptedServer::Die() {
  if (!thread_.joinable()) return;
  stop_ = true;
  const uint64_t one = 1;
  if (write(wake_, &one, sizeof one) < 0) std::abort();
  thread_.join();
}

int64_t ScriptedServer::Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

std::string ScriptedServer::Ok(absl::string_view body) {
  return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

bool ScriptedServer::TakeRequest(std::string& received) {
  const size_t end = received.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  size_t length = 0;
  const size_t header = received.find("Content-Length: ");
  if (header < end) {
    const size_t from = header + 16;
    if (!absl::SimpleAtoi(received.substr(from, received.find('\r', from) - from), &length)) std::abort();
  }
  if (received.size() < end + 4 + length) return false;
  received.erase(0, end + 4 + length);
  return true;
}

}  // namespace assay::loadgen::testing
