// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/process_view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/file.h"

namespace assay::sandbox {
namespace {

constexpr size_t kMaxTableBytes = 4 << 20;
constexpr size_t kMaxSockets = 1024;

std::string ReadTable(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[65536];
  for (ssize_t size; file.is_open() && text.size() < kMaxTableBytes && (size = read(file.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

std::string ReadLink(const std::string& path) {
  char target[256];
  ssize_t size = readlink(path.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : std::string();
}

std::vector<int> Numbers(const std::string& folder) {
  std::vector<int> numbers;
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return numbers;
  while (dirent* entry = readdir(directory)) {
    int number = 0;
    if (absl::SimpleAtoi(entry->d_name, &number)) numbers.push_back(number);
  }
  closedir(directory);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// The words of a line of /proc/<pid>/status; none when there is no such line.
std::vector<std::string> StatusWords(int pid, absl::string_view name) {
  const std::string status = ReadTable(absl::StrCat("/proc/", pid, "/status"));
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (!absl::ConsumePrefix(&line, name)) continue;
    return absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  }
  return {};
}

// The last number of the NSpid line: the id in the innermost namespace.
int InnerPid(int pid) {
  const std::vector<std::string> parts = StatusWords(pid, "NSpid:");
  int inner = 0;
  return !parts.empty() && absl::SimpleAtoi(parts.back(), &inner) ? inner : 0;
}

// Fills in who holds each socket: the first process, by age, of those in the same network namespace.
void FindOwners(const std::string& network, std::map<uint64_t, ListeningSocket>& sockets) {
  size_t missing = sockets.size();
  for (int pid : Numbers("/proc")) {
    if (missing == 0) return;
    if (ReadLink(absl::StrCat("/proc/", pid, "/ns/net")) != network) continue;
    const std::string folder = absl::StrCat("/proc/", pid, "/fd/");
    for (int fd : Numbers(folder)) {
      const std::string target = ReadLink(absl::StrCat(folder, fd));
      absl::string_view text = target;
      uint64_t inode = 0;
      if (!absl::ConsumePrefix(&text, "socket:[") || !absl::ConsumeSuffix(&text, "]") ||
          !absl::SimpleAtoi(text, &inode)) {
        continue;
      }
      auto found = sockets.find(inode);
      if (found == sockets.end() || found->second.pid != 0) continue;
      found->second.pid = pid;
      found->second.inner_pid = InnerPid(pid);
      --missing;
    }
  }
}

}  // namespace

std::vector<ListedSocket> ParseListening(absl::string_view table) {
  std::vector<ListedSocket> sockets;
  for (absl::string_view line : absl::StrSplit(table, '\n')) {
    // number: local-address:port remote-address:port state queues timer retransmits uid timeout inode …
    std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() < 10 || fields[3] != "0A") continue;
    std::pair<absl::string_view, absl::string_view> local = absl::StrSplit(fields[1], absl::MaxSplits(':', 1));
    uint32_t port = 0;
    uint64_t inode = 0;
    if (!absl::SimpleHexAtoi(local.second, &port) || port > 65'535 || !absl::SimpleAtoi(fields[9], &inode)) continue;
    // Addresses stand as words in the machine's byte order; the loopback net and ::1 can be told by their ends.
    const bool loopback = local.first.size() == 8
                              ? absl::EndsWith(local.first, "7F")
                              : local.first == "00000000000000000000000001000000" ||
                                    (absl::StartsWith(local.first, "0000000000000000FFFF0000") &&
                                     absl::EndsWith(local.first, "7F"));
    sockets.push_back({inode, static_cast<uint16_t>(port), loopback});
    if (sockets.size() >= kMaxSockets) break;
  }
  return sockets;
}

absl::StatusOr<std::vector<ListeningSocket>> FindListeningSockets(int pid) {
  const std::string process = absl::StrCat("/proc/", pid);
  const std::string network = ReadLink(process + "/ns/net");
  if (network.empty()) return absl::NotFoundError(absl::StrCat("process ", pid, " has ended or is not ours to look at"));
  std::map<uint64_t, ListeningSocket> by_inode;
  for (bool ipv6 : {false, true}) {
    for (const ListedSocket& listed : ParseListening(ReadTable(process + (ipv6 ? "/net/tcp6" : "/net/tcp")))) {
      by_inode[listed.inode] = ListeningSocket{listed.port, ipv6, listed.loopback_only};
    }
  }
  FindOwners(network, by_inode);
  std::vector<ListeningSocket> sockets;
  for (const auto& [inode, socket] : by_inode) sockets.push_back(socket);
  std::sort(sockets.begin(), sockets.end(), [](const ListeningSocket& a, const ListeningSocket& b) {
    return std::tie(a.port, a.ipv6) < std::tie(b.port, b.ipv6);
  });
  return sockets;
}

bool ListensOnUnixSocket(int pid) {
  const std::string table = ReadTable(absl::StrCat("/proc/", pid, "/net/unix"));
  for (absl::string_view line : absl::StrSplit(table, '\n')) {
    // number: references protocol flags type state inode path; flag 0x10000: it accepts connections.
    std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint32_t flags = 0;
    if (fields.size() >= 7 && absl::SimpleHexAtoi(fields[3], &flags) && (flags & 0x10000) != 0) return true;
  }
  return false;
}

uint64_t PeakResidentBytes(int pid) {
  const std::string network = ReadLink(absl::StrCat("/proc/", pid, "/ns/net"));
  uint64_t bytes = 0;
  for (int other : network.empty() ? std::vector<int>() : Numbers("/proc")) {
    if (ReadLink(absl::StrCat("/proc/", other, "/ns/net")) != network) continue;
    const std::vector<std::string> parts = StatusWords(other, "VmHWM:");
    uint64_t kilobytes = 0;
    if (!parts.empty() && absl::SimpleAtoi(parts[0], &kilobytes)) bytes += kilobytes << 10;
  }
  return bytes;
}

struct OutputDrain::State {
  UniqueFd read_end;
  UniqueFd stop;  // its other end closes when the drain goes
  UniqueFd stop_trigger;
  std::thread reader;
  mutable absl::Mutex mutex;
  std::string ring ABSL_GUARDED_BY(mutex);  // the last kKeptBytes, rotated by `total`
  uint64_t total ABSL_GUARDED_BY(mutex) = 0;
  bool ended ABSL_GUARDED_BY(mutex) = false;

  void Append(absl::string_view bytes) {
    absl::MutexLock lock(&mutex);
    for (absl::string_view rest = bytes; !rest.empty();) {
      const size_t at = total % kKeptBytes, take = std::min(rest.size(), kKeptBytes - at);
      if (ring.size() < at + take) ring.resize(at + take);
      ring.replace(at, take, rest.data(), take);
      total += take;
      rest.remove_prefix(take);
    }
  }

  void Run(uint64_t max_bytes, const std::function<void()>& on_excess) {
    char buffer[65536];
    uint64_t seen = 0;
    bool told = max_bytes == 0 || !on_excess;
    for (;;) {
      pollfd events[] = {{read_end.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
      if (poll(events, 2, -1) < 0) continue;
      if (events[0].revents == 0) break;
      ssize_t size = read(read_end.get(), buffer, sizeof buffer);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) break;
      Append({buffer, static_cast<size_t>(size)});
      seen += static_cast<uint64_t>(size);
      if (!told && seen > max_bytes) {
        told = true;
        on_excess();
      }
    }
    absl::MutexLock lock(&mutex);
    ended = true;
  }
};

OutputDrain::OutputDrain() : state_(std::make_unique<State>()) {}

OutputDrain::~OutputDrain() {
  state_->stop_trigger.reset();
  if (state_->reader.joinable()) state_->reader.join();
}

absl::StatusOr<std::unique_ptr<OutputDrain>> OutputDrain::Create() {
  auto drain = std::unique_ptr<OutputDrain>(new OutputDrain);
  int data[2], stop[2];
  if (pipe2(data, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe for a program's output");
  drain->state_->read_end.reset(data[0]);
  drain->write_end_.reset(data[1]);
  if (pipe2(stop, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe for a program's output");
  drain->state_->stop.reset(stop[0]);
  drain->state_->stop_trigger.reset(stop[1]);
  return drain;
}

void OutputDrain::Start(uint64_t max_bytes, std::function<void()> on_excess) {
  write_end_.reset();
  state_->reader = std::thread(
      [state = state_.get(), max_bytes, on_excess = std::move(on_excess)] { state->Run(max_bytes, on_excess); });
}

std::string OutputDrain::Tail() const {
  absl::MutexLock lock(&state_->mutex);
  if (state_->total <= kKeptBytes) return state_->ring;
  const size_t at = state_->total % kKeptBytes;
  return state_->ring.substr(at) + state_->ring.substr(0, at);
}

uint64_t OutputDrain::total_bytes() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->total;
}

bool OutputDrain::WaitEnd(absl::Duration timeout) const {
  absl::MutexLock lock(&state_->mutex);
  return state_->mutex.AwaitWithTimeout(absl::Condition(&state_->ended), timeout);
}

}  // namespace assay::sandbox
