// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/common/base/testing/wording.h"

namespace assay::load_test {
namespace {

using ::testing::AllOf;
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
    phase.total.reset += c.reset;
    for (const auto& [status, count] : c.statuses) phase.total.statuses[status] += count;
  }
  phase.classes = std::move(classes);
  return phase;
}
SampleReport Body(const std::string& phase, int status, const std::string& type, const std::string& body) {
  return {phase, "malformed JSON", type, body, status};
}

constexpr char kPage[] =
    "<!DOCTYPE html><html><head><title>Error</title></head><body><pre>Bad Request</pre></body></html>";

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
  EXPECT_THAT(ValueOf(judgement, "run.survives_bad_input").text,
              HasSubstr("20 answers of 100 were 5xx (first: wrong types)"));
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
  EXPECT_THAT(ValueOf(judgement, "run.survives_bad_input").text,
              HasSubstr("exit code 1 (\"TypeError: x is undefined\")"));
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

Counts CutOff(const std::string& name, uint64_t count) {
  Counts counts;
  counts.name = name;
  counts.sent = counts.reset = count;
  return counts;
}

// A server that destroys the socket on every wrong body answers nobody.
TEST(JudgeBadInput, CountsWellFormedRequestsThatAreCutOffLikeThoseThatHang) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("unknown path", 404, 95), CutOff("wrong types", 5)})};
  report.samples = {Body("storm", 404, "application/json", "{}")};
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_EQ(ValueOf(judgement, "run.survives_bad_input").value, 0);
  EXPECT_EQ(ValueOf(judgement, "run.error_answers").value, 0);
  EXPECT_THAT(ValueOf(judgement, "run.survives_bad_input").text,
              HasSubstr("5 requests of 100 were cut off without an answer (wrong types)"));
  ASSERT_EQ(judgement.remarks.size(), 1u);
  EXPECT_EQ(judgement.remarks[0].check, "LT1.cut_off");
  EXPECT_EQ(VerdictOn(judgement, "async.rejections_handled"), Verdict::kInconclusive);
}
TEST(JudgeBadInput, CountsRefusedConnectionsAsUnanswered) {
  Counts refused;
  refused.name = "array";
  refused.sent = refused.connect_error = 3;
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 97), refused})};
  EXPECT_EQ(ValueOf(JudgeBadInput(report, {}, 200), "run.survives_bad_input").value, 0);
}
TEST(JudgeBadInput, ExcusesAConnectionThatIsClosedAfterAnEarlyAnswer) {
  LoadReport report;
  Counts body = Answered("bad multipart", 413, 8);
  body.early = 8;
  body.sent += 2;
  body.reset = 2;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 90), body})};
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_EQ(ValueOf(judgement, "run.survives_bad_input").value, 1);
  EXPECT_THAT(ValueOf(judgement, "run.survives_bad_input").text, HasSubstr("answered 98 of 100 bad requests"));
}
TEST(JudgeBadInput, ExcusesOneOfSeveralEqualRequestsThatMetAClosingConnection) {
  LoadReport report;
  Counts met = Answered("array", 400, 9);
  met.sent += 1;
  met.reset = met.stale = 1;
  report.phases = {PhaseOf("storm", {met})};
  EXPECT_EQ(ValueOf(JudgeBadInput(report, {}, 200), "run.survives_bad_input").value, 1);
  // All of them: that is no chance.
  Counts all = CutOff("array", 10);
  all.stale = 10;
  report.phases = {PhaseOf("storm", {Answered("no body", 400, 10), all})};
  EXPECT_EQ(ValueOf(JudgeBadInput(report, {}, 200), "run.survives_bad_input").value, 0);
}
TEST(JudgeBadInput, TellsWhatAnEndingProcessTookWithItAsItsEndOnly) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 10), CutOff("array", 10)})};
  Aftermath dead;
  dead.alive = false;
  const Judgement judgement = JudgeBadInput(report, dead, 0);
  ASSERT_EQ(judgement.remarks.size(), 1u);
  EXPECT_EQ(judgement.remarks[0].check, "LT1.crash");
}
TEST(JudgeBadInput, SettlesNothingFromSilenceInARunTheEngineSpoilt) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 95), Hanging("wrong types", 5)})};
  report.phases[0].state = "invalid";
  report.phases[0].reason = "the engine itself was late";
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_FALSE(ValueOf(judgement, "run.survives_bad_input").value.has_value());
  EXPECT_FALSE(ValueOf(judgement, "run.error_answers").value.has_value());
  EXPECT_EQ(VerdictOn(judgement, "async.rejections_handled"), Verdict::kInconclusive);
  EXPECT_TRUE(judgement.remarks.empty());
}
TEST(JudgeBadInput, SaysHowManyRoutesItReachedWhereNotAll) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 50), Answered("raw-no-host", 400, 5)})};
  const Judgement judgement = JudgeBadInput(report, {}, 200);
  EXPECT_EQ(ValueOf(judgement, "run.survives_bad_input").text,
            "answered all of 50 bad requests, 0 answers with 5xx, and went on serving; 5 more were no HTTP, where "
            "closing the connection is an answer");
  EXPECT_THAT(ValueOf(CoveringRoutes(judgement, 23, 60), "run.survives_bad_input").text,
              HasSubstr("bad bodies went to 23 of 60 writing routes"));
  EXPECT_THAT(ValueOf(CoveringRoutes(judgement, 3, 3), "run.survives_bad_input").text, Not(HasSubstr("routes")));
}

TEST(JudgeBadInput, SeesExpressOwnPageAndStackTraces) {
  LoadReport report;
  report.phases = {PhaseOf("storm", {Answered("malformed JSON", 400, 20)})};
  report.samples = {Body("storm", 400, "text/html", kPage),
                    Body("storm", 400, "text/html", "SyntaxError<br> &nbsp; &nbsp;at JSON.parse")};
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
TEST(JudgeSteps, SaysNothingOfSheddingFromAnOverloadTheEngineSpoilt) {
  LoadReport report = Steps(20, 20, Hanging("a", 300));
  report.phases[2].state = "invalid";
  const Judgement judgement = JudgeSteps(report, {});
  EXPECT_EQ(ValueOf(judgement, "run.latency_under_load").value, 1);
  EXPECT_EQ(Find(judgement, "load.shedding"), nullptr);
}
TEST(JudgeSteps, SettleNoClaimByARunThatDidNotSettle) {
  const Judgement once = JudgeSteps(Steps(20, 900, Hanging("a", 300)), {});
  EXPECT_EQ(VerdictOn(once, "load.shedding"), Verdict::kRefuted);
  EXPECT_EQ(VerdictOn(SettledBySteps(once), "load.shedding"), Verdict::kInconclusive);
  EXPECT_EQ(VerdictOn(SettledBySteps(SeenTwice(once)), "load.shedding"), Verdict::kRefuted);
}
TEST(JudgeSteps, TellWhatAllOfTheCapacityDidAndHowTheRunsDiffered) {
  LoadReport report = Steps(60, 150);
  report.phases.insert(report.phases.begin() + 2, Step("1C", 170, Answered("a", 200, 1000)));
  const Judgement judgement = AmongRuns(JudgeSteps(report, {}), {150, 40, 90});
  EXPECT_THAT(ValueOf(judgement, "run.latency_under_load").text,
              AllOf(HasSubstr("170 ms at all of it"),
                    HasSubstr("over 3 runs p99 at 0.8 of capacity lay between 40.0 and 150 ms")));
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
  const Judgement judgement = JudgeDrain(Drained({{10, 0}, {8, 0}, {6, 0}, {5, 0}}), Exited(0, 1.9), {2});
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 1);
  EXPECT_EQ(VerdictOn(judgement, "shutdown.drains"), Verdict::kConfirmed);
  EXPECT_EQ(Find(judgement, "shutdown.drains")->reason,
            "sent SIGTERM at 29 requests in flight: 0 were lost; it exited with code 0 after 1.9 s");
}
TEST(JudgeDrain, ConfirmsWithinAShorterSetOfUploads) {
  const Judgement judgement = JudgeDrain(Drained({{10, 0}, {8, 0}}), Exited(0, 0.6), {0.5});
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 1);
}
TEST(JudgeDrain, HalvesForAGraceThatIsTooShortAndSaysFromWhereItLoses) {
  const Judgement judgement = JudgeDrain(Drained({{12, 0}, {14, 0}, {9, 9}, {5, 5}}), Exited(1, 0.5), {2});
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 0.5);
  EXPECT_EQ(VerdictOn(judgement, "shutdown.drains"), Verdict::kRefuted);
  EXPECT_THAT(ValueOf(judgement, "run.drains_on_sigterm").text,
              HasSubstr("40 requests in flight: 14 were lost, all that needed over 0.5 s more"));
  EXPECT_EQ(judgement.remarks[0].check, "LT7.drain");
}
TEST(JudgeDrain, HalvesForAServerThatServesAllAndExitsWithAnError) {
  EXPECT_EQ(ValueOf(JudgeDrain(Drained({{10, 0}, {8, 0}, {6, 0}}), Exited(1, 1), {1}), "run.drains_on_sigterm")
                .value.value_or(-1),
            0.5);
}
TEST(JudgeDrain, GivesNothingToAServerWithoutAHandler) {
  Aftermath aftermath = Exited(0, 0);
  aftermath.term_signal = 15;
  const Judgement judgement = JudgeDrain(Drained({{10, 10}, {8, 8}}), aftermath, {2});
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 0);
  EXPECT_THAT(ValueOf(judgement, "run.drains_on_sigterm").text, HasSubstr("without a handler of its own"));
}
TEST(JudgeDrain, GivesNothingToAServerThatNeverExits) {
  Aftermath stays;
  const Judgement judgement = JudgeDrain(Drained({{10, 0}, {8, 0}, {6, 0}}), stays, {2});
  EXPECT_EQ(ValueOf(judgement, "run.drains_on_sigterm").value, 0);
  EXPECT_EQ(VerdictOn(judgement, "shutdown.drains"), Verdict::kRefuted);
}
TEST(JudgeDrain, SettlesNothingWhenNothingWasUnderWay) {
  const Judgement judgement = JudgeDrain(Drained({{2, 0}, {0, 0}}), Exited(0, 0.1), {0});
  EXPECT_FALSE(ValueOf(judgement, "run.drains_on_sigterm").value.has_value());
  EXPECT_EQ(VerdictOn(judgement, "shutdown.drains"), Verdict::kInconclusive);
}
TEST(JudgeDrain, SettlesNothingWhenTheSignalWasNotSent) {
  LoadReport report = Drained({{10, 10}});
  report.actions[0].error = "no such process";
  EXPECT_FALSE(ValueOf(JudgeDrain(report, Exited(0, 0), {2}), "run.drains_on_sigterm").value.has_value());
}
TEST(JudgeDrain, TellsWhatBecameOfNewConnectionsAndOfReadiness) {
  LoadReport report = Drained({{10, 0}, {8, 0}, {6, 0}, {5, 0}});
  report.actions[0].after = {{kNewConnections, {3, 0, 12, 1}}, {kReadiness, {0, 4, 12, 0}}};
  UnderWay under_way{2, false, "/readyz"};
  EXPECT_THAT(ValueOf(JudgeDrain(report, Exited(0, 1.9), under_way), "run.drains_on_sigterm").text,
              AllOf(HasSubstr("of 16 new connections after it 3 were served, 12 refused, 1 broken"),
                    HasSubstr("GET /readyz then answered that it is not ready")));
  report.actions[0].after[kReadiness] = {4, 0, 12, 0};
  EXPECT_THAT(ValueOf(JudgeDrain(report, Exited(0, 1.9), under_way), "run.drains_on_sigterm").text,
              HasSubstr("GET /readyz went on answering that it is ready"));
  report.actions[0].after[kReadiness] = {0, 0, 16, 0};
  EXPECT_THAT(ValueOf(JudgeDrain(report, Exited(0, 1.9), under_way), "run.drains_on_sigterm").text,
              HasSubstr("GET /readyz got no answer any more"));
  under_way.readiness.clear();
  EXPECT_THAT(ValueOf(JudgeDrain(report, Exited(0, 1.9), under_way), "run.drains_on_sigterm").text,
              HasSubstr("no readiness path was found to ask"));
}
// Whoever serves requests whose heads come slowly waits; whoever drops them may still wait for what it has taken.
TEST(JudgeDrain, TakesSlowHeadsForWaitingAndNotForLosing) {
  const UnderWay heads{2, true, ""};
  const Judgement serves = JudgeDrain(Drained({{10, 0}, {8, 0}, {6, 0}, {5, 0}}), Exited(0, 1.9), heads);
  EXPECT_EQ(VerdictOn(serves, "shutdown.drains"), Verdict::kConfirmed);
  EXPECT_THAT(ValueOf(serves, "run.drains_on_sigterm").text, HasSubstr("no path was found that reads a body"));
  const Judgement drops = JudgeDrain(Drained({{10, 0}, {8, 8}, {6, 6}, {5, 5}}), Exited(0, 0.2), heads);
  EXPECT_EQ(VerdictOn(drops, "shutdown.drains"), Verdict::kInconclusive);
  EXPECT_FALSE(ValueOf(drops, "run.drains_on_sigterm").value.has_value());
  Aftermath without_handler = Exited(0, 0);
  without_handler.term_signal = 15;
  EXPECT_EQ(VerdictOn(JudgeDrain(Drained({{10, 10}, {8, 8}}), without_handler, heads), "shutdown.drains"),
            Verdict::kRefuted);
}
TEST(JudgeDrain, SaysWhenTheTimeToExitIsOnlyALowerBound) {
  Aftermath aftermath = Exited(0, 0.4);
  aftermath.exit_at_least = true;
  EXPECT_THAT(ValueOf(JudgeDrain(Drained({{10, 0}, {8, 0}}), aftermath, {2}), "run.drains_on_sigterm").text,
              HasSubstr("with code 0 after at least 0.4 s"));
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
  EXPECT_THAT(JudgeStartCommandSignal(true, 0.5, false, "node a.js").notes.at(0).text, HasSubstr("ends it too"));
  EXPECT_THAT(JudgeStartCommandSignal(true, 5, true, "node a.js").remarks.at(0).message, HasSubstr("still listens"));
  EXPECT_THAT(JudgeStartCommandSignal(false, 5, false, "node a.js").remarks.at(0).message, HasSubstr("still runs"));
}

TEST(JudgeSignalThroughShell, TellsWhatNpmMadeOfTheSignal) {
  const Judgement passes = JudgeSignalThroughShell(Drained({{10, 0}, {8, 0}}), Exited(0, 1.2), {2}, "npm start");
  EXPECT_TRUE(passes.remarks.empty());
  EXPECT_EQ(passes.notes.at(0).text,
            "sent to \"npm start\" instead, at 18 requests in flight: 0 were lost; it exited with code 0 after 1.2 s");
  Aftermath killed = Exited(0, 0);
  killed.term_signal = 15;
  EXPECT_EQ(JudgeSignalThroughShell(Drained({{10, 10}, {8, 8}}), killed, {2}, "npm start").remarks.at(0).check,
            "LT7.start_command");
  EXPECT_EQ(JudgeSignalThroughShell(Drained({{10, 0}}), Aftermath(), {2}, "npm start").remarks.size(), 1u);
}
TEST(SignalReadFromScript, SaysThatItDidNotRun) {
  EXPECT_THAT(SignalReadFromScript("npm start", "node a.js && echo done"),
              AllOf(HasSubstr("not run in this profile"), HasSubstr("passes no signal on")));
  EXPECT_THAT(SignalReadFromScript("npm start", "exec node a.js"), HasSubstr("gives way"));
  EXPECT_THAT(SignalReadFromScript("npm start", "node a.js"), HasSubstr("depends on both"));
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
LoadReport BodiesWith(std::vector<Counts> more) {
  std::vector<Counts> classes = {Answered("90kB", 400, 1), Answered("1MB", 413, 1), Answered("20MB", 413, 1)};
  classes.insert(classes.end(), more.begin(), more.end());
  LoadReport report;
  report.phases = {PhaseOf("bodies", classes)};
  report.samples = {{"bodies", "20MB", "application/json", "{}", 413}};
  return report;
}

TEST(JudgeBodies, SeesGzipThatPassesALimitOnWhatComesOverTheWire) {
  for (const int status : {200, 400}) {
    const Judgement judgement = JudgeBodies(BodiesWith({Answered("gzip-10MB", status, 1)}), {}, true);
    EXPECT_EQ(ValueOf(judgement, "run.body_limits").value, 0.5);
    EXPECT_EQ(judgement.remarks.at(0).check, "LT9.compressed");
    EXPECT_EQ(judgement.tested.back().verdict, Verdict::kRefuted);
  }
  for (const int status : {413, 415}) {
    EXPECT_EQ(ValueOf(JudgeBodies(BodiesWith({Answered("gzip-10MB", status, 1)}), {}, true), "run.body_limits").value,
              1);
  }
}
TEST(JudgeBodies, SeesADeepBodyThatIsNeverAnswered) {
  const Judgement judgement = JudgeBodies(BodiesWith({Hanging("5000-deep", 1)}), {}, true);
  EXPECT_EQ(ValueOf(judgement, "run.body_limits").value, 0);
  EXPECT_THAT(ValueOf(judgement, "run.body_limits").text, HasSubstr("5000 deep: no answer within 5 s"));
  EXPECT_THAT(judgement.remarks.at(0).message, HasSubstr("5000 deep got no answer within 5 s"));
}
TEST(JudgeBodies, CapsForFailuresAndForSmallBodiesThatAreCutOff) {
  EXPECT_EQ(ValueOf(JudgeBodies(BodiesWith({Answered("10000-keys", 500, 1)}), {}, true), "run.body_limits").value, 0.5);
  EXPECT_EQ(ValueOf(JudgeBodies(BodiesWith({CutOff("10000-keys", 1)}), {}, true), "run.body_limits").value, 0.5);
  EXPECT_EQ(ValueOf(JudgeBodies(BodiesWith({CutOff("101kB", 1)}), {}, true), "run.body_limits").value, 1);
}
// Whatever waits for a missing database waits with every body.
TEST(JudgeBodies, BlamesNoBodyWhereAnOrdinaryOneIsNotAnsweredEither) {
  LoadReport report;
  report.phases = {PhaseOf("bodies", {Hanging("90kB", 1), Hanging("5000-deep", 1), Answered("20MB", 413, 1)})};
  report.samples = {{"bodies", "20MB", "application/json", "{}", 413}};
  EXPECT_EQ(ValueOf(JudgeBodies(report, {}, true), "run.body_limits").value, 1);
}
TEST(JudgeBodies, TellsWhatEachBodyAndItsNeighboursMet) {
  Counts cheap = Answered("cheap", 200, 28);
  cheap.measured = true;
  cheap.p99_ms = 31;
  const std::string text =
      ValueOf(JudgeBodies(BodiesWith({Answered("10000-keys", 400, 1), Answered("gzip-10MB", 413, 1), cheap}), {}, true),
              "run.body_limits")
          .text;
  EXPECT_THAT(text, AllOf(HasSubstr("90 kB: 400"), HasSubstr("10,000 keys: 400"), HasSubstr("10 MB in gzip: 413"),
                          HasSubstr("p99 of a cheap path was 31.0 ms")));
  cheap.p99_ms = 3100;
  const Judgement stalled = JudgeBodies(BodiesWith({cheap}), {}, true);
  EXPECT_EQ(ValueOf(stalled, "run.body_limits").value, 0.5);
  EXPECT_EQ(stalled.remarks.at(0).check, "LT9.stall");
}
TEST(JudgeBodies, SettlesNothingWhereNoPathReadsABody) {
  EXPECT_FALSE(
      ValueOf(JudgeBodies(Bodies(Answered("", 404, 1), Answered("", 404, 1)), Grown(74), false), "run.body_limits")
          .value.has_value());
  Counts large = Answered("", 200, 1);
  large.early = 1;
  EXPECT_FALSE(
      ValueOf(JudgeBodies(Bodies(Answered("", 200, 1), large), Grown(74), true), "run.body_limits").value.has_value());
}

// ---- what the platform lacks ----

TEST(WithoutBlame, LeavesNoScoreWhereRequestsWaitForWhatIsNotThere) {
  LoadReport storm;
  storm.phases = {PhaseOf("storm", {Answered("malformed JSON", 500, 10), Hanging("b", 2)})};
  const Judgement judgement = WithoutBlame(JudgeBadInput(storm, {}, 200), "a MongoDB");
  for (const char* criterion : {"run.survives_bad_input", "run.error_answers"}) {
    EXPECT_FALSE(ValueOf(judgement, criterion).value.has_value()) << criterion;
    EXPECT_FALSE(ValueOf(judgement, criterion).observable) << criterion;
    EXPECT_THAT(ValueOf(judgement, criterion).text,
                HasSubstr("the server wants a MongoDB, which this platform does not offer"));
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
  const Judgement judgement = JudgeFailFast({{"without JWT_SECRET", false, true, 1, 0, 0.3, true}}, 1);
  EXPECT_EQ(VerdictOn(judgement, "config.validated"), Verdict::kConfirmed);
  EXPECT_TRUE(judgement.remarks.empty());
}
TEST(JudgeFailFast, RefutesOneThatListensAllTheSame) {
  EXPECT_EQ(VerdictOn(JudgeFailFast({{"without JWT_SECRET", true, false, 0, 0, 1, false}}, 1), "config.validated"),
            Verdict::kRefuted);
}
TEST(JudgeFailFast, RefutesOneThatEndsAsIfAllWereWell) {
  EXPECT_EQ(VerdictOn(JudgeFailFast({{"without JWT_SECRET", false, true, 0, 0, 1, false}}, 1), "config.validated"),
            Verdict::kRefuted);
}

TEST(JudgeFailFast, ConfirmsOnlyWhenEachMissingVariableIsNoticed) {
  const WithoutVariables noticed{"without JWT_SECRET", false, true, 1, 0, 0.3, true};
  const WithoutVariables missed{"without DATABASE_URL", true, false, 0, 0, 0.8, false};
  const Judgement all = JudgeFailFast({noticed, noticed}, 6);
  EXPECT_EQ(VerdictOn(all, "config.validated"), Verdict::kConfirmed);
  EXPECT_THAT(Find(all, "config.validated")->reason, HasSubstr("2 of 6 required variables were tried"));
  const Judgement one = JudgeFailFast({noticed, missed}, 2);
  EXPECT_EQ(VerdictOn(one, "config.validated"), Verdict::kRefuted);
  EXPECT_EQ(Find(one, "config.validated")->reason, "started without DATABASE_URL it listened all the same");
}

// What a reader sees judges the run, never the person.
TEST(Judgements, KeepToTheWordingForReaders) {
  Aftermath dead;
  dead.alive = false;
  LoadReport storm;
  storm.phases = {PhaseOf("storm", {Answered("malformed JSON", 500, 10), Hanging("b", 2)})};
  storm.samples = {Body("storm", 500, "text/html", "x\n    at y")};
  for (const Judgement& judgement : {JudgeBadInput(storm, {}, 200), JudgeBadInput(storm, dead, 0),
                                     JudgeSteps(Steps(20, 900), {}), JudgeDrain(Drained({{9, 9}}), Exited(1, 1), {2}),
                                     JudgeFailFast({{"without X", true, false, 0, 0, 1, false}}, 1)}) {
    for (const Remark& remark : judgement.remarks) {
      const std::string text = remark.message + "\n" + remark.help + "\n" + remark.question + "\n" + remark.good_answer;
      EXPECT_EQ(assay::testing::AccusingWordIn(text), "") << text;
      EXPECT_NE(remark.question, "");
      EXPECT_NE(remark.good_answer, "");
      EXPECT_NE(remark.help, "");
    }
  }
}

}  // namespace
}  // namespace assay::load_test
