// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/loadgen/run.h"
#include "services/loadgen/search.h"
#include "services/loadgen/testing/scripted_server.h"

namespace assay::loadgen {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Server = testing::ScriptedServer;

constexpr int64_t kMillisecond = 1'000'000;

std::optional<Server::Reply> AnswerAtOnce(std::string& received) {
  if (!Server::TakeRequest(received)) return std::nullopt;
  return Server::Reply{.bytes = Server::Ok()};
}

// Every request is taken and nothing ever comes back.
std::optional<Server::Reply> Silence(std::string& received) {
  received.clear();
  return std::nullopt;
}

Plan MustParse(const Server& server, absl::string_view json) {
  absl::StatusOr<Plan> plan = ParsePlan(absl::StrReplaceAll(json, {{"PORT", absl::StrCat(server.port())}}));
  if (!plan.ok()) ADD_FAILURE() << plan.status();
  // What these tests claim does not depend on how busy the machine is.
  if (plan.ok()) plan->limits.send_delay = absl::Seconds(60);
  return plan.ok() ? *plan : Plan();
}

RunResult MustRun(const Plan& plan, int control_fd = -1) {
  Control control(control_fd);
  absl::StatusOr<RunResult> run = Execute(plan, control);
  if (!run.ok()) ADD_FAILURE() << run.status();
  return run.ok() ? *std::move(run) : RunResult();
}

uint64_t Outcomes(const PhaseResult& phase, Outcome outcome) { return phase.Total().Count(outcome); }

TEST(Engine, SendsEverythingThatWasScheduledAndReusesConnections) {
  Server server(AnswerAtOnce);
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT}, "classes": [{"name": "a"}],
      "phases": [{"name": "p", "seconds": 0.5, "rate": 400, "connections": 4, "mix": [{"class": "a"}]}]})"));
  ASSERT_EQ(run.phases.size(), 1u);
  EXPECT_EQ(Outcomes(run.phases[0], Outcome::kOk), 200u);
  EXPECT_EQ(server.requests(), 200u);
  EXPECT_LT(run.phases[0].connections_opened, 200u);
  EXPECT_DOUBLE_EQ(run.phases[0].rate_sent, 400);
}

// A closed loop of one connection would see one slow answer; users who arrive meanwhile see the rest of the stall.
TEST(Engine, ShowsAStallToEveryRequestMeantToStartDuringIt) {
  const int64_t begin = Server::Now();
  Server server([begin](std::string& received) -> std::optional<Server::Reply> {
    if (!Server::TakeRequest(received)) return std::nullopt;
    const int64_t now = Server::Now();
    const int64_t since = (now - begin) % (1000 * kMillisecond);
    return Server::Reply{.bytes = Server::Ok(), .due_ns = since < 400 * kMillisecond ? now - since + 400 * kMillisecond : now};
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT}, "classes": [{"name": "a"}],
      "phases": [{"name": "p", "seconds": 2, "rate": 100, "connections": 1, "mix": [{"class": "a"}]}]})"));
  const ClassResult total = run.phases[0].Total();
  EXPECT_EQ(total.Count(Outcome::kOk), 200u);
  // 40 % of the starts fall into a stall and wait evenly between 0 and 400 ms: the 80th percentile is 200 ms.
  EXPECT_GE(total.response.Quantile(0.8), 150 * kMillisecond);
  EXPECT_GE(run.phases[0].connections_peak, 20u);
}

TEST(Engine, OpensConnectionsInsteadOfWaitingForAnswers) {
  Server server(Silence);
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT},
      "classes": [{"name": "a", "timeout_seconds": 0.5}],
      "phases": [{"name": "p", "seconds": 0.3, "rate": 100, "connections": 2, "mix": [{"class": "a"}]}]})"));
  EXPECT_EQ(Outcomes(run.phases[0], Outcome::kTimeout), 30u);
  EXPECT_EQ(run.phases[0].connections_peak, 30u);
  // Given up, not forgotten: percentiles hold the time that was waited.
  EXPECT_GE(run.phases[0].Total().response.Quantile(0.5), 500 * kMillisecond);
}

TEST(Engine, CountsWhatFindsNoConnectionAsDroppedAndWithholdsPercentiles) {
  Server server(Silence);
  const Plan plan = MustParse(server, R"({"target": {"port": PORT}, "limits": {"connections": 4},
      "classes": [{"name": "a", "timeout_seconds": 2}],
      "phases": [{"name": "p", "seconds": 0.2, "rate": 100, "connections": 4, "mix": [{"class": "a"}]}]})");
  const RunResult run = MustRun(plan);
  const ClassResult total = run.phases[0].Total();
  EXPECT_EQ(total.scheduled, 20u);
  EXPECT_EQ(total.sent, 4u);
  EXPECT_EQ(total.dropped, 16u);
  EXPECT_EQ(run.phases[0].state, PhaseResult::State::kInvalid);
  const auto json = nlohmann::json::parse(ResultJson(plan, run));
  EXPECT_THAT(json["phases"][0]["reason"].get<std::string>(), HasSubstr("16 of 20"));
  EXPECT_FALSE(json["phases"][0]["total"].contains("response"));
}

TEST(Engine, MarksAPhaseInvalidWhenItWasLateItself) {
  Limits limits;
  PhaseResult phase;
  ClassResult& counts = phase.classes[0];
  for (int i = 0; i < 100; ++i) {
    counts.response.Record(20 * kMillisecond);
    counts.send_delay.Record(6 * kMillisecond);
  }
  EXPECT_THAT(Engine::InvalidReason(limits, phase), HasSubstr("the engine itself was late"));
  // Against answers that take a tenth of a second the same delay does not matter.
  for (int i = 0; i < 100; ++i) counts.response.Record(100 * kMillisecond);
  EXPECT_EQ(Engine::InvalidReason(limits, phase), "");
}

TEST(Engine, SendsASlowBodyInPiecesOverItsTime) {
  Server server(AnswerAtOnce);
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT},
      "classes": [{"name": "slow", "method": "POST", "body_fill": {"text": "x", "times": 1000}, "upload_seconds": 0.4}],
      "phases": [{"name": "p", "seconds": 0.1, "rate": 20, "mix": [{"class": "slow"}]}]})"));
  const ClassResult total = run.phases[0].Total();
  EXPECT_EQ(total.Count(Outcome::kOk), 2u);
  EXPECT_GE(total.response.min(), 400 * kMillisecond);
  EXPECT_GE(server.reads(), 6u);
  EXPECT_EQ(total.early, 0u);
}

TEST(Engine, CountsAnswersThatCameBeforeTheBodyWasSent) {
  Server server([](std::string& received) -> std::optional<Server::Reply> {
    received.clear();
    return Server::Reply{.bytes = Server::Ok()};
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT},
      "classes": [{"name": "slow", "method": "POST", "body": "0123456789", "upload_seconds": 3}],
      "phases": [{"name": "p", "seconds": 0.1, "rate": 20, "mix": [{"class": "slow"}]}]})"));
  EXPECT_EQ(Outcomes(run.phases[0], Outcome::kOk), 2u);
  EXPECT_EQ(run.phases[0].Total().early, 2u);
}

TEST(Engine, OpensAConnectionForEachRequestWhenAskedTo) {
  Server server([](std::string& received) -> std::optional<Server::Reply> {
    const bool asks = absl::StrContains(received, "Connection: close\r\n");
    if (!Server::TakeRequest(received)) return std::nullopt;
    return Server::Reply{.bytes = asks ? Server::Ok() : "", .close = true};
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT}, "classes": [{"name": "a"}],
      "phases": [{"name": "p", "seconds": 0.2, "rate": 100, "keep_alive": false, "mix": [{"class": "a"}]}]})"));
  EXPECT_EQ(Outcomes(run.phases[0], Outcome::kOk), 20u);
  EXPECT_EQ(run.phases[0].connections_opened, 20u);
}

TEST(Engine, ReadsSlowlyWhenAskedTo) {
  Server server([](std::string& received) -> std::optional<Server::Reply> {
    if (!Server::TakeRequest(received)) return std::nullopt;
    return Server::Reply{.bytes = Server::Ok(std::string(3000, 'x'))};
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT},
      "classes": [{"name": "a", "read_bytes_per_second": 5000}],
      "phases": [{"name": "p", "seconds": 0.1, "rate": 10, "mix": [{"class": "a"}]}]})"));
  EXPECT_EQ(Outcomes(run.phases[0], Outcome::kOk), 1u);
  EXPECT_GE(run.phases[0].Total().response.min(), 500 * kMillisecond);
}

TEST(Engine, KeepsTheFirstBodiesOfEachStatus) {
  int answered = 0;
  Server server([&answered](std::string& received) -> std::optional<Server::Reply> {
    if (!Server::TakeRequest(received)) return std::nullopt;
    if (++answered % 2 == 0) return Server::Reply{.bytes = Server::Ok("fine")};
    return Server::Reply{.bytes = "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\nError: at app.js:3:1 "};
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT}, "samples": {"per_status": 1, "bytes": 10},
      "classes": [{"name": "a"}],
      "phases": [{"name": "p", "seconds": 0.1, "rate": 100, "connections": 1, "mix": [{"class": "a"}]}]})"));
  ASSERT_EQ(run.samples.size(), 2u);
  EXPECT_EQ(run.samples[0].status, 500);
  EXPECT_EQ(run.samples[0].body, "Error: at ");
  EXPECT_EQ(run.samples[0].content_type, "text/html");
  EXPECT_EQ(run.samples[1].body, "fine");
  EXPECT_EQ(Outcomes(run.phases[0], Outcome::kUnexpectedStatus), 5u);
}

struct Hostile {
  const char* name;
  Server::Reply reply;
  Outcome outcome;
};

class HostileServer : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileServer, IsNamedAndBounded) {
  Server server([](std::string& received) -> std::optional<Server::Reply> {
    if (!Server::TakeRequest(received)) return std::nullopt;
    return GetParam().reply;
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT},
      "limits": {"header_bytes": 4096, "body_bytes": 100000},
      "classes": [{"name": "a", "timeout_seconds": 1}],
      "phases": [{"name": "p", "seconds": 0.1, "rate": 30, "mix": [{"class": "a"}]}]})"));
  EXPECT_EQ(Outcomes(run.phases[0], GetParam().outcome), 3u);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostileServer,
    ::testing::Values(
        Hostile{"EndlessHeaders", {.bytes = "HTTP/1.1 200 OK\r\nX: y\r\n", .endless = true}, Outcome::kMalformed},
        Hostile{"EndlessLine", {.bytes = std::string(3000, 'H'), .endless = true}, Outcome::kMalformed},
        Hostile{"EndlessInterim", {.bytes = "HTTP/1.1 100 Continue\r\n\r\n", .endless = true}, Outcome::kMalformed},
        Hostile{"EndlessBody", {.bytes = "HTTP/1.1 200 OK\r\n\r\nbody", .endless = true}, Outcome::kMalformed},
        Hostile{"Garbage", {.bytes = std::string("\x16\x03\x01\0\n\n", 6)}, Outcome::kMalformed},
        Hostile{"HugeLength", {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"}, Outcome::kMalformed},
        Hostile{"Silence", {}, Outcome::kTimeout},
        Hostile{"HalfAnAnswer", {.bytes = "HTTP/1.1 200 OK\r\nContent-Le"}, Outcome::kTimeout},
        Hostile{"Reset", {.reset = true}, Outcome::kReset},
        Hostile{"ClosedAmidTheBody", {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", .close = true}, Outcome::kReset},
        Hostile{"ClosedWithoutAWord", {.close = true}, Outcome::kUnanswered},
        Hostile{"ServerError", {.bytes = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"}, Outcome::kUnexpectedStatus}),
    [](const auto& info) { return info.param.name; });

TEST(Engine, NamesAConnectionThatNobodyTakes) {
  uint16_t port = 0;
  { port = Server(AnswerAtOnce).port(); }
  absl::StatusOr<Plan> plan = ParsePlan(absl::StrCat(R"({"target": {"port": )", port, R"(}, "classes": [{"name": "a"}],
      "phases": [{"name": "p", "seconds": 0.1, "rate": 50, "mix": [{"class": "a"}]}]})"));
  ASSAY_ASSERT_OK(plan);
  EXPECT_EQ(Outcomes(MustRun(*plan).phases[0], Outcome::kConnectError), 5u);
}

TEST(Engine, StopsAtThePlansWallTimeAndSaysSo) {
  Server server(Silence);
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT}, "limits": {"wall_seconds": 0.3},
      "classes": [{"name": "a", "timeout_seconds": 60}],
      "phases": [{"name": "p", "seconds": 0.1, "rate": 50, "mix": [{"class": "a"}]},
                 {"name": "q", "seconds": 0.1, "rate": 50, "mix": [{"class": "a"}]}]})"));
  EXPECT_EQ(run.phases[0].state, PhaseResult::State::kCut);
  EXPECT_EQ(Outcomes(run.phases[0], Outcome::kUnanswered), 5u);
  EXPECT_EQ(run.phases[1].state, PhaseResult::State::kSkipped);
}

// Answers what is complete when it is asked to signal, then dies.
TEST(Engine, TellsApartWhatWasInFlightAtAnActionAndWhatCameAfter) {
  Server server(AnswerAtOnce);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  std::string lines;
  std::thread controller([&] {
    char buffer[256];
    while (lines.find("signal") == std::string::npos) {
      const ssize_t got = read(ends[1], buffer, sizeof buffer);
      if (got <= 0) return;
      lines.append(buffer, static_cast<size_t>(got));
    }
    server.Die();
    const std::string done = "done 0\n";
    EXPECT_EQ(write(ends[1], done.data(), done.size()), static_cast<ssize_t>(done.size()));
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT},
      "classes": [{"name": "quick"}, {"name": "new", "keep_alive": false},
                  {"name": "slow", "method": "POST", "body_fill": {"text": "x", "times": 500}, "upload_seconds": 4}],
      "phases": [{"name": "p", "seconds": 2, "rate": 60, "mix": [{"class": "quick"}, {"class": "new"}, {"class": "slow"}]}],
      "actions": [{"phase": "p", "at": 1, "signal": "TERM"}]})"),
                                ends[0]);
  controller.join();
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(lines, "phase 0\nsignal 15 listener 0\n");
  const ActionResult& action = run.actions[0];
  EXPECT_TRUE(action.asked);
  EXPECT_GE(action.done_ns, action.asked_ns);
  // Slow uploads of three quarters of a second's starts were under way, all needing over two seconds more, and all were
  // lost. What was sent right before the action is told apart.
  EXPECT_GE(action.just_sent.in_flight, 4u);
  EXPECT_LE(action.by_class.at(2).in_flight, 16u);
  ASSERT_TRUE(action.by_class.contains(2));
  EXPECT_GE(action.by_class.at(2).in_flight, 10u);
  EXPECT_EQ(action.by_class.at(2).lost, action.by_class.at(2).in_flight);
  EXPECT_EQ(action.by_remaining[4].in_flight, action.by_class.at(2).in_flight);
  EXPECT_GE(action.after[static_cast<size_t>(Outcome::kConnectError)], 10u);
  ASSERT_TRUE(action.after_by_class.contains(1));
  EXPECT_GE(action.after_by_class.at(1)[static_cast<size_t>(Outcome::kConnectError)], 10u);
  EXPECT_GE(action.first_refused_ns, 0);
}

TEST(Engine, OpensAConnectionForEachRequestOfAClassThatKeepsNone) {
  Server server(AnswerAtOnce);
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT},
      "classes": [{"name": "kept"}, {"name": "new", "keep_alive": false}],
      "phases": [{"name": "p", "seconds": 0.2, "rate": 100, "connections": 0, "mix": [{"class": "kept"}, {"class": "new"}]}]})"));
  EXPECT_EQ(Outcomes(run.phases[0], Outcome::kOk), 20u);
  EXPECT_GE(run.phases[0].connections_opened, 11u);
  EXPECT_LT(run.phases[0].connections_opened, 20u);
}

TEST(Engine, SaysSoWhenNobodyTakesActions) {
  Server server(AnswerAtOnce);
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT}, "classes": [{"name": "a"}],
      "phases": [{"name": "p", "seconds": 0.1, "rate": 20, "mix": [{"class": "a"}]}],
      "actions": [{"phase": "p", "at": 0.05, "signal": "TERM"}]})"));
  EXPECT_THAT(run.actions[0].error, HasSubstr("descriptor 3"));
}

// One answer each 5 ms whatever comes: 200 a second.
TEST(Search, FindsTheCapacityOfAServerAndScalesLaterPhasesByIt) {
  int64_t last = 0;
  Server server([&last](std::string& received) -> std::optional<Server::Reply> {
    if (!Server::TakeRequest(received)) return std::nullopt;
    last = std::max(last, Server::Now()) + 5 * kMillisecond;
    return Server::Reply{.bytes = Server::Ok(), .due_ns = last};
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT}, "classes": [{"name": "a"}],
      "phases": [{"name": "c", "search": {"from": 25, "to": 3200, "probe_seconds": 1, "precision": 0.3}, "mix": [{"class": "a"}]},
                 {"name": "half", "seconds": 0.5, "rate": {"of_capacity": 0.5}, "mix": [{"class": "a"}]}]})"));
  ASSERT_EQ(run.capacities.size(), 1u);
  const Capacity& capacity = run.capacities[0];
  EXPECT_EQ(capacity.limited_by, "target");
  EXPECT_GE(capacity.rate, 25);
  EXPECT_LE(capacity.rate, 300);
  EXPECT_EQ(capacity.limit_p99_ns, 100 * kMillisecond);
  EXPECT_DOUBLE_EQ(run.phases[1].rate_asked, capacity.rate / 2);
}

TEST(Search, SkipsPhasesThatNeedACapacityNobodyCouldMeasure) {
  Server server([](std::string& received) -> std::optional<Server::Reply> {
    if (!Server::TakeRequest(received)) return std::nullopt;
    return Server::Reply{.reset = true};
  });
  const RunResult run = MustRun(MustParse(server, R"({"target": {"port": PORT}, "classes": [{"name": "a"}],
      "phases": [{"name": "c", "search": {"probe_seconds": 0.2}, "mix": [{"class": "a"}]},
                 {"name": "half", "seconds": 0.5, "rate": {"of_capacity": 0.5}, "mix": [{"class": "a"}]}]})"));
  EXPECT_EQ(run.capacities[0].rate, 0);
  EXPECT_EQ(run.capacities[0].limited_by, "floor");
  EXPECT_EQ(run.phases[1].state, PhaseResult::State::kSkipped);
}

TEST(RateSearch, DoublesThenHalvesTheBracket) {
  Search settings{.from = 100, .to = 10'000, .precision = 0.2};
  RateSearch search(settings);
  std::vector<double> tried;
  while (std::optional<double> rate = search.Next()) {
    tried.push_back(std::round(*rate));
    search.Told(*rate, *rate <= 500 ? RateSearch::Verdict::kPassed : RateSearch::Verdict::kFailed);
  }
  EXPECT_THAT(tried, ElementsAre(100, 200, 400, 800, 566, 476));
  EXPECT_NEAR(search.passed(), 476, 1);
  EXPECT_STREQ(search.LimitedBy(), "target");
}

TEST(RateSearch, NamesWhatBoundsIt) {
  const Search settings{.from = 100, .to = 200, .precision = 0.2};
  RateSearch ceiling(settings);
  for (double rate : {100.0, 200.0}) ceiling.Told(rate, RateSearch::Verdict::kPassed);
  EXPECT_STREQ(ceiling.LimitedBy(), "ceiling");
  RateSearch floor(settings);
  for (double rate : {100.0, 50.0, 25.0, 12.5, 6.25}) floor.Told(rate, RateSearch::Verdict::kFailed);
  EXPECT_STREQ(floor.LimitedBy(), "floor");
  RateSearch generator(settings);
  generator.Told(100, RateSearch::Verdict::kPassed);
  generator.Told(110, RateSearch::Verdict::kGeneratorFailed);
  EXPECT_STREQ(generator.LimitedBy(), "generator");
  RateSearch early(settings);
  early.Told(100, RateSearch::Verdict::kPassed);
  EXPECT_STREQ(early.LimitedBy(), "budget");
}

TEST(Search, AllowsTenTimesTheUnloadedMedianAndNeverLessThanATenthOfASecond) {
  EXPECT_EQ(LimitFor(2 * kMillisecond), 100 * kMillisecond);
  EXPECT_EQ(LimitFor(30 * kMillisecond), 300 * kMillisecond);
}

}  // namespace
}  // namespace assay::loadgen
