// SPDX-License-Identifier: Apache-2.0
//
// The load test against two servers of ours that really run: node from PATH, the real load engine, the platform's other
// parts played by the SDK's fake host. What the verdicts say must be what the servers do.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "plugins/load_test/plans.h"
#include "plugins/load_test/server.h"
#include "plugins/sdk/testing/fake_host.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "services/loadgen/control.h"
#include "services/loadgen/plan.h"
#include "services/loadgen/run.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Slurp(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool Listens(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

// The most memory a process has held so far; 0 when it is gone.
uint64_t PeakBytes(int pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    uint64_t kilobytes = 0;
    if (line.rfind("VmHWM:", 0) == 0 && absl::SimpleAtoi(absl::StripSuffix(line.substr(6), " kB"), &kilobytes)) return kilobytes << 10;
  }
  return 0;
}

uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) {
    std::abort();
  }
  close(fd);
  return ntohs(address.sin_port);
}

// Runs node for real behind the fake host's scripted platform.
class LoadTestRun : public ::testing::Test {
 protected:
  explicit LoadTestRun() {
    host_.platform().prepare = [](uint32_t) { return sdk::FakeWorkspace(); };
    host_.platform().start = [this](const sdk::FakeProcess& request) { return Start(request); };
    host_.platform().load = [this](std::string_view plan, sdk::FakeProcess& process) { return Load(plan, process); };
    host_.UseManifest(Slurp("plugins/load_test/load_test.json"));
    host_.SetParameters(R"({"quick": true})");
    host_.SetDeadlineAfter(600'000'000'000);
  }
  ~LoadTestRun() override { Reap(true); }

  sdk::RunResult Run(const std::string& server) {
    const std::string source = Slurp("tests/integration/load_test/" + server);
    EXPECT_NE(source, "");
    host_.AddFile("package.json", R"({"name": "s", "scripts": {"start": "node server.js"}})");
    host_.AddFile("server.js", source);
    std::ofstream(folder_ / "server.js") << source;
    for (const char* id : {"shutdown.drains", "limits.body_size", "errors.no_leak", "async.rejections_handled", "config.validated", "health.probes"}) {
      sdk::RecordedClaim claim;
      claim.id = claim.criterion = id;
      claim.statement = "says so";
      claim.path = "server.js";
      claim.line = 3;
      host_.AddPriorClaim("code_analysis", claim);
    }
    host_.AddPriorArtifact("code_analysis", "routes.json",
                           R"([{"method": "GET", "path": "/items", "file": "server.js", "line": 5, "path_exact": true},
                               {"method": "POST", "path": "/items", "file": "server.js", "line": 6, "path_exact": true}])");
    host_.AddPriorArtifact("code_analysis", "server.json", R"({"port_env": "PORT", "health_paths": ["/healthz"]})");
    return host_.Run("load_test");
  }

  // The outcome of a process that ended, if it did.
  void Reap(bool now, sdk::FakeProcess* process = nullptr) {
    if (pid_ <= 0) return;
    if (now) kill(pid_, SIGKILL);
    int status = 0;
    if (waitpid(pid_, &status, now ? 0 : WNOHANG) != pid_) return;
    pid_ = 0;
    if (process == nullptr) return;
    process->ended = true;
    process->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    process->term_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

  // Real time passes until the process listens or ended; a server of ours does one of them.
  sdk::FakeProcess Start(const sdk::FakeProcess& request) {
    Reap(true);
    port_ = FreePort();
    const std::string errors = folder_ / "errors";
    pid_ = fork();
    if (pid_ == 0) {
      std::vector<std::string> words = request.argv, variables = request.environment;
      words[0] = "node";
      words[1] = folder_ / words[1];
      std::vector<char*> argv, environment;
      for (std::string& word : words) argv.push_back(word.data());
      for (std::string& variable : variables) {
        if (variable == absl::StrCat("PORT=", load_test::kPort)) variable = absl::StrCat("PORT=", port_);
        environment.push_back(variable.data());
      }
      argv.push_back(nullptr);
      environment.push_back(nullptr);
      dup2(open(errors.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), 2);
      execvpe("node", argv.data(), environment.data());
      _exit(127);
    }
    sdk::FakeProcess process;
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (pid_ > 0 && !process.ended && !Listens(port_) && absl::Now() < deadline) {
      AwaitExit(absl::Milliseconds(10));
      Reap(false, &process);
    }
    if (!process.ended) process.port = port_;
    process.errors = Slurp(errors);
    process.on_signal = [this](sdk::FakeProcess& target, int32_t number, bool) {
      if (pid_ > 0) kill(pid_, number);
      Reap(number == SIGKILL, &target);
    };
    return process;
  }

  sdk::FakeLoadAnswer Load(std::string_view text, sdk::FakeProcess& process) {
    const auto plan = loadgen::ParsePlan(absl::string_view(text.data(), text.size()));
    if (!plan.ok()) {
      ADD_FAILURE() << plan.status() << "\n" << text;
      return {ASSAY_E_PLUGIN, ""};
    }
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return {ASSAY_E_TRANSIENT, ""};
    std::thread controller([this, end = ends[1]] { CarryOut(end); });
    loadgen::Control control(ends[0]);
    const auto run = loadgen::Execute(*plan, control);
    shutdown(ends[0], SHUT_RDWR);
    controller.join();
    close(ends[0]);
    close(ends[1]);
    if (!run.ok()) return {ASSAY_E_TRANSIENT, ""};
    process.peak_bytes = PeakBytes(pid_);
    if (pid_ > 0 && !plan->actions.empty()) AwaitExit(absl::Seconds(20));
    Reap(false, &process);
    return {ASSAY_OK, loadgen::ResultJson(*plan, *run)};
  }

  // Returns as soon as the server has ended, at the latest after `wait`.
  void AwaitExit(absl::Duration wait) {
    const UniqueFd server(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    pollfd ended = {server.get(), POLLIN, 0};
    poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(wait)));
  }

  void CarryOut(int end) {
    std::string pending;
    char buffer[256];
    for (ssize_t got; (got = read(end, buffer, sizeof buffer)) > 0;) {
      pending.append(buffer, static_cast<size_t>(got));
      for (size_t newline; (newline = pending.find('\n')) != std::string::npos; pending.erase(0, newline + 1)) {
        const std::vector<std::string> words = absl::StrSplit(pending.substr(0, newline), ' ');
        int number = 0;
        if (words[0] != "signal" || !absl::SimpleAtoi(words[1], &number)) continue;
        kill(pid_, number);
        const std::string done = absl::StrCat("done ", words[3], "\n");
        if (write(end, done.data(), done.size()) < 0) return;
      }
    }
  }

  assay::testing::TempDir folder_;
  sdk::FakeHost host_{&assay_negotiate};
  int pid_ = 0;
  uint16_t port_ = 0;
};

std::string Story(const sdk::RunResult& result) {
  std::string text;
  for (const auto& o : result.observations) absl::StrAppend(&text, o.criterion, " state ", o.state, " value ", o.value, ": ", o.rationale, "\n");
  for (const auto& e : result.experiments) absl::StrAppend(&text, "  ", e.claim, " verdict ", e.verdict, ": ", e.reason, "\n");
  for (const auto& f : result.findings) absl::StrAppend(&text, "  ", f.check, " ", f.path, ":", f.line, " ", f.message, "\n");
  return text;
}

TEST_F(LoadTestRun, SeesThatACarefulServerDoesWhatItsCodeSays) {
  const sdk::RunResult result = Run("good_server.js");
  SCOPED_TRACE(Story(result));
  ASSERT_EQ(result.status, ASSAY_OK) << result.message;
  EXPECT_THAT(host_.violations(), IsEmpty());
  for (const char* criterion : {"run.starts", "run.survives_bad_input", "run.error_answers", "run.drains_on_sigterm", "run.body_limits"}) {
    const auto* observation = result.Observation(criterion);
    ASSERT_NE(observation, nullptr) << criterion;
    EXPECT_EQ(observation->state, ASSAY_STATE_OBSERVED) << criterion;
    EXPECT_EQ(observation->value, 1) << criterion;
  }
  for (const char* claim : {"shutdown.drains", "limits.body_size", "errors.no_leak", "config.validated", "health.probes"}) {
    ASSERT_NE(result.Experiment(claim), nullptr) << claim;
    EXPECT_EQ(result.Experiment(claim)->verdict, ASSAY_VERDICT_CONFIRMED) << claim;
  }
}

TEST_F(LoadTestRun, SeesWhatACarelessServerDoesToItsClients) {
  const sdk::RunResult result = Run("careless_server.js");
  SCOPED_TRACE(Story(result));
  ASSERT_EQ(result.status, ASSAY_OK) << result.message;
  EXPECT_THAT(host_.violations(), IsEmpty());
  EXPECT_EQ(result.Observation("run.error_answers")->value, 0);
  EXPECT_EQ(result.Observation("run.survives_bad_input")->value, 0);
  EXPECT_EQ(result.Observation("run.body_limits")->value, 0);
  EXPECT_LE(result.Observation("run.drains_on_sigterm")->value, 0.5);
  EXPECT_THAT(result.Observation("run.drains_on_sigterm")->rationale, HasSubstr("all that needed over 0.5 s more"));
  for (const char* claim : {"shutdown.drains", "limits.body_size", "errors.no_leak", "async.rejections_handled"}) {
    ASSERT_NE(result.Experiment(claim), nullptr) << claim;
    EXPECT_EQ(result.Experiment(claim)->verdict, ASSAY_VERDICT_REFUTED) << claim;
  }
  ASSERT_EQ(result.Findings("LT7.drain").size(), 1u);
  EXPECT_EQ(result.Findings("LT7.drain")[0]->path, "server.js");
  EXPECT_EQ(result.Findings("LT7.drain")[0]->line, 3u);
}

// Plans are written by the plugin and read by the engine: both must mean the same document.
TEST(LoadPlans, AreAcceptedByTheEngine) {
  load_test::Facts facts;
  for (int i = 0; i < 30; ++i) {
    facts.routes.push_back({"POST", absl::StrCat("/a/very/long/prefix/that/goes/on/and/on/", i, "/:id"), "a.js", 1, true});
    facts.routes.push_back({"GET", absl::StrCat("/r/", i, "/:id"), "a.js", 1, true});
    facts.routes.push_back({"GET", absl::StrCat("/l/", i), "a.js", 1, true});
  }
  for (const bool quick : {true, false}) {
    const load_test::Profile profile{quick};
    const std::string plans[] = {
        load_test::ReadyPlan(3000, {"/", "/healthz"}),
        load_test::ProbePlan(3000, load_test::LoadPaths(facts, 10), load_test::BodyRoutes(facts, 6)),
        load_test::BadInputPlan(3000, facts, "/", profile).plan,
        load_test::BadInputPlan(3000, load_test::Facts(), "/", profile).plan,
        load_test::BodiesPlan(3000, {"POST", "/x"}, "/"),
        load_test::StepsPlan(3000, {{"/x", 200}, {"/y", 401}}, profile),
        load_test::DrainPlan(3000, {"/x", 200}, {"POST", "/x"}, "/readyz", 900, true, profile).plan,
        load_test::DrainPlan(3000, {"/x", 200}, {}, "", 0, false, profile).plan,
    };
    for (const std::string& plan : plans) {
      const auto parsed = loadgen::ParsePlan(plan);
      EXPECT_TRUE(parsed.ok()) << parsed.status() << "\n" << plan.substr(0, 2000);
    }
  }
}

TEST(LoadPlans, SpreadBadBodiesOverEveryRouteBeforeRepeatingOne) {
  load_test::Facts facts;
  for (int i = 0; i < 20; ++i) {
    facts.routes.push_back({"POST", absl::StrCat("/r/", i), "a.js", 1, true});
    facts.routes.push_back({"GET", absl::StrCat("/r/", i, "/:id"), "a.js", 1, true});
  }
  facts.routes.push_back({"POST", "/admin/shutdown", "a.js", 1, true});
  const auto reached = [&](size_t routes, bool quick) {
    load_test::Facts some = facts;
    for (size_t i = 20; i < routes; ++i) some.routes.push_back({"POST", absl::StrCat("/more/", i), "a.js", 1, true});
    const load_test::BadInput input = load_test::BadInputPlan(3000, some, "/", load_test::Profile{quick});
    EXPECT_THAT(input.plan, ::testing::Not(HasSubstr("shutdown")));
    EXPECT_EQ(input.all_routes, routes);
    return input.routes;
  };
  EXPECT_EQ(reached(20, true), 20u);
  EXPECT_EQ(reached(60, true), 23u);
  EXPECT_EQ(reached(60, false), 60u);
  EXPECT_EQ(reached(400, false), 150u);
  const std::vector<std::string> lookups = load_test::LookupPaths(facts, 20);
  ASSERT_EQ(lookups.size(), 20u);
  for (const std::string& path : lookups) EXPECT_THAT(path, HasSubstr("999999999"));
}

}  // namespace
}  // namespace assay
