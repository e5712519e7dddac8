// SPDX-License-Identifier: Apache-2.0
//
// What a hostile submission might do, one trick per word on the command line. Exit code 0: the trick was stopped the
// way it should be; 1: it worked; others say where it failed otherwise.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace {

int ForkBomb(const std::vector<std::string>&) {
  for (;;) {
    if (fork() < 0) usleep(1000);
  }
}

int EatMemory(const std::vector<std::string>&) {
  for (;;) {
    size_t size = 1 << 20;
    std::memset(malloc(size), 1, size);
  }
}

int FloodOutput(const std::vector<std::string>& arguments) {
  static char block[1 << 16];
  std::memset(block, 'x', sizeof block);
  for (unsigned long long left = std::stoull(arguments[0]); left > 0;) {
    ssize_t written = write(1, block, std::min<unsigned long long>(left, sizeof block));
    if (written < 0) return 2;
    left -= static_cast<unsigned long long>(written);
  }
  return write(1, "the end", 7) == 7 ? 0 : 3;
}

int FillDisk(const std::vector<std::string>& arguments) {
  static char block[1 << 16];
  for (int file = 0; file < 100000; ++file) {
    int fd = open((arguments[0] + "/fill" + std::to_string(file)).c_str(), O_WRONLY | O_CREAT, 0600);
    if (fd < 0) return errno == ENOSPC ? 9 : 2;
    for (int i = 0; i < 8; ++i) {
      if (write(fd, block, sizeof block) < 0) return errno == ENOSPC ? 9 : 3;
    }
    close(fd);
  }
  return 1;
}

// Leaves processes behind that ignore SIGTERM and SIGHUP in sessions of their own, each holding descriptor 5.
int Daemonise(const std::vector<std::string>& arguments) {
  int count = std::stoi(arguments[0]);
  for (int i = 0; i < count; ++i) {
    pid_t child = fork();
    if (child < 0) return 2;
    if (child == 0) {
      setsid();
      signal(SIGTERM, SIG_IGN);
      signal(SIGHUP, SIG_IGN);
      if (fork() != 0) _exit(0);
      for (;;) pause();
    }
    waitpid(child, nullptr, 0);
  }
  if (write(1, "ready", 5) != 5) return 3;
  if (arguments.size() > 1) {
    for (;;) pause();
  }
  return 0;
}

int Connect(const std::vector<std::string>& arguments) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(arguments[1])));
  inet_pton(AF_INET, arguments[0].c_str(), &address.sin_addr);
  return connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 1 : 0;
}

int Read(const std::vector<std::string>& arguments) {
  for (const std::string& path : arguments) {
    if (open(path.c_str(), O_RDONLY) >= 0) return 1;
  }
  return 0;
}

int Write(const std::vector<std::string>& arguments) {
  int fd = open(arguments[0].c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  return fd >= 0 && write(fd, "changed", 7) == 7 ? 1 : 0;
}

int Trace(const std::vector<std::string>& arguments) {
  int target = std::stoi(arguments[0]);
  if (ptrace(PTRACE_SEIZE, target, nullptr, nullptr) == 0) return 1;
  return kill(target, SIGKILL) == 0 && target != 1 ? 2 : 0;
}

int Nest(const std::vector<std::string>&) {
  for (int flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID}) {
    if (unshare(flag) == 0) return 1;
  }
  return mount("none", "/tmp", "tmpfs", 0, nullptr) == 0 ? 2 : 0;
}

int Listen(const std::vector<std::string>& arguments) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(arguments[0])));
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd, 16) != 0) return 2;
  if (write(1, "ready", 5) != 5) return 3;
  for (;;) pause();
}

// Says it is ready and goes on until SIGTERM, which it answers with exit code 17.
int AwaitTerm(const std::vector<std::string>&) {
  signal(SIGTERM, [](int) { _exit(17); });
  if (write(1, "ready", 5) != 5) return 3;
  for (;;) pause();
}

int Spin(const std::vector<std::string>&) {
  for (volatile unsigned long turn = 0;;) turn = turn + 1;
}

// Fails unless its environment and descriptors are exactly what it was given.
int LookAround(const std::vector<std::string>& arguments) {
  size_t variables = 0;
  while (environ[variables] != nullptr) ++variables;
  if (variables != std::stoull(arguments[0])) return 1;
  for (int fd = 3; fd < 4096; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 && fd != 7) return 2;
  }
  return arguments.size() > 1 && fcntl(7, F_GETFD) < 0 ? 3 : 0;
}

int LinkAway(const std::vector<std::string>& arguments) {
  if (symlink("/etc/passwd", (arguments[0] + "/link").c_str()) != 0) return 2;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, std::function<int(const std::vector<std::string>&)>> tricks = {
      {"fork-bomb", ForkBomb}, {"eat-memory", EatMemory}, {"flood-output", FloodOutput}, {"fill-disk", FillDisk},
      {"daemonise", Daemonise}, {"connect", Connect}, {"read", Read}, {"write", Write}, {"trace", Trace},
      {"nest", Nest}, {"listen", Listen}, {"await-term", AwaitTerm}, {"spin", Spin}, {"look-around", LookAround},
      {"link-away", LinkAway}};
  if (argc < 2 || !tricks.contains(argv[1])) return 64;
  return tricks.at(argv[1])(std::vector<std::string>(argv + 2, argv + argc));
}
