// SPDX-License-Identifier: Apache-2.0
//
// What a sandbox costs: start to exit of `true` beside bubblewrap and a plain start, and the time until a small Node
// server answers, beside plain Node.
//
//   sandbox_benchmark [ROUNDS] [NODE]     NODE: a Node release's binary; without it only `true` is measured

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/unique_fd.h"
#include "services/sandbox/launcher.h"
#include "services/sandbox/runtime_mounts.h"
#include "tests/benchmark/report.h"

namespace assay::sandbox {
namespace {

// Writes a byte to descriptor 3 when it has answered its own first request with 200: the wait is the same inside and
// outside, and needs no way into the sandbox's network.
constexpr char kServer[] =
    "const http = require('http');"
    "const server = http.createServer((request, response) => response.end('ok'));"
    "server.listen(0, '127.0.0.1', () => http.get({port: server.address().port, host: '127.0.0.1'},"
    " (response) => { if (response.statusCode === 200) require('fs').writeSync(3, '1'); process.exit(0); }));";

double Milliseconds(absl::Time begin) { return absl::ToDoubleMilliseconds(absl::Now() - begin); }

// Contestants take turns, so that what else the machine does hits all of them alike.
struct Contestant {
  std::string name;
  std::function<double()> run;  // milliseconds; negative: it failed
};

// Their times by name, of the rounds that all of them finished.
std::map<std::string, std::vector<double>> Measure(int rounds, const std::vector<Contestant>& contestants) {
  std::map<std::string, std::vector<double>> times;
  for (const Contestant& contestant : contestants) contestant.run();
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> of_round;
    for (const Contestant& contestant : contestants) of_round.push_back(contestant.run());
    if (*std::min_element(of_round.begin(), of_round.end()) < 0) continue;
    for (size_t i = 0; i < contestants.size(); ++i) times[contestants[i].name].push_back(of_round[i]);
  }
  return times;
}

// Starts and waits. With `ready`, the time until a byte arrives there instead.
double Plain(std::vector<std::string> words, UniqueFd* ready_read = nullptr, UniqueFd* ready_write = nullptr) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* environment[] = {nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (ready_write != nullptr) posix_spawn_file_actions_adddup2(&actions, ready_write->get(), 3);
  absl::Time begin = absl::Now();
  pid_t pid = -1;
  int error = posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return -1;
  double time = -1;
  if (ready_read != nullptr) {
    char byte;
    ready_write->reset();
    if (read(ready_read->get(), &byte, 1) == 1) time = Milliseconds(begin);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (ready_read == nullptr && status == 0) time = Milliseconds(begin);
  return time;
}

LaunchSpec ConfinedSpec(std::vector<std::string> argv, bool limits) {
  LaunchSpec spec;
  spec.argv = std::move(argv);
  spec.isolation.new_network = spec.isolation.new_mounts = spec.isolation.new_processes = true;
  spec.isolation.mounts = NodeLibraryMounts();
  if (limits) {
    spec.limits.memory_bytes = 1 << 30;
    spec.limits.max_processes = 128;
    spec.limits.cpus = 2;
  }
  return spec;
}

double Sandboxed(Launcher& launcher, LaunchSpec spec, UniqueFd* ready_read = nullptr, UniqueFd* ready_write = nullptr) {
  if (ready_write != nullptr) spec.descriptors = {{ready_write->get(), 3}};
  absl::Time begin = absl::Now();
  auto process = launcher.Launch(spec);
  if (!process.ok()) {
    std::fprintf(stderr, "%s\n", process.status().ToString().c_str());
    return -1;
  }
  double time = -1;
  if (ready_read != nullptr) {
    char byte;
    ready_write->reset();
    if (read(ready_read->get(), &byte, 1) == 1) time = Milliseconds(begin);
  }
  auto exit = (*process)->Wait(absl::Minutes(1));
  if (ready_read == nullptr && exit.ok() && exit->code == 0) time = Milliseconds(begin);
  return time;
}

template <typename Run>
double WithPipe(Run run) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  return run(&read_end, &write_end);
}

int Main(int rounds, const std::string& node) {
  auto launcher = Launcher::Start(*ExecutableDirectory() + "/../bin/assay-launcher");
  if (!launcher.ok() || !(*launcher)->CanRunUntrusted().ok()) {
    std::fprintf(stderr, "%s\n", (launcher.ok() ? (*launcher)->CanRunUntrusted() : launcher.status()).ToString().c_str());
    return 1;
  }
  auto true_spec = [](bool limits) {
    LaunchSpec spec = ConfinedSpec({"/program/true"}, limits);
    spec.isolation.mounts.push_back({"/bin/true", "/program/true"});
    return spec;
  };
  std::vector<Contestant> starts;
  starts.push_back({"true, plain", [] { return Plain({"/bin/true"}); }});
  starts.push_back({"true, sandbox", [&] { return Sandboxed(**launcher, true_spec(false)); }});
  starts.push_back({"true, sandbox with control groups", [&] { return Sandboxed(**launcher, true_spec(true)); }});
  if (access("/usr/bin/bwrap", X_OK) == 0) {
    starts.push_back({"true, bwrap", [] {
                        return Plain({"/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr",
                                      "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc",
                                      "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/usr/bin/true"});
                      }});
  }
  auto times = Measure(rounds, starts);
  for (const char* ours : {"true, sandbox", "true, sandbox with control groups"}) {
    for (const char* beside : {"true, bwrap", "true, plain"}) {
      if (times.count(beside) > 0) benchmark::PrintRatio(ours, "ms", times[ours], beside, times[beside], {});
    }
  }
  if (node.empty()) {
    std::fputs("no Node.js binary was named: the time until a server answers is not measured\n", stderr);
    return 0;
  }
  LaunchSpec server = ConfinedSpec({"/program/node", "-e", kServer}, true);
  server.isolation.mounts.push_back({node, "/program/node"});
  times = Measure(
      std::max(rounds / 5, 5),
      {{"plain",
        [&] { return WithPipe([&](UniqueFd* r, UniqueFd* w) {
                return Plain({node, "-e", kServer}, r, w);
              }); }},
       {"sandbox",
        [&] { return WithPipe([&](UniqueFd* r, UniqueFd* w) { return Sandboxed(**launcher, server, r, w); }); }}});
  benchmark::PrintRatio("node until its first 200, sandbox", "ms", times["sandbox"], "node, plain", times["plain"],
                        benchmark::AtMost(1.1));
  return 0;
}

}  // namespace
}  // namespace assay::sandbox

int main(int argc, char** argv) {
  int rounds = 100;
  if (argc > 1 && (!absl::SimpleAtoi(argv[1], &rounds) || rounds < 1 || rounds > 100'000)) {
    std::fputs("usage: sandbox_benchmark [ROUNDS] [NODE]\n", stderr);
    return 2;
  }
  return assay::sandbox::Main(rounds, argc > 2 ? argv[2] : "");
}
