// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/build_id.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/sandbox/frame.h"
#include "services/sandbox/launcher.h"
#include "services/sandbox/layer_judgement.h"

namespace assay::sandbox {
namespace {

// The client's end of the connection: sends requests, and a thread of its own hands answers to whoever waits. Outlives
// the launcher object while processes of it exist. Thread-safe.
class Connection {
 public:
  explicit Connection(UniqueFd socket, int launcher) : socket_(std::move(socket)), launcher_(launcher) {}
  ~Connection() {
    // The launcher kills all it started when this end closes, and ends after that.
    shutdown(socket_.get(), SHUT_RDWR);
    if (reader_.joinable()) reader_.join();
    socket_.reset();
    while (waitpid(launcher_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  absl::StatusOr<std::vector<Launcher::Check>> Open() {
    absl::StatusOr<ReceivedFrame> received = ReceiveFrame(socket_.get());
    ASSAY_RETURN_IF_ERROR(received.status());
    if (received->bytes.empty()) return absl::UnavailableError("assay-launcher ended while it proved its layers");
    ASSAY_ASSIGN_OR_RETURN(Frame frame, DecodeFrame(received->bytes));
    if (frame.type != FrameType::kChecks) return absl::InternalError("assay-launcher sent an unexpected first frame");
    reader_ = std::thread([this] { Read(); });
    return frame.checks;
  }

  // Sends a request under a new id and waits for its answer.
  absl::StatusOr<Frame> Ask(Frame request) {
    std::vector<int> descriptors;
    for (auto [from, to] : request.spec.descriptors) descriptors.push_back(from);
    {
      absl::MutexLock lock(&mutex_);
      request.id = ++last_id_;
      answers_[request.id];
    }
    absl::StatusOr<std::string> bytes = EncodeFrame(request);
    absl::Status sent = bytes.status();
    if (sent.ok()) {
      absl::MutexLock lock(&send_mutex_);
      sent = SendFrame(socket_.get(), *bytes, descriptors);
    }
    absl::MutexLock lock(&mutex_);
    auto answer = answers_.find(request.id);
    if (sent.ok()) {
      auto ready = [this, &answer] {
        mutex_.AssertReaderHeld();
        return answer->second.has_value() || closed_;
      };
      mutex_.Await(absl::Condition(&ready));
    }
    std::optional<Frame> frame = std::move(answer->second);
    answers_.erase(answer);
    ASSAY_RETURN_IF_ERROR(sent);
    if (!frame.has_value()) return absl::UnavailableError("assay-launcher has ended");
    if (frame->type == FrameType::kRefused) {
      return absl::Status(static_cast<absl::StatusCode>(frame->number), frame->text);
    }
    return *std::move(frame);
  }

  void Tell(Frame request) {
    absl::StatusOr<std::string> bytes = EncodeFrame(request);
    absl::MutexLock lock(&send_mutex_);
    // If this fails the launcher is gone, and so is everything it started.
    if (bytes.ok()) SendFrame(socket_.get(), *bytes).IgnoreError();
  }

  absl::StatusOr<ExitInfo> WaitExit(uint64_t id, absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    auto ended = [this, id] {
      mutex_.AssertReaderHeld();
      return closed_ || exits_.at(id).has_value();
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&ended), timeout)) {
      return absl::DeadlineExceededError("the process still runs");
    }
    if (exits_.at(id).has_value()) return *exits_.at(id);
    return absl::UnavailableError("assay-launcher has ended; its processes ended with it");
  }

  void Forget(uint64_t id) {
    absl::MutexLock lock(&mutex_);
    exits_.erase(id);
  }

 private:
  void Read() {
    for (;;) {
      absl::StatusOr<ReceivedFrame> received = ReceiveFrame(socket_.get());
      absl::StatusOr<Frame> frame =
          received.ok() && !received->bytes.empty() ? DecodeFrame(received->bytes) : absl::UnavailableError("closed");
      absl::MutexLock lock(&mutex_);
      if (!frame.ok()) {
        closed_ = true;
        return;
      }
      if (frame->type == FrameType::kExited) {
        auto exit = exits_.find(frame->id);
        if (exit != exits_.end()) exit->second = frame->exit;
        continue;
      }
      // Recorded here and not by the asker: the exit may be the very next frame.
      if (frame->type == FrameType::kStarted) exits_[frame->id];
      auto answer = answers_.find(frame->id);
      if (answer != answers_.end()) answer->second = *std::move(frame);
    }
  }

  UniqueFd socket_;
  const int launcher_;
  std::thread reader_;
  absl::Mutex send_mutex_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::optional<Frame>> answers_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::optional<ExitInfo>> exits_ ABSL_GUARDED_BY(mutex_);
};

class LaunchedProcess final : public Process {
 public:
  LaunchedProcess(std::shared_ptr<Connection> connection, Frame started)
      : connection_(std::move(connection)), id_(started.id), pid_(started.number), left_out_(std::move(started.names)) {}
  ~LaunchedProcess() override {
    Kill();
    connection_->Forget(id_);
  }

  uint64_t id() const override { return id_; }
  int pid() const override { return pid_; }
  std::vector<std::string> left_out() const override { return left_out_; }

  absl::Status Signal(int signal, int inner_pid) override {
    Frame frame;
    frame.type = FrameType::kSignal;
    frame.process = id_;
    frame.number = signal;
    frame.inner_pid = inner_pid;
    return connection_->Ask(std::move(frame)).status();
  }

  void Kill() override {
    Frame frame;
    frame.type = FrameType::kKill;
    frame.id = id_;
    connection_->Tell(std::move(frame));
  }

  absl::StatusOr<ExitInfo> Wait(absl::Duration timeout) override { return connection_->WaitExit(id_, timeout); }

 private:
  const std::shared_ptr<Connection> connection_;
  const uint64_t id_;
  const int pid_;
  const std::vector<std::string> left_out_;
};

class LauncherClient final : public Launcher {
 public:
  LauncherClient(std::shared_ptr<Connection> connection, std::vector<Check> checks)
      : connection_(std::move(connection)), checks_(std::move(checks)) {}

  absl::StatusOr<std::unique_ptr<Process>> Launch(const LaunchSpec& spec) override {
    Frame frame;
    frame.type = FrameType::kLaunch;
    frame.spec = spec;
    for (const std::vector<std::string>* list : {&spec.argv, &spec.environment}) {
      if (list->size() > kMaxStrings) {
        return absl::InvalidArgumentError(absl::StrCat("argv, environment: at most ", kMaxStrings, " items each"));
      }
      for (const std::string& text : *list) {
        if (text.find('\0') != std::string::npos) {
          return absl::InvalidArgumentError("argv, environment: an item contains a zero byte");
        }
      }
    }
    ASSAY_ASSIGN_OR_RETURN(Frame started, connection_->Ask(std::move(frame)));
    return std::make_unique<LaunchedProcess>(connection_, std::move(started));
  }

  const std::vector<Check>& checks() const override { return checks_; }
  absl::Status CanRunUntrusted() const override { return JudgeForUntrusted(checks_); }

 private:
  const std::shared_ptr<Connection> connection_;
  const std::vector<Check> checks_;
};

absl::StatusOr<int> SpawnLauncher(const std::string& path, int socket) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  // Also when the socket is 3 already: this clears its close-on-exec flag.
  posix_spawn_file_actions_adddup2(&actions, socket, 3);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  // The caller may have blocked or ignored signals for itself; nothing of that is inherited.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  char* argv[] = {const_cast<char*>("assay-launcher"), nullptr};
  char* environment[] = {nullptr};
  pid_t pid = -1;
  int error = posix_spawn(&pid, path.c_str(), &actions, &attributes, argv, environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("start ", path));
  return pid;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Launcher>> Launcher::Start(const std::string& path) {
  std::string executable = path;
  if (executable.empty()) {
    ASSAY_ASSIGN_OR_RETURN(std::string folder, ExecutableDirectory());
    executable = folder + "/assay-launcher";
  }
  ASSAY_RETURN_IF_ERROR(CheckSameBuild(executable));
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return ErrnoStatus(errno, "socketpair for the launcher");
  }
  UniqueFd own(sockets[0]), other(sockets[1]);
  ASSAY_ASSIGN_OR_RETURN(int pid, SpawnLauncher(executable, other.get()));
  other.reset();
  auto connection = std::make_shared<Connection>(std::move(own), pid);
  ASSAY_ASSIGN_OR_RETURN(std::vector<Check> checks, connection->Open());
  return std::make_unique<LauncherClient>(std::move(connection), std::move(checks));
}

}  // namespace assay::sandbox
