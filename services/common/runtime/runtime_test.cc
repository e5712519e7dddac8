// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "assay/v1/document.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "services/common/runtime/configuration.h"
#include "services/common/runtime/http_server.h"
#include "services/common/runtime/lifecycle.h"
#include "services/common/runtime/signals.h"

namespace assay::runtime {
namespace {

using ::assay::testing::StatusIs;
using ::testing::HasSubstr;
// Any message would do; this one has text, numbers, lists and groups, and changes less than configurations do.
using v1::TaskDocument;

TEST(Configuration, ReadsAFileAndThenTheOverrides) {
  testing::TempDir dir;
  ASSAY_ASSERT_OK(WriteFileAtomically(
      dir / "c.yaml",
      "id: 127.0.0.1:7470\ntime_budget_minutes: 5\nload: {peak_rate: 5, mix: {get: 6}}\nservices: [/x]\n"));
  TaskDocument config;
  ASSAY_ASSERT_OK(LoadConfiguration(
      dir / "c.yaml", {"candidate=/a=b: c", "time_budget_minutes=0", "load.peak_rate=7", "services=[/p, /q]"},
      &config));
  EXPECT_EQ(config.id(), "127.0.0.1:7470");
  EXPECT_EQ(config.candidate(), "/a=b: c");
  EXPECT_EQ(config.time_budget_minutes(), 0u);
  EXPECT_EQ(config.load().peak_rate(), 7);
  EXPECT_EQ(config.load().mix().at("get"), 6);
  EXPECT_THAT(config.services(), ::testing::ElementsAre("/p", "/q"));
}

TEST(Configuration, KeepsTheDefaultsThatNothingReplaces) {
  testing::TempDir dir;
  ASSAY_ASSERT_OK(WriteFileAtomically(dir / "c.yaml", "id: \"\"\nload: {peak_rate: 5}\n"));
  TaskDocument config;
  config.set_id("default");
  config.set_candidate("default");
  config.mutable_load()->mutable_mix()->insert({"default", 1});
  config.set_time_budget_minutes(3);
  ASSAY_ASSERT_OK(LoadConfiguration("", {"candidate="}, &config));
  EXPECT_EQ(config.id(), "default");
  EXPECT_EQ(config.candidate(), "");
  ASSAY_ASSERT_OK(LoadConfiguration(dir / "c.yaml", {}, &config));
  EXPECT_EQ(config.id(), "");
  EXPECT_EQ(config.load().mix_size(), 0);
  EXPECT_EQ(config.time_budget_minutes(), 3u);
}

TEST(Configuration, RefusesWhatItDoesNotKnow) {
  testing::TempDir dir;
  ASSAY_ASSERT_OK(WriteFileAtomically(dir / "c.yaml", "id: a\nidd: b\n"));
  TaskDocument config;
  EXPECT_THAT(LoadConfiguration(dir / "c.yaml", {}, &config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("c.yaml:2: idd: unknown key")));
  EXPECT_THAT(LoadConfiguration(dir / "none.yaml", {}, &config), StatusIs(absl::StatusCode::kNotFound));
  for (const char* bad : {"nothing", "=x", "colour=red", "load.colour=1", "load.peak_rate=many", "id.x=1", "load=5",
                          "time_budget_minutes=1, id: x", "services.x=1", "time_budget_minutes=", "a\nb=c"}) {
    EXPECT_THAT(LoadConfiguration("", {bad}, &config), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--set")))
        << bad;
  }
}

TEST(Health, IsReadyWhenEveryPartIsAndNeverWhileStopping) {
  Health health;
  std::vector<bool> seen;
  health.Listen([&](bool ready) { seen.push_back(ready); });
  EXPECT_FALSE(health.IsReady());
  health.Set("journal", absl::OkStatus());
  health.Set("store", absl::UnavailableError("opening"));
  EXPECT_FALSE(health.IsReady());
  EXPECT_THAT(health.Text(), HasSubstr("store: UNAVAILABLE: opening"));
  health.Set("store", absl::OkStatus());
  EXPECT_TRUE(health.IsReady());
  health.BeginStop();
  health.Set("journal", absl::OkStatus());
  EXPECT_FALSE(health.IsReady());
  EXPECT_THAT(seen, ::testing::ElementsAre(false, true, false, true, false));
}

TEST(Metrics, PrintSeriesAndBoundTheirNumber) {
  Metrics metrics;
  metrics.AddCounter("assay_test_calls_total", "Calls.", {{"method", "Get"}}).Increment();
  metrics.AddCounter("assay_test_calls_total", "Calls.", {{"method", "Get"}}).Increment(2);
  metrics.AddGauge("assay_test_depth_items", "Depth.").Set(7);
  metrics.AddHistogram("assay_test_wait_seconds", "Waits.", SecondsBounds()).Observe(0.002);
  for (int i = 0; i < 1000; ++i) metrics.AddGauge("assay_test_many_items", "Many.", {{"n", absl::StrCat(i)}}).Set(1);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("assay_test_calls_total{method=\"Get\"} 3"));
  EXPECT_THAT(text, HasSubstr("assay_test_depth_items 7"));
  EXPECT_THAT(text, HasSubstr("assay_test_wait_seconds_bucket{le=\"0.003\"} 1"));
  EXPECT_THAT(text, HasSubstr("assay_test_many_items{n=\"199\"}"));
  EXPECT_THAT(text, HasSubstr("assay_test_many_items{n=\"other\"}"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("{n=\"200\"}")));
}

// Sends `request` on a connection of its own and returns everything until the server closes it.
std::string Exchange(uint16_t port, const std::string& request) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return "not connected";
  size_t sent = 0;
  while (sent < request.size()) {
    const ssize_t count = ::send(fd.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) break;
    sent += static_cast<size_t>(count);
  }
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  return answer;
}

class StatusServer : public ::testing::Test {
 protected:
  StatusServer() {
    HttpServerOptions options;
    options.listen = "127.0.0.1:0";
    server_ = HttpServer::Start(options, StatusPages(health_, metrics_)).value();
  }
  std::string Get(const std::string& path, const std::string& method = "GET") {
    return Exchange(server_->port(),
                    absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  }
  Health health_;
  Metrics metrics_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(StatusServer, TellsHealthReadinessAndMetrics) {
  EXPECT_THAT(Get("/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(Get("/readyz"), HasSubstr("503 Service Unavailable"));
  health_.Set("all", absl::OkStatus());
  EXPECT_THAT(Get("/readyz?verbose=1"), ::testing::AllOf(HasSubstr("200 OK"), HasSubstr("all: OK")));
  metrics_.AddCounter("assay_test_total", "Test.").Increment();
  EXPECT_THAT(Get("/metrics"), HasSubstr("assay_test_total 1"));
  EXPECT_THAT(Get("/"), HasSubstr("404 Not Found"));
}

TEST_F(StatusServer, AnswersHeadWithoutABodyAndRefusesOtherMethods) {
  const std::string head = Get("/healthz", "HEAD");
  EXPECT_THAT(head, HasSubstr("Content-Length: 3"));
  EXPECT_THAT(head, ::testing::EndsWith("\r\n\r\n"));
  EXPECT_THAT(Get("/healthz", "DELETE"), HasSubstr("405"));
  EXPECT_THAT(Exchange(server_->port(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
              ::testing::Not(HasSubstr("200 OK")));
}

TEST_F(StatusServer, SurvivesBadRequests) {
  for (const std::string& bad : {std::string("nonsense\r\n\r\n"), std::string("\0\0\0\0\r\n\r\n", 8),
                                 absl::StrCat("GET /", std::string(100000, 'a'), " HTTP/1.1\r\n\r\n"),
                                 absl::StrCat("GET / HTTP/1.1\r\nX: ", std::string(100000, 'a'), "\r\n\r\n")}) {
    EXPECT_THAT(Exchange(server_->port(), bad), ::testing::Not(HasSubstr("200 OK")));
  }
  EXPECT_THAT(Get("/healthz"), HasSubstr("200 OK"));
}

TEST(HttpServer, ListensOnLoopbackOnly) {
  const auto start = [](const std::string& listen) {
    HttpServerOptions options;
    options.listen = listen;
    return HttpServer::Start(options, [](const std::string&) { return HttpAnswer(); }).status();
  };
  for (const char* bad : {"0.0.0.0:0", "10.0.0.1:0", "[::]:0", "7480", "127.0.0.1:x", "127.0.0.1:70000", "example:1"}) {
    EXPECT_THAT(start(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  HttpServerOptions options;
  options.listen = "localhost:0";
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto first,
                             HttpServer::Start(options, [](const std::string&) { return HttpAnswer(); }));
  EXPECT_THAT(start(absl::StrCat("127.0.0.1:", first->port())), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(Lifecycle, StopsInReverseAndUndoesAFailedStart) {
  std::vector<std::string> events;
  Lifecycle lifecycle;
  const auto start = [&](const std::string& name, absl::Status status) {
    return lifecycle.Start(
        name, [&, name, status] { return events.push_back("+" + name), status; },
        [&, name] { events.push_back("-" + name); });
  };
  ASSAY_ASSERT_OK(start("a", absl::OkStatus()));
  ASSAY_ASSERT_OK(start("b", absl::OkStatus()));
  EXPECT_THAT(start("c", absl::UnavailableError("port taken")),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("c: port taken")));
  lifecycle.Stop();
  EXPECT_THAT(events, ::testing::ElementsAre("+a", "+b", "+c", "-b", "-a"));
}

// Runs `child` in a process of its own; it must not return.
template <typename Child>
pid_t Spawn(Child child) {
  const pid_t pid = ::fork();
  if (pid == 0) child();
  return pid;
}

TEST(Signals, TheFirstIsReturnedAndTheSecondEndsTheProcess) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t pid = Spawn([&] {
    BlockShutdownSignals();
    char byte = 'r';
    if (::write(ready[1], &byte, 1) != 1 || WaitForShutdown() != SIGTERM) ::_exit(1);
    if (::write(ready[1], &byte, 1) != 1) ::_exit(2);
    for (;;) ::pause();
  });
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::kill(pid, SIGTERM);
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::kill(pid, SIGINT);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGINT);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace assay::runtime
