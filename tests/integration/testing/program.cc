// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/testing/program.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/unique_fd.h"

extern char** environ;

namespace assay::testing {
namespace {

constexpr int kReadyFd = 3;
constexpr absl::Duration kPatience = absl::Seconds(120);

std::string LastLine(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, 64 << 20);
  if (!text.ok()) return "";
  const absl::string_view trimmed = absl::StripAsciiWhitespace(*text);
  return std::string(trimmed.substr(trimmed.rfind('\n') == absl::string_view::npos ? 0 : trimmed.rfind('\n') + 1));
}

// One line, or what came before the end.
std::string ReadLine(int fd) {
  std::string line;
  const absl::Time deadline = absl::Now() + kPatience;
  while (line.find('\n') == std::string::npos && absl::Now() < deadline) {
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(deadline - absl::Now()))) <= 0) continue;
    char buffer[1024];
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count <= 0) break;
    line.append(buffer, static_cast<size_t>(count));
  }
  return line;
}

}  // namespace

std::string Built(const std::string& name) { return absl::StrCat(getenv("ASSAY_BUILD_DIR"), "/", name); }

absl::StatusOr<std::unique_ptr<Program>> Program::Start(const std::string& name, std::vector<std::string> arguments,
                                                        const std::string& log) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), kReadyFd);
  arguments.insert(arguments.begin(), Built(absl::StrCat("bin/", name)));
  arguments.push_back(absl::StrCat("--ready_fd=", kReadyFd));
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  std::unique_ptr<Program> program(new Program);
  const int error = posix_spawn(&program->pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoStatus(error, argv[0]);
  write_end.reset();
  program->ready_line_ = ReadLine(read_end.get());
  if (program->ready_line_.empty()) {
    int status = 0;
    waitpid(program->pid_, &status, 0);
    program->pid_ = -1;
    return absl::UnavailableError(absl::StrCat(LastLine(log), WIFSIGNALED(status) ? " (signal " : " (exit ",
                                               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), ")"));
  }
  return program;
}

Program::~Program() { Kill(); }

void Program::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Program::Signal(int number) const { kill(pid_, number); }

int Program::Wait() {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (absl::Now() > deadline) return -1;
    poll(nullptr, 0, 5);
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int Program::Terminate() {
  Signal(SIGTERM);
  return Wait();
}

std::string Program::ReadyField(const std::string& name) const {
  const std::string key = absl::StrCat("\"", name, "\":\"");
  const size_t begin = ready_line_.find(key);
  if (begin == std::string::npos) return "";
  return ready_line_.substr(begin + key.size(), ready_line_.find('"', begin + key.size()) - begin - key.size());
}

std::string HttpGet(const std::string& address, const std::string& path) {
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port)) return "";
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return "";
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  if (write(fd.get(), request.data(), request.size()) < 0) return "";
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd.get(), buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<size_t>(got));
  return answer;
}

}  // namespace assay::testing
