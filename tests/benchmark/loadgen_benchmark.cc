// SPDX-License-Identifier: Apache-2.0
//
// Whether the load engine tells the truth: percentiles and the rate sent against a server whose distribution is known,
// beside a bare open-loop client, interleaved in one run. Exits with 1 when the goal is missed.
//
// The server answers in 10 ms, but what falls due inside [0.4 s, 0.6 s) of a second leaves at 0.6 s. For starts spread
// evenly over whole seconds 80 % take 10 ms and the rest lie evenly between 10 and 210 ms, so the quantile q above 0.8
// is 10 + 200 (q - 0.8) / 0.2 ms: p90 110, p99 200, p99.9 209.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/loadgen/testing/scripted_server.h"
#include "tests/benchmark/report.h"

namespace {

using Server = assay::loadgen::testing::ScriptedServer;

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int kRate = 2000;
constexpr int kSeconds = 4;
constexpr int kConnections = 64;
constexpr std::array<double, 4> kShares = {0.5, 0.9, 0.99, 0.999};
constexpr std::array<const char*, 4> kNames = {"p50_ms", "p90_ms", "p99_ms", "p999_ms"};
constexpr std::array<double, 4> kTruth = {10, 110, 200, 209};

struct Measured {
  std::array<double, 4> quantiles_ms{};
  double rate_sent = 0;
  double cpu_us_per_request = 0;
  double send_delay_p50_us = 0;
  double send_delay_p99_us = 0;
  bool valid = false;
};

void Pin(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

// Runs `body` in a child on `core` with its output in a pipe and returns what it printed.
std::string InChild(int core, const std::function<void()>& body) {
  int ends[2];
  if (pipe(ends) < 0) std::abort();
  const int child = fork();
  if (child == 0) {
    Pin(core);
    dup2(ends[1], STDOUT_FILENO);
    body();
    std::fflush(stdout);
    _exit(0);
  }
  close(ends[1]);
  std::string output;
  char buffer[65536];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;) output.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return output;
}

std::optional<Server::Reply> Stalling(std::string& received) {
  if (!Server::TakeRequest(received)) return std::nullopt;
  int64_t due = Server::Now() + 10 * kMillisecond;
  const int64_t within = due % kSecond;
  if (within >= 400 * kMillisecond && within < 600 * kMillisecond) due += 600 * kMillisecond - within;
  return Server::Reply{.bytes = Server::Ok(), .due_ns = due};
}

// A client with nothing but the schedule: what this machine allows at best.
class Bare {
 public:
  explicit Bare(uint16_t port) : port_(port), epoll_(epoll_create1(0)), intended_(65536) {}

  nlohmann::json Run() {
    for (int i = 0; i < kConnections; ++i) idle_.push_back(Dial());
    const int64_t total = int64_t{kRate} * kSeconds;
    const int64_t begin = Server::Now() + kMillisecond;
    const int64_t gap = kSecond / kRate;
    epoll_event events[256];
    int64_t next = 0;
    while (static_cast<int64_t>(latency_.size()) < total) {
      const int64_t wait = next < total ? begin + next * gap - Server::Now() - 120'000 : 50 * kMillisecond;
      const timespec timeout{0, std::clamp<int64_t>(wait, 0, kSecond - 1)};
      const int count = epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
      for (int i = 0; i < count; ++i) Answered(events[i].data.fd);
      for (; next < total && begin + next * gap <= Server::Now(); ++next) Send(begin + next * gap);
    }
    return Report();
  }

 private:
  int Dial() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) std::abort();
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    return fd;
  }

  void Send(int64_t intended) {
    if (idle_.empty()) idle_.push_back(Dial());
    const int fd = idle_.back();
    idle_.pop_back();
    intended_[static_cast<size_t>(fd)] = intended;
    delay_.push_back(static_cast<double>(Server::Now() - intended));
    static constexpr char kRequest[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    if (write(fd, kRequest, sizeof kRequest - 1) < 0) std::abort();
  }

  void Answered(int fd) {
    char buffer[4096];
    if (read(fd, buffer, sizeof buffer) <= 0) std::abort();
    latency_.push_back(static_cast<double>(Server::Now() - intended_[static_cast<size_t>(fd)]));
    idle_.push_back(fd);
  }

  static double Quantile(std::vector<double>& values, double share) {
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(std::ceil(share * static_cast<double>(values.size()))) - 1];
  }

  nlohmann::json Report() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    nlohmann::json out = {{"rate_sent", static_cast<double>(delay_.size()) / kSeconds},
                          {"engine_cpu_seconds", cpu},
                          {"state", "valid"}};
    for (size_t i = 0; i < kShares.size(); ++i) out["response"][kNames[i]] = Quantile(latency_, kShares[i]) / 1e6;
    out["send_delay"] = {{"p50_ms", Quantile(delay_, 0.5) / 1e6}, {"p99_ms", Quantile(delay_, 0.99) / 1e6}};
    return out;
  }

  uint16_t port_;
  int epoll_;
  std::vector<int64_t> intended_;
  std::vector<int> idle_;
  std::vector<double> latency_, delay_;
};

Measured Read(const nlohmann::json& phase, const nlohmann::json& counts) {
  Measured out;
  out.valid = phase["state"] == "valid";
  out.rate_sent = phase["rate_sent"];
  out.cpu_us_per_request = phase["engine_cpu_seconds"].get<double>() * 1e6 / (kRate * kSeconds);
  out.send_delay_p50_us = counts["send_delay"]["p50_ms"].get<double>() * 1e3;
  out.send_delay_p99_us = counts["send_delay"]["p99_ms"].get<double>() * 1e3;
  for (size_t i = 0; out.valid && i < kNames.size(); ++i) out.quantiles_ms[i] = counts["response"][kNames[i]];
  return out;
}

// Runs begin right after a stall and last whole seconds, so that none ends inside one.
void AwaitEndOfStall() {
  const int64_t now = Server::Now();
  const int64_t wait = (kSecond + 620 * kMillisecond - now % kSecond) % kSecond;
  const timespec time{0, wait};
  nanosleep(&time, nullptr);
}

Measured RunBare(uint16_t port) {
  AwaitEndOfStall();
  const auto out = nlohmann::json::parse(InChild(1, [port] { std::puts(Bare(port).Run().dump().c_str()); }));
  return Read(out, out);
}

Measured RunOurs(uint16_t port) {
  const auto folder = assay::ExecutableDirectory();
  const std::string engine = *folder + "/../bin/assay-loadgen";
  const std::string plan = absl::StrCat(
      R"({"target": {"port": )", port, R"(}, "classes": [{"name": "a"}], "phases": [{"name": "p", "seconds": )", kSeconds,
      R"(, "rate": )", kRate, R"(, "connections": )", kConnections, R"(, "mix": [{"class": "a"}]}]})");
  const std::string path = absl::StrCat("/tmp/assay-loadgen-benchmark-", getpid(), ".json");
  if (!assay::WriteFileAtomically(path, plan).ok()) std::abort();
  AwaitEndOfStall();
  const std::string output = InChild(1, [&] { execl(engine.c_str(), engine.c_str(), "--plan", path.c_str(), nullptr); });
  unlink(path.c_str());
  const auto result = nlohmann::json::parse(output, nullptr, false);
  if (result.is_discarded()) {
    std::fprintf(stderr, "error: %s gave no result\n", engine.c_str());
    std::exit(1);
  }
  return Read(result["phases"][0], result["phases"][0]["total"]);
}

void Print(const char* who, const Measured& m) {
  std::fprintf(stderr,
               "%-5s p50 %7.2f  p90 %7.2f  p99 %7.2f  p99.9 %7.2f ms  sent %.1f/s  send delay p50 %.1f p99 %.1f us  "
               "cpu %.1f us/request%s\n",
               who, m.quantiles_ms[0], m.quantiles_ms[1], m.quantiles_ms[2], m.quantiles_ms[3], m.rate_sent,
               m.send_delay_p50_us, m.send_delay_p99_us, m.cpu_us_per_request, m.valid ? "" : "  INVALID");
}

// Off the truth in percent, over the rounds in which the engine vouches for its figures.
struct Errors {
  double ours = 0;
  double bare = 0;
  double paired = 0;  // by how much ours is farther off than the bare client of the same round
};

Errors Compare(const std::vector<Measured>& ours, const std::vector<Measured>& bare, double truth,
               const std::function<double(const Measured&)>& field) {
  std::vector<double> own, other, paired;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (!ours[i].valid) continue;
    own.push_back(100 * (field(ours[i]) - truth) / truth);
    other.push_back(100 * (field(bare[i]) - truth) / truth);
    paired.push_back(std::abs(own.back()) - std::abs(other.back()));
  }
  return {assay::benchmark::Median(own), assay::benchmark::Median(other), assay::benchmark::Median(paired)};
}

// The goal: within 2 % of the truth, or within one point of the bare client in the same run.
bool Judge(const char* name, const Errors& errors) {
  const bool good = std::abs(errors.ours) <= 2 || errors.paired <= 1;
  assay::benchmark::PrintJudged(absl::StrCat("load engine, ", name, ": off the truth"), "%", errors.ours, "raw client",
                                errors.bare, "2 %, or 1 point from raw", good);
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  int ports[2];
  if (rounds < 1 || pipe(ports) < 0) return 2;
  const int server = fork();
  if (server == 0) {
    Pin(0);
    Server scripted(Stalling);
    const uint16_t port = scripted.port();
    if (write(ports[1], &port, sizeof port) < 0) _exit(1);
    pause();
    _exit(0);
  }
  uint16_t port = 0;
  if (read(ports[0], &port, sizeof port) != sizeof port) return 1;

  std::vector<Measured> ours, bare;
  size_t invalid = 0;
  for (int round = 0; round < rounds; ++round) {
    bare.push_back(RunBare(port));
    Print("bare", bare.back());
    ours.push_back(RunOurs(port));
    Print("ours", ours.back());
    invalid += !ours.back().valid;
  }
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);

  bool good = invalid * 2 < ours.size();
  for (size_t i = 0; i < kNames.size(); ++i) {
    good &= Judge(kNames[i], Compare(ours, bare, kTruth[i], [i](const Measured& m) { return m.quantiles_ms[i]; }));
  }
  good &= Judge("rate_sent", Compare(ours, bare, kRate, [](const Measured& m) { return m.rate_sent; }));
  std::fprintf(stderr, "%d rounds, %zu of ours marked invalid by the engine itself\n", rounds, invalid);
  return good ? 0 : 1;
}
