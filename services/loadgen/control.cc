// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/control.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace assay::loadgen {
namespace {
constexpr size_t kMaxPending = 64 << 10;
}  // namespace

Control::Control(int fd) : fd_(fd) {
  if (fd_ < 0) return;
  const int flags = fcntl(fd_, F_GETFL);
  if (flags < 0 || fcntl(fd_, F_SETFL, flags | O_NONBLOCK) < 0) fd_ = -1;
}

bool Control::Write(const std::string& line) {
  return fd_ >= 0 && send(fd_, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
}

void Control::PhaseBegins(uint32_t index) { Write(absl::StrCat("phase ", index, "\n")); }

bool Control::AskForSignal(int number, bool to_listener, uint32_t id) {
  return Write(absl::StrCat("signal ", number, to_listener ? " listener " : " process ", id, "\n"));
}

bool Control::Receive(const Answer& answer) {
  char buffer[4096];
  const ssize_t got = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0 || pending_.size() > kMaxPending) {
    fd_ = -1;
    return false;
  }
  pending_.append(buffer, static_cast<size_t>(got));
  for (size_t end; (end = pending_.find('\n')) != std::string::npos; pending_.erase(0, end + 1)) {
    const std::vector<std::string> words =
        absl::StrSplit(absl::string_view(pending_).substr(0, end), absl::MaxSplits(' ', 2));
    uint32_t id = 0;
    if (words.size() < 2 || !absl::SimpleAtoi(words[1], &id)) continue;
    if (words[0] == "done") answer(id, "");
    if (words[0] == "failed") answer(id, words.size() > 2 ? words[2] : "no reason given");
  }
  return true;
}

}  // namespace assay::loadgen
