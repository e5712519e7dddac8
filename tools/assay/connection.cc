// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/connection.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "services/common/base/build_id.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/status.h"

extern char** environ;

namespace assay::cli {
namespace {

constexpr char kDefaultServer[] = "127.0.0.1:7470";
constexpr absl::Duration kStartTimeout = absl::Seconds(60);
constexpr absl::Duration kStopTimeout = absl::Seconds(20);
constexpr absl::Duration kConnectTimeout = absl::Seconds(2);
constexpr int kReadyFd = 3;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The Unix socket of the server that runs on a data folder, if one answers there.
std::string SocketOf(const std::string& data) { return absl::StrCat(data, "/assay.sock"); }

bool Answers(const std::string& target) {
  auto channel = rpc::ConnectTo(target);
  return channel->WaitForConnected(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kConnectTimeout));
}

bool ServerAnswersOn(const std::string& data) {
  struct stat info {};
  return ::stat(SocketOf(data).c_str(), &info) == 0 && Answers(absl::StrCat("unix:", SocketOf(data)));
}

// Reads until the server says it is ready, ends, or the time is up.
absl::StatusOr<std::string> ReadReadyLine(int fd) {
  std::string line;
  const absl::Time deadline = absl::Now() + kStartTimeout;
  while (line.empty() || line.back() != '\n') {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return absl::DeadlineExceededError("the server did not start within a minute");
    pollfd poll_fd{fd, POLLIN, 0};
    const int ready = ::poll(&poll_fd, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "poll");
    if (ready <= 0) continue;
    char buffer[4096];
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return absl::UnavailableError("the server ended while it started");
    if (got < 0) return ErrnoStatus(errno, "read from the server");
    line.append(buffer, static_cast<size_t>(got));
    if (line.size() > (64 << 10)) return absl::InternalError("the server announced itself without end");
  }
  return line;
}

// What the server wrote to its log before it ended: its last line says why.
std::string LastLine(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, 64 << 20);
  if (!text.ok()) return "";
  absl::string_view trimmed = absl::StripAsciiWhitespace(*text);
  const size_t newline = trimmed.rfind('\n');
  return std::string(newline == absl::string_view::npos ? trimmed : trimmed.substr(newline + 1));
}

}  // namespace

std::string DataDirectory(const Globals& globals) {
  std::string data = globals.data;
  if (data.empty()) data = Environment("ASSAY_DATA");
  if (data.empty()) {
    const std::string home = Environment("HOME");
    data = absl::StrCat(home.empty() ? "/tmp" : home, "/.local/share/assay");
  }
  return std::filesystem::absolute(data).lexically_normal().string();
}

absl::Status FromGrpc(const grpc::Status& status) {
  // Nobody here cancels a call: a server that is going away does, with what comes at its last moment.
  if (status.error_code() == grpc::StatusCode::CANCELLED) return absl::UnavailableError("the server went away");
  return rpc::FromGrpcStatus(status);
}

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Start(const Options& options) {
  if (options.read_only && !std::filesystem::exists(options.data_directory)) {
    return absl::NotFoundError(absl::StrCat("data folder: ", options.data_directory,
                                            ": no server answers and there is no such folder; name one with --data"));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string folder, ExecutableDirectory());
  const std::string executable = folder + "/assay-standalone";
  ASSAY_RETURN_IF_ERROR(CheckSameBuild(executable));
  ASSAY_RETURN_IF_ERROR(MakeDirectories(options.data_directory));
  const std::string log_path = absl::StrCat(options.data_directory, options.read_only ? "/reader.log" : "/server.log");

  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  UniqueFd read_end(ready[0]), write_end(ready[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), kReadyFd);
  std::vector<std::string> arguments = {
      executable,           absl::StrCat("--data=", options.data_directory), "--set=listen=",
      "--set=http_listen=", absl::StrCat("--ready_fd=", kReadyFd),           "--exit_with_parent"};
  if (options.read_only) arguments.push_back("--set=read_only=true");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  auto process = std::unique_ptr<ServerProcess>(new ServerProcess);
  const int error = ::posix_spawn(&process->pid_, executable.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, absl::StrCat("start ", executable));
  write_end.reset();
  absl::StatusOr<std::string> line = ReadReadyLine(read_end.get());
  if (!line.ok()) {
    process.reset();
    const std::string why = LastLine(log_path);
    return absl::Status(line.status().code() == absl::StatusCode::kUnavailable ? absl::StatusCode::kFailedPrecondition
                                                                               : line.status().code(),
                        why.empty() ? absl::StrCat(line.status().message(), "; see ", log_path) : why);
  }
  const std::string key = "\"socket\":\"";
  const size_t begin = line->find(key);
  if (begin == std::string::npos) return absl::InternalError("the server did not say where it listens");
  process->socket_ = line->substr(begin + key.size(), line->find('"', begin + key.size()) - begin - key.size());
  return process;
}

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  const absl::Time deadline = absl::Now() + kStopTimeout;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (absl::Now() > deadline) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
      return;
    }
    ::poll(nullptr, 0, 10);
  }
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& target, const Globals& globals,
                                                             std::unique_ptr<ServerProcess> process) {
  auto connection = std::unique_ptr<Connection>(new Connection);
  connection->process_ = std::move(process);
  rpc::ChannelOptions tls;
  // A Unix socket is this machine's own.
  if (!absl::StartsWith(target, "unix:")) tls.tls_authority_file = globals.tls_ca;
  ASSAY_ASSIGN_OR_RETURN(connection->channel_, rpc::ConnectTo(target, tls));
  if (!globals.token_file.empty()) {
    ASSAY_ASSIGN_OR_RETURN(std::string token, ReadFile(globals.token_file, 4096));
    connection->token_ = std::string(absl::StripAsciiWhitespace(token));
  }
  if (!connection->channel_->WaitForConnected(std::chrono::system_clock::now() +
                                              absl::ToChronoMilliseconds(kConnectTimeout))) {
    return absl::UnavailableError(
        absl::StrCat("server: ", target, ": nobody answers there; start one with `assay serve`"));
  }
  return connection;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::ToDataFolder(const Globals& globals) {
  const std::string data = DataDirectory(globals);
  if (ServerAnswersOn(data)) return Open(absl::StrCat("unix:", SocketOf(data)), globals, nullptr);
  ASSAY_ASSIGN_OR_RETURN(auto process, ServerProcess::Start({.data_directory = data, .read_only = false}));
  const std::string target = absl::StrCat("unix:", process->socket());
  return Open(target, globals, std::move(process));
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::ToServer(const Globals& globals) {
  if (!globals.data.empty()) return Open(absl::StrCat("unix:", SocketOf(DataDirectory(globals))), globals, nullptr);
  std::string server = globals.server.empty() ? Environment("ASSAY_SERVER") : globals.server;
  return Open(server.empty() ? kDefaultServer : server, globals, nullptr);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::ForReading(const Globals& globals) {
  if (!globals.server.empty()) return ToServer(globals);
  if (globals.data.empty()) {
    const std::string named = Environment("ASSAY_SERVER");
    const std::string target = named.empty() ? kDefaultServer : named;
    if (!named.empty() || Answers(target)) return Open(target, globals, nullptr);
  }
  const std::string data = DataDirectory(globals);
  if (ServerAnswersOn(data)) return Open(absl::StrCat("unix:", SocketOf(data)), globals, nullptr);
  ASSAY_ASSIGN_OR_RETURN(auto process, ServerProcess::Start({.data_directory = data, .read_only = true}));
  const std::string target = absl::StrCat("unix:", process->socket());
  return Open(target, globals, std::move(process));
}

void Connection::Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
  if (timeout != absl::InfiniteDuration()) {
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  }
  if (!token_.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", token_));
}

}  // namespace assay::cli
