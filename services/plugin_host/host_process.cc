// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/host_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/build_id.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::plugin_host {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kBreadcrumbBytes = 64;
constexpr size_t kKeptOutputBytes = 256 << 10;
constexpr size_t kMaxDescriptors = 4;
constexpr uint64_t kDefaultMemoryBytes = 1ull << 30;
// Exit code of a host that lost its connection: the plugin closed or wrote to descriptor 3.
constexpr int kLostConnection = 70;
constexpr absl::Duration kSendTimeout = absl::Seconds(2);
constexpr absl::Duration kKillPatience = absl::Seconds(10);

SteadyClock::time_point After(absl::Duration duration) {
  return SteadyClock::now() + absl::ToChronoNanoseconds(std::min(duration, absl::Hours(1000)));
}

int MillisecondsUntil(SteadyClock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

sandbox::LaunchSpec Spec(const std::string& executable, const PluginPackage& package, int socket, int page,
                         int output) {
  sandbox::LaunchSpec spec;
  spec.argv = {executable, package.binary_digest.ToString()};
  // A candidate's files must look the same to a plugin whatever the operator's settings are.
  spec.environment = {"LC_ALL=C.UTF-8", "TZ=UTC"};
  spec.descriptors = {{output, 1}, {output, 2}, {socket, 3}, {package.binary.get(), 4}, {page, 5}};
  const uint64_t asked = package.manifest.needs().memory_bytes();
  spec.limits.memory_bytes = asked == 0 ? kDefaultMemoryBytes : asked;
  spec.limits.max_processes = 32;
  spec.isolation.new_network = true;
  spec.isolation.new_mounts = true;
  spec.isolation.new_processes = true;
  spec.isolation.profile = sandbox::Profile::kPluginHost;
  spec.isolation.best_effort = true;
  for (const char* path : {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}) {
    struct stat status {};
    if (::stat(path, &status) == 0) spec.isolation.mounts.push_back({path, path, false});
  }
  spec.isolation.mounts.push_back({executable, executable, false});
  return spec;
}

}  // namespace

std::unique_ptr<HostProcess> HostProcess::Start(sandbox::Launcher& launcher,
                                                std::shared_ptr<const PluginPackage> package,
                                                const HostOptions& options, HostEnd* end) {
  std::unique_ptr<HostProcess> host(new HostProcess(std::move(package), options));
  const absl::Status launched = host->Launch(launcher);
  if (!launched.ok()) {
    *end = {HostEnd::Kind::kPlatform, absl::StrCat("the plugin host cannot be started: ", launched.message())};
    return nullptr;
  }
  return host->Shake(end) ? std::move(host) : nullptr;
}

HostProcess::~HostProcess() {
  process_.reset();
  if (page_ != nullptr) ::munmap(const_cast<char*>(page_), kPageBytes);
}

absl::Status HostProcess::Launch(sandbox::Launcher& launcher) {
  std::string executable = options_.executable;
  if (executable.empty()) {
    ASSAY_ASSIGN_OR_RETURN(executable, ExecutableDirectory());
    executable += "/assay-plugin-host";
  }
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return ErrnoStatus(errno, "socketpair");
  socket_.reset(sockets[0]);
  const UniqueFd theirs(sockets[1]);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoStatus(errno, "pipe2");
  output_pipe_.reset(pipe[0]);
  const UniqueFd their_output(pipe[1]);
  // Theirs blocks: a plugin that writes faster than we read waits, and nothing grows.
  ::fcntl(their_output.get(), F_SETFL, 0);
  const UniqueFd page(::memfd_create("assay-breadcrumb", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!page.is_open() || ::ftruncate(page.get(), kPageBytes) != 0 ||
      ::fcntl(page.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
    return ErrnoStatus(errno, "the breadcrumb's memory file");
  }
  void* mapped = ::mmap(nullptr, kPageBytes, PROT_READ, MAP_SHARED, page.get(), 0);
  if (mapped == MAP_FAILED) return ErrnoStatus(errno, "mmap of the breadcrumb");
  page_ = static_cast<const char*>(mapped);
  ASSAY_ASSIGN_OR_RETURN(process_,
                         launcher.Launch(Spec(executable, *package_, theirs.get(), page.get(), their_output.get())));
  return absl::OkStatus();
}

bool HostProcess::Await(plugin::v1::Frame::BodyCase body, plugin::v1::Frame& frame, HostEnd* end) {
  const auto until = After(options_.start_timeout);
  for (;;) {
    auto next = Next(until);
    if (!next.ok()) {
      *end = absl::IsInvalidArgument(next.status())
                 ? HostEnd{HostEnd::Kind::kProtocol, std::string(next.status().message())}
                 : Explain(absl::Milliseconds(500));
      return false;
    }
    if (!next->has_value()) {
      *end = {HostEnd::Kind::kHung,
              absl::StrCat("the plugin did not start within ", absl::FormatDuration(options_.start_timeout),
                           " (last: ", breadcrumb(), ")")};
      Kill();
      return false;
    }
    frame = **std::move(next);
    if (frame.body_case() == body) return true;
    if (!frame.has_refuse()) continue;
    *end = {frame.refuse().status() == 0 ? HostEnd::Kind::kPlatform : HostEnd::Kind::kCrashed, frame.refuse().reason()};
    return false;
  }
}

bool HostProcess::Shake(HostEnd* end) {
  plugin::v1::Frame frame;
  if (!Await(plugin::v1::Frame::kHello, frame, end)) return false;
  hello_ = frame.hello();
  // Every one that starts says it anew: its file may have been replaced since this process began.
  if (const absl::Status same = CompareBuildId("assay-plugin-host", hello_.build_id()); !same.ok()) {
    *end = {HostEnd::Kind::kPlatform, std::string(same.message())};
    return false;
  }
  if (hello_.protocol_min() > 1 || hello_.protocol_max() < 1) {
    *end = {HostEnd::Kind::kPlatform, absl::StrCat("the plugin host speaks protocol ", hello_.protocol_min(), " to ",
                                                   hello_.protocol_max(), ", this evaluator 1")};
    return false;
  }
  plugin::v1::Frame welcome;
  welcome.mutable_welcome()->set_protocol(1);
  welcome.mutable_welcome()->set_heartbeat_nanoseconds(
      static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.heartbeat)));
  if (Send(welcome).ok()) return true;
  *end = Explain(absl::Milliseconds(500));
  return false;
}

bool HostProcess::Configure(const std::string& evaluator, const std::string& config_json, HostEnd* end) {
  plugin::v1::Frame frame;
  frame.mutable_configure()->set_evaluator(evaluator);
  frame.mutable_configure()->set_config_json(config_json);
  if (!Send(frame).ok()) {
    *end = Explain(absl::Milliseconds(500));
    return false;
  }
  evaluator_ = evaluator;
  return Await(plugin::v1::Frame::kReady, frame, end);
}

absl::Status HostProcess::Send(plugin::v1::Frame frame, const std::vector<int>& descriptors) {
  std::string bytes;
  ASSAY_RETURN_IF_ERROR(encoder_.Encode(frame, bytes));
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)] = {};
  size_t at = 0;
  const auto until = After(kSendTimeout);
  while (at < bytes.size()) {
    iovec part = {bytes.data() + at, bytes.size() - at};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (at == 0 && !descriptors.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
      std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
    }
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      at += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      // The other side does not read; it gets some time, and its output is taken meanwhile.
      DrainOutput();
      pollfd event = {socket_.get(), POLLOUT, 0};
      ::poll(&event, 1, 50);
      if (SteadyClock::now() > until) return absl::UnavailableError("the plugin host does not read");
    } else if (errno != EINTR) {
      return absl::UnavailableError("the plugin host is gone");
    }
  }
  return absl::OkStatus();
}

void HostProcess::DrainOutput() {
  char buffer[16 << 10];
  // Bounded, so that a plugin that never stops writing cannot keep us here.
  for (int round = 0; round < 64; ++round) {
    const ssize_t got = ::read(output_pipe_.get(), buffer, sizeof buffer);
    if (got <= 0) return;
    output_.append(buffer, static_cast<size_t>(got));
    if (output_.size() > 2 * kKeptOutputBytes) output_.erase(0, output_.size() - kKeptOutputBytes);
  }
}

absl::StatusOr<std::optional<plugin::v1::Frame>> HostProcess::Next(SteadyClock::time_point until, int wake) {
  for (;;) {
    auto frame = decoder_.Next();
    if (!frame.ok()) return frame.status();
    if (frame->has_value()) return frame;
    pollfd events[3] = {{socket_.get(), POLLIN, 0}, {output_pipe_.get(), POLLIN, 0}, {wake, POLLIN, 0}};
    const int ready = ::poll(events, 3, MillisecondsUntil(until));
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
    if (ready <= 0) {
      if (SteadyClock::now() >= until) return std::nullopt;
      continue;
    }
    if (events[1].revents != 0) {
      DrainOutput();
      // Its end says nothing: a plugin may close its streams.
      if ((events[1].revents & POLLIN) == 0) output_pipe_.reset();
    }
    if (events[0].revents != 0) {
      char buffer[64 << 10];
      // Without room for control data, descriptors that are sent here are closed by the kernel.
      const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        return absl::UnavailableError("the connection was closed");
      }
      if (got > 0) decoder_.Feed({buffer, static_cast<size_t>(got)});
      continue;
    }
    if (events[2].revents != 0 || SteadyClock::now() >= until) return std::nullopt;
  }
}

bool HostProcess::IsAlive() {
  for (;;) {
    const auto frame = Next(SteadyClock::now());
    if (!frame.ok()) return false;
    if (!frame->has_value()) return true;
    if (!(*frame)->has_heartbeat()) return false;
  }
}

void HostProcess::Signal(int number) { process_->Signal(number).IgnoreError(); }

void HostProcess::Kill() { process_->Kill(); }

HostEnd HostProcess::Explain(absl::Duration patience) {
  absl::StatusOr<sandbox::ExitInfo> exit = process_->Wait(patience);
  const bool had_to_kill = absl::IsDeadlineExceeded(exit.status());
  if (had_to_kill) {
    process_->Kill();
    exit = process_->Wait(kKillPatience);
  }
  DrainOutput();
  if (!exit.ok())
    return {HostEnd::Kind::kPlatform, absl::StrCat("the plugin's end is unknown: ", exit.status().message())};
  exit_ = *exit;
  using Limit = sandbox::ExitInfo::Limit;
  const std::string last = absl::StrCat(" (last call: ", breadcrumb(), ")");
  if (exit_.limit == Limit::kMemory)
    return {HostEnd::Kind::kOutOfMemory, absl::StrCat("the plugin reached its memory limit", last)};
  if (exit_.limit == Limit::kWall || exit_.limit == Limit::kCpu)
    return {HostEnd::Kind::kHung, absl::StrCat("the plugin reached its time limit", last)};
  if (had_to_kill)
    return {HostEnd::Kind::kProtocol, absl::StrCat("the plugin's connection closed while it kept running", last)};
  if (exit_.signalled) return {HostEnd::Kind::kCrashed, absl::StrCat("the plugin ended by signal ", exit_.code, last)};
  if (exit_.code == kLostConnection) {
    return {HostEnd::Kind::kProtocol, absl::StrCat("the plugin closed or disturbed its connection", last)};
  }
  return {HostEnd::Kind::kCrashed,
          absl::StrCat("the plugin exited with code ", exit_.code, " and without a result", last)};
}

std::string HostProcess::breadcrumb() const {
  // The page may change at any time; what is shown is printable and bounded.
  std::string text;
  for (size_t i = 0; i < kBreadcrumbBytes && page_[i] != '\0'; ++i) {
    const char c = page_[i];
    text += (c >= 'a' && c <= 'z') || c == '.' || c == '_' ? c : '?';
  }
  return text.empty() ? "none" : text;
}

}  // namespace assay::plugin_host
