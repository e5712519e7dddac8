// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace assay::load_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Tested* Find(const Judgement& judgement, const std::string& claim) {
  for (const Tested& tested : judgement.tested) {
    if (tested.claim == claim) return &tested;
  }
  return nullptr;
}
Verdict VerdictOn(const Judgement& judgement, const std::string& claim) {
  const Tested* tested = Find(judgement, claim);
  return tested == nullptr ? Verdict::kUntested : tested->verdict;
}
const Judgement::Value& ValueOf(const Judgement& judgement, const std::string& criterion) {
  for (const Judgement::Value& value : judgement.values) {
    if (value.criterion == criterion) return value;
  }
  static const Judgement::Value none;
  ADD_FAILURE() << "no value for " << criterion;
  return none;
}

Counts Answered(const std::string& name, int status, uint64_t count) {
  Counts counts;
  counts.name = name;
  counts.sent = count;
  (status < 500 ? counts.ok : counts.unexpected) = count;
  counts.statuses[status] = count;
  return counts;
}
Counts Hanging(const std::string& name, uint64_t count) {
  Counts counts;
  counts.name = name;
  counts.sent = counts.timeout = count;
  return counts;
}
PhaseReport PhaseOf(const std::string& name, std::vector<Counts> classes) {
  PhaseReport phase;
  phase.name = name;
  phase.state = "valid";
  for (const Counts& c : classes) {
    phase.total.sent += c.sent;
    phase.total.ok += c.ok;
    phase.total.unexpected += c.unexpected;
    phase.total.timeout += c.timeout;
    for (const auto& [status, count] : c.statuses) phase.total.statuses[status] += count;
  }
  phase.classes = std::move(classes);
  return phase;
}
SampleReport Body(const std::string& phase, int status, const std::string& type, const std::string& body) {
  return {phase, "malformed JSON", type, body, status};
}

constexpr char kPage[] = "<!DOCTYPE html><html><head><title>Error</title></head><body><pre>Bad Request</pre></body></html>";

// ---- scenario 1: bad input ----

TEST(JudgeBadInput, GivesFullValueWhenEverythingIsAnsweredAsTheClientsFault) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 50), Answered("unknown path", 404, 50)})};
  report.samples = {Body("storm", 400, "application/json", "{\"error\":\"not_json\"}")};
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_EQ(ValueOf(judgement, "run.survives_bad_input").value, 1);
  EXPECT_EQ(ValueOf(judgement, "run.error_answers").value, 1);
  EXPECT_EQ(VerdictOn(judgement, "errors.no_leak"), Verdict::kConfirmed);
  EXPECT_EQ(VerdictOn(judgement, "errors.handler_last"), Verdict::kConfirmed);
  EXPECT_EQ(VerdictOn(judgement, "async.rejections_handled"), Verdict::kInconclusive);
  EXPECT_TRUE(judgement.remarks.empty());
}

TEST(JudgeBadInput, CountsAnAnsweredFailureOfAHandlerForTheClaimAboutRejections) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 300), Answered("wrong types", 500, 2)})};
  report.samples = {Body("storm", 500, "application/json", "{\"error\":\"internal\"}")};
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_EQ(ValueOf(judgement, "run.survives_bad_input").value, 1);
  EXPECT_EQ(VerdictOn(judgement, "async.rejections_handled"), Verdict::kConfirmed);
}

TEST(JudgeBadInput, HalvesForFiveHundreds) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 80), Answered("wrong types", 500, 20)})};
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_EQ(ValueOf(judgement, "run.survives_bad_input").value, 0.5);
  EXPECT_THAT(ValueOf(judgement, "run.survives_bad_input").text, HasSubstr("20 answers of 100 were 5xx (first: wrong types)"));
}

TEST(JudgeBadInput, GivesNothingWhenTheProcessEnds) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 10)})};
  Aftermath dead;
  dead.alive = false;
  dead.exit_code = 1;
  dead.last_words = "TypeError: x is undefined";
  const Judgement judgement = JudgeBadInput(report, dead, 0);
  EXPECT_EQ(ValueOf(judgement, "run.survives_bad_input").value, 0);
  EXPECT_THAT(ValueOf(judgement, "run.survives_bad_input").text, HasSubstr("exit code 1 (\"TypeError: x is undefined\")"));
  EXPECT_EQ(VerdictOn(judgement, "process.fatal_errors"), Verdict::kRefuted);
  EXPECT_EQ(judgement.remarks[0].check, "LT1.crash");
}

TEST(JudgeBadInput, GivesNothingWhenItRunsButNoLongerAnswers) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 10)})};
  EXPECT_EQ(ValueOf(JudgeBadInput(report, {}, 503), "run.survives_bad_input").value, 0);
}

// A process that survives without a single 5xx can still leave clients waiting.
TEST(JudgeBadInput, CountsRequestsThatAreNeverAnswered) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 95), Hanging("wrong types", 5)})};
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_EQ(ValueOf(judgement, "run.error_answers").value, 0);
  EXPECT_EQ(VerdictOn(judgement, "async.rejections_handled"), Verdict::kRefuted);
  EXPECT_THAT(Find(judgement, "async.rejections_handled")->reason, HasSubstr("5 requests of 100"));
}

TEST(JudgeBadInput, DoesNotHoldClosedConnectionsAgainstAServerThatWasSentGarbage) {
  LoadReport report;
  Counts raw = Hanging("raw-bad-header", 20);
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 20), raw})};
  EXPECT_EQ(ValueOf(JudgeBadInput(report, {}, 200), "run.survives_bad_input").value, 1);
}

TEST(JudgeBadInput, SeesExpressOwnPageAndStackTraces) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 20)})};
  report.samples = {Body("storm", 400, "text/html", kPage), Body("storm", 400, "text/html", "SyntaxError<br> &nbsp; &nbsp;at JSON.parse")};
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_EQ(ValueOf(judgement, "run.error_answers").value, 0.5);
  EXPECT_EQ(VerdictOn(judgement, "errors.no_leak"), Verdict::kRefuted);
  EXPECT_EQ(VerdictOn(judgement, "errors.handler_last"), Verdict::kRefuted);
}

TEST(LeaksStack, KnowsPlacesInCodeFromProse) {
  EXPECT_TRUE(LeaksStack("Error: x\n    at Object.<anonymous> (/app/a.js:3:1)"));
  EXPECT_TRUE(LeaksStack("{\"stack\":\"/srv/app/routes/users.js:12\"}"));
  EXPECT_FALSE(LeaksStack("{\"error\":\"send the file app.js: it is missing\"}"));
  EXPECT_FALSE(LeaksStack("{\"error\":\"not_found\"}"));
}

// ---- scenario 2: steps ----

PhaseReport Step(const std::string& name, double p99_ms, Counts counts) {
  PhaseReport phase = PhaseOf(name, {counts});
  phase.total.measured = true;
  phase.total.p99_ms = p99_ms;
  return phase;
}
LoadReport Steps(double half_ms, double most_ms, Counts over = Answered("a", 200, 1000)) {
  LoadReport report;
  report.capacity = {{800, 2, 100, "target", 0}};
  report.phases = {Step("0.5C", half_ms, Answered("a", 200, 1000)), Step("0.8C", most_ms, Answered("a", 200, 1000)),
                   Step("1.2C", 900, over)};
  return report;
}

TEST(JudgeSteps, GivesFullValueToLatencyThatStays) {
  EXPECT_EQ(ValueOf(JudgeSteps(Steps(60, 150), {}), "run.latency_under_load").value, 1);
}
// A few milliseconds are the machine's: 2 to 30 ms is no collapse.
TEST(JudgeSteps, DoesNotTakeRatiosOfAFewMillisecondsForGrowth) {
  EXPECT_EQ(ValueOf(JudgeSteps(Steps(2, 30), {}), "run.latency_under_load").value, 1);
}
TEST(JudgeSteps, HalvesForLatencyThatGrows) {
  EXPECT_EQ(ValueOf(JudgeSteps(Steps(20, 150), {}), "run.latency_under_load").value, 0.5);
}
TEST(JudgeSteps, GivesNothingToLatencyThatRunsAway) {
  const Judgement judgement = JudgeSteps(Steps(20, 900), {});
  EXPECT_EQ(ValueOf(judgement, "run.latency_under_load").value, 0);
  EXPECT_EQ(judgement.remarks[0].check, "LT2.growth");
}
TEST(JudgeSteps, CountLatencyThatRunsAwayOnlyWhenTwoRunsShowedIt) {
  const Judgement once = JudgeSteps(Steps(20, 900), {});
  EXPECT_EQ(ValueOfSteps(SettledBySteps(once)), -1);
  EXPECT_TRUE(SettledBySteps(once).remarks.empty());
  const Judgement twice = SettledBySteps(SeenTwice(once));
  EXPECT_EQ(ValueOfSteps(twice), 0);
  EXPECT_THAT(ValueOf(twice, "run.latency_under_load").text, HasSubstr("a second run"));
  EXPECT_EQ(ValueOfSteps(SettledBySteps(JudgeSteps(Steps(20, 150), {}))), 0.5);
}
TEST(JudgeSteps, GivesNothingToAServerThatLoadEnds) {
  Aftermath dead;
  dead.alive = false;
  dead.out_of_memory = true;
  EXPECT_EQ(ValueOf(JudgeSteps(Steps(20, 20), dead), "run.latency_under_load").value, 0);
}
TEST(JudgeSteps, SettlesNothingFromRunsTheEngineSpoilt) {
  LoadReport report = Steps(20, 20);
  report.phases[1].total.measured = false;
  report.phases[1].state = "invalid";
  report.phases[1].reason = "the engine itself was late";
  const Judgement judgement = JudgeSteps(report, {});
  EXPECT_FALSE(ValueOf(judgement, "run.latency_under_load").value.has_value());
  EXPECT_THAT(ValueOf(judgement, "run.latency_under_load").text, HasSubstr("the engine itself was late"));
}
TEST(JudgeSteps, TakesALimitersAnswersAsEvidenceOfALimiterAndNotAsErrors) {
  LoadReport report = Steps(20, 20);
  report.phases[0] = Step("0.5C", 5, Answered("a", 429, 500));
  const Judgement judgement = JudgeSteps(report, {});
  EXPECT_FALSE(ValueOf(judgement, "run.latency_under_load").value.has_value());
  EXPECT_EQ(VerdictOn(judgement, "limits.rate_shared"), Verdict::kInconclusive);
  EXPECT_TRUE(judgement.remarks.empty());
}
TEST(JudgeSteps, SettlesNothingWithoutACapacity) {
  LoadReport report = Steps(20, 20);
  report.capacity[0].rate = 0;
  EXPECT_FALSE(ValueOf(JudgeSteps(report, {}), "run.latency_under_load").value.has_value());
}
TEST(JudgeSteps, TellsSheddingFromWaiting) {
  EXPECT_EQ(VerdictOn(JudgeSteps(Steps(20, 20, Answered("a", 503, 300)), {}), "load.shedding"), Verdict::kConfirmed);
  EXPECT_EQ(VerdictOn(JudgeSteps(Steps(20, 20, Hanging("a", 300)), {}), "load.shedding"), Verdict::kRefuted);
  EXPECT_EQ(VerdictOn(JudgeSteps(Steps(20, 20), {}), "load.shedding"), Verdict::kInconclusive);
}

// ---- scenario 7: SIGTERM ----

// (in flight, lost) for uploads that need up to 0.2, 0.5, 1, 2, 5 s more.
LoadReport Drained(std::vector<std::pair<uint64_t, uint64_t>> buckets) {
  constexpr double kEnds[] = {0.2, 0.5, 1, 2, 5};
  ActionReport action;
  action.asked = action.done = true;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const auto [in_flight, lost] = buckets[i];
    action.by_remaining.emplace_back(kEnds[i], InFlightReport{in_flight, in_flight - lost, lost});
    action.all.in_flight += in_flight;
    action.all.lost += lost;
  }
  LoadReport report;
  report.actions = {action};
  return report;
}
Aftermath Exited(int code, double seconds) {
  Aftermath out;
  out.alive = false;
  out.exit_code = code;
  out.exit_seconds = seconds;
  return out;
}

TEST(JudgeDrain, ConfirmsAServerThatServesAllAndLeavesWithZero) {
  const Judgement judgement = JudgeDrain(Drained({{10, 0}, {8, 0}, {6, 0}, {5, 0}}), Exited(0, 1.9), 2);
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 1);
  EXPECT_EQ(VerdictOn(judgement, "shutdown.drains"), Verdict::kConfirmed);
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").text, "sent SIGTERM at 29 requests in flight: 0 were lost; it exited with code 0 after 1.9 s");
}
TEST(JudgeDrain, ConfirmsWithinAShorterSetOfUploads) {
  const Judgement judgement = JudgeDrain(Drained({{10, 0}, {8, 0}}), Exited(0, 0.6), 0.5);
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 1);
}
TEST(JudgeDrain, HalvesForAGraceThatIsTooShortAndSaysFromWhereItLoses) {
  const Judgement judgement = JudgeDrain(Drained({{12, 0}, {14, 0}, {9, 9}, {5, 5}}), Exited(1, 0.5), 2);
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 0.5);
  EXPECT_EQ(VerdictOn(judgement, "shutdown.drains"), Verdict::kRefuted);
  EXPECT_THAT(ValueOf(judgement, "run.drains_on_sigterm").text, HasSubstr("40 requests in flight: 14 were lost, all that needed over 0.5 s more"));
  EXPECT_EQ(judgement.remarks[0].check, "LT7.drain");
}
TEST(JudgeDrain, HalvesForAServerThatServesAllAndExitsWithAnError) {
  EXPECT_EQ(ValueOf(JudgeDrain(Drained({{10, 0}, {8, 0}, {6, 0}}), Exited(1, 1), 1), "run.drains_on_sigterm").value.value_or(-1), 0.5);
}
TEST(JudgeDrain, GivesNothingToAServerWithoutAHandler) {
  Aftermath aftermath = Exited(0, 0);
  aftermath.term_signal = 15;
  const Judgement judgement = JudgeDrain(Drained({{10, 10}, {8, 8}}), aftermath, 2);
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 0);
  EXPECT_THAT(ValueOf(judgement, "run.drains_on_sigterm").text, HasSubstr("without a handler of its own"));
}
TEST(JudgeDrain, GivesNothingToAServerThatNeverExits) {
  Aftermath stays;
  const Judgement judgement = JudgeDrain(Drained({{10, 0}, {8, 0}, {6, 0}}), stays, 2);
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 0);
  EXPECT_EQ(VerdictOn(judgement, "shutdown.drains"), Verdict::kRefuted);
}
TEST(JudgeDrain, SettlesNothingWhenNothingWasUnderWay) {
  const Judgement judgement = JudgeDrain(Drained({{2, 0}, {0, 0}}), Exited(0, 0.1), 0);
  EXPECT_FALSE(ValueOf(judgement, "run.drains_on_sigterm").value.has_value());
  EXPECT_EQ(VerdictOn(judgement, "shutdown.drains"), Verdict::kInconclusive);
}
TEST(JudgeDrain, SettlesNothingWhenTheSignalWasNotSent) {
  LoadReport report = Drained({{10, 10}});
  report.actions[0].error = "no such process";
  EXPECT_FALSE(ValueOf(JudgeDrain(report, Exited(0, 0), 2), "run.drains_on_sigterm").value.has_value());
}
TEST(JudgeDrain, SaysWhenTheTimeToExitIsOnlyALowerBound) {
  Aftermath aftermath = Exited(0, 0.4);
  aftermath.exit_at_least = true;
  EXPECT_THAT(ValueOf(JudgeDrain(Drained({{10, 0}, {8, 0}}), aftermath, 2), "run.drains_on_sigterm").text, HasSubstr("with code 0 after at least 0.4 s"));
}
TEST(TimeToExit, IsTheRestOfAProcesssLifeAfterTheSignal) {
  // Started at 10 s, lived 8 s; the load began at 13 s and asked 2.2 s later: 2.8 s.
  const ExitTime exit = TimeToExit(10'000'000'000, 8'000'000'000, 13'000'000'000, 2.2, 1.9);
  EXPECT_NEAR(exit.seconds, 2.8, 1e-9);
  EXPECT_FALSE(exit.at_least);
}
TEST(TimeToExit, IsALowerBoundWhereTheFiguresDisagree) {
  // A life that ended before its last answer, and a signal nobody asked for.
  EXPECT_TRUE(TimeToExit(10'000'000'000, 1'000'000, 13'000'000'000, 2.2, 1.9).at_least);
  EXPECT_EQ(TimeToExit(10'000'000'000, 1'000'000, 13'000'000'000, 2.2, 1.9).seconds, 1.9);
  EXPECT_TRUE(TimeToExit(10'000'000'000, 8'000'000'000, 13'000'000'000, -1, -1).at_least);
}
TEST(JudgeStartCommandSignal, SpeaksOnlyOfServersThatLiveOn) {
  EXPECT_TRUE(JudgeStartCommandSignal(true, 0.5, false, "node a.js").remarks.empty());
  EXPECT_THAT(JudgeStartCommandSignal(true, 5, true, "node a.js").remarks.at(0).message, HasSubstr("still listens"));
  EXPECT_THAT(JudgeStartCommandSignal(false, 5, false, "node a.js").remarks.at(0).message, HasSubstr("still runs"));
}

// ---- scenario 9: bodies ----

LoadReport Bodies(Counts small, Counts large, const std::string& type = "application/json") {
  small.name = "90kB";
  large.name = "20MB";
  LoadReport report;
  report.phases = {PhaseOf("bodies", {small, large})};
  report.samples = {{"bodies", "20MB", type, "{}", 413}};
  return report;
}

TEST(JudgeBodies, GivesFullValueToA413InJson) {
  const Judgement judgement = JudgeBodies(Bodies(Answered("", 400, 1), Answered("", 413, 1)), {}, true);
  EXPECT_EQ(ValueOf(judgement, "run.body_limits").value, 1);
  EXPECT_EQ(VerdictOn(judgement, "limits.body_size"), Verdict::kConfirmed);
}
TEST(JudgeBodies, ConfirmsALimitThatAnswersAsAPage) {
  const Judgement judgement = JudgeBodies(Bodies(Answered("", 400, 1), Answered("", 413, 1), "text/html"), {}, true);
  EXPECT_EQ(ValueOf(judgement, "run.body_limits").value, 0.5);
  EXPECT_EQ(VerdictOn(judgement, "limits.body_size"), Verdict::kConfirmed);
}
Aftermath Grown(uint64_t megabytes) {
  Aftermath aftermath;
  aftermath.peak_bytes_before = 60 << 20;
  aftermath.peak_bytes = aftermath.peak_bytes_before + (megabytes << 20);
  return aftermath;
}

TEST(JudgeBodies, GivesNothingToAServerThatHoldsTwentyMegabytes) {
  const Judgement judgement = JudgeBodies(Bodies(Answered("", 201, 1), Answered("", 201, 1)), Grown(74), true);
  EXPECT_EQ(ValueOf(judgement, "run.body_limits").value, 0);
  EXPECT_EQ(VerdictOn(judgement, "limits.body_size"), Verdict::kRefuted);
}
TEST(JudgeBodies, GivesHalfToAServerThatPassesABodyOnWithoutHoldingIt) {
  const Judgement judgement = JudgeBodies(Bodies(Answered("", 201, 1), Answered("", 201, 1)), Grown(12), true);
  EXPECT_EQ(ValueOf(judgement, "run.body_limits").value, 0.5);
  EXPECT_EQ(VerdictOn(judgement, "limits.body_size"), Verdict::kInconclusive);
}
// A platform that cannot say what memory was used says nothing of it.
TEST(JudgeBodies, DoesNotSpeakOfMemoryItDidNotSee) {
  const Judgement judgement = JudgeBodies(Bodies(Answered("", 201, 1), Answered("", 201, 1)), {}, true);
  EXPECT_EQ(ValueOf(judgement, "run.body_limits").value, 0);
  EXPECT_THAT(ValueOf(judgement, "run.body_limits").text, Not(HasSubstr("memory")));
}
// Express answers an unknown path only after the request is read, whether or not anybody wants its body.
TEST(JudgeBodies, SettlesNothingWhereABodyIsReadAndDropped) {
  const Judgement judgement = JudgeBodies(Bodies(Answered("", 404, 1), Answered("", 404, 1)), Grown(20), true);
  EXPECT_FALSE(ValueOf(judgement, "run.body_limits").value.has_value());
  EXPECT_TRUE(judgement.remarks.empty());
}
TEST(JudgeBodies, GivesNothingToAServerThatLargeBodiesEnd) {
  Aftermath dead;
  dead.alive = false;
  dead.out_of_memory = true;
  const Judgement judgement = JudgeBodies(Bodies(Answered("", 201, 1), Hanging("", 1)), dead, true);
  EXPECT_EQ(ValueOf(judgement, "run.body_limits").value, 0);
  EXPECT_THAT(ValueOf(judgement, "run.body_limits").text, HasSubstr("its memory used up"));
}
TEST(JudgeBodies, SettlesNothingWhereNoPathReadsABody) {
  EXPECT_FALSE(ValueOf(JudgeBodies(Bodies(Answered("", 404, 1), Answered("", 404, 1)), Grown(74), false), "run.body_limits").value.has_value());
  Counts large = Answered("", 200, 1);
  large.early = 1;
  EXPECT_FALSE(ValueOf(JudgeBodies(Bodies(Answered("", 200, 1), large), Grown(74), true), "run.body_limits").value.has_value());
}

// ---- what the platform lacks ----

TEST(WithoutBlame, LeavesNoScoreWhereRequestsWaitForWhatIsNotThere) {
  LoadReport storm;
  storm.phases = {PhaseOf("storm", {Answered("malformed JSON", 500, 10), Hanging("b", 2)})};
  const Judgement judgement = WithoutBlame(JudgeBadInput(storm, {}, 200), "a MongoDB");
  for (const char* criterion : {"run.survives_bad_input", "run.error_answers"}) {
    EXPECT_FALSE(ValueOf(judgement, criterion).value.has_value()) << criterion;
    EXPECT_FALSE(ValueOf(judgement, criterion).observable) << criterion;
    EXPECT_THAT(ValueOf(judgement, criterion).text, HasSubstr("the server wants a MongoDB, which this platform does not offer"));
  }
  EXPECT_EQ(VerdictOn(judgement, "async.rejections_handled"), Verdict::kInconclusive);
  for (const Remark& remark : judgement.remarks) EXPECT_EQ(remark.check, "LT1.leak");
}
TEST(WithoutBlame, TakesNothingGoodAway) {
  LoadReport storm;
  storm.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 10)})};
  EXPECT_EQ(ValueOf(WithoutBlame(JudgeBadInput(storm, {}, 200), "a MongoDB"), "run.survives_bad_input").value, 1);
}

// ---- configuration ----

TEST(JudgeFailFast, ConfirmsAServerThatRefusesToStart) {
  const Judgement judgement = JudgeFailFast({"without JWT_SECRET", false, true, 1, 0, 0.3, true});
  EXPECT_EQ(VerdictOn(judgement, "config.validated"), Verdict::kConfirmed);
  EXPECT_TRUE(judgement.remarks.empty());
}
TEST(JudgeFailFast, RefutesOneThatListensAllTheSame) {
  EXPECT_EQ(VerdictOn(JudgeFailFast({"without JWT_SECRET", true, false, 0, 0, 1, false}), "config.validated"), Verdict::kRefuted);
}
TEST(JudgeFailFast, RefutesOneThatEndsAsIfAllWereWell) {
  EXPECT_EQ(VerdictOn(JudgeFailFast({"without JWT_SECRET", false, true, 0, 0, 1, false}), "config.validated"), Verdict::kRefuted);
}

// What a reader sees judges the run, never the person.
TEST(Judgements, KeepToTheWordingForReaders) {
  Aftermath dead;
  dead.alive = false;
  LoadReport storm;
  storm.phases = {PhaseOf("storm", {Answered("malformed JSON", 500, 10), Hanging("b", 2)})};
  storm.samples = {Body("storm", 500, "text/html", "x\n    at y")};
  for (const Judgement& judgement : {JudgeBadInput(storm, {}, 200), JudgeBadInput(storm, dead, 0), JudgeSteps(Steps(20, 900), {}),
                                     JudgeDrain(Drained({{9, 9}}), Exited(1, 1), 2), JudgeFailFast({"without X", true, false, 0, 0, 1, false})}) {
    for (const Remark& remark : judgement.remarks) {
      for (const char* word : {"refuted", "lied", "hostile", "boilerplate", "theatre", "fake", "junk"}) {
        EXPECT_THAT(remark.message + remark.help + remark.question + remark.good_answer, Not(HasSubstr(word)));
      }
      EXPECT_NE(remark.question, "");
      EXPECT_NE(remark.good_answer, "");
      EXPECT_NE(remark.help, "");
    }
  }
}

}  // namespace
}  // namespace assay::load_test
