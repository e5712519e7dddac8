// SPDX-License-Identifier: Apache-2.0
//
// The flow of an evaluation against a scripted platform.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>

#include "assay/json.hpp"
#include "plugins/load_test/report.h"
#include "plugins/load_test/server.h"
#include "plugins/sdk/testing/fake_host.h"

namespace assay::load_test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kSigTerm = 15;

// How the server of a test answers: (phase, class, method and path) → status; 0: never.
using Answers = std::function<int(const std::string& phase, const sdk::Json& request)>;

// Plays the engine: every request of every phase gets the scripted status, actions report `lost` of ten in flight.
std::string Play(const sdk::Json& plan, const Answers& answers, int lost) {
  std::map<std::string, const sdk::Json*> classes;
  for (const sdk::Json& item : plan["classes"].items()) classes[item["name"].text()] = &item;
  std::string phases, capacity;
  for (const sdk::Json& phase : plan["phases"].items()) {
    const std::string name = phase["name"].text();
    int total = 0, failed = 0;
    std::string parts, statuses;
    std::map<int, int> all;
    for (const sdk::Json& part : phase["mix"].items()) {
      const int status = answers(name, *classes[part["class"].text()]);
      ++total;
      failed += status == 0;
      if (status != 0) ++all[status];
      const std::string counted = status == 0
                                      ? R"("outcomes":{"timeout":1},"statuses":{})"
                                      : R"("outcomes":{")" + std::string(status < 500 ? "ok" : "unexpected_status") +
                                            R"(":1},"statuses":{")" + std::to_string(status) + R"(":1})";
      parts += (parts.empty() ? "" : ",") + std::string("{\"name\":") + sdk::QuoteJson(part["class"].text()) +
               ",\"sent\":1," + counted + "}";
    }
    for (const auto& [status, count] : all)
      statuses += (statuses.empty() ? "\"" : ",\"") + std::to_string(status) + "\":" + std::to_string(count);
    phases += (phases.empty() ? "" : ",") + std::string("{\"name\":") + sdk::QuoteJson(name) +
              ",\"state\":\"valid\",\"total\":{\"sent\":" + std::to_string(total) +
              ",\"outcomes\":{\"ok\":" + std::to_string(total - failed) + ",\"timeout\":" + std::to_string(failed) +
              "},\"statuses\":{" + statuses + "},\"response\":{\"count\":9,\"p50_ms\":3,\"p99_ms\":8}},\"classes\":[" +
              parts + "]}";
    if (phase.has("search"))
      capacity = R"({"rate":500,"limited_by":"target","unloaded_p50_ms":2,"limit_p99_ms":100,"probes":[]})";
  }
  const std::string counts =
      "{\"in_flight\":10,\"served\":" + std::to_string(10 - lost) + ",\"lost\":" + std::to_string(lost);
  const std::string actions =
      plan["actions"].size() == 0
          ? ""
          : R"({"asked_at_seconds":2,"done_at_seconds":2,"error":"","in_flight":)" + counts + R"(},"by_remaining":[)" +
                counts +
                R"(,"up_to_seconds":1}],"after_by_class":[{"name":"new connection","ok":1,"connect_error":9}]})";
  return R"({"format":"assay.load-result/1","phases":[)" + phases + R"(],"capacity":[)" + capacity +
         R"(],"actions":[)" + actions +
         R"(],"samples":[{"phase":"storm","class":"x","status":400,"content_type":"application/json","body":"{}"},{"phase":"bodies","class":"20MB","status":413,"content_type":"application/json","body":"{}"}]})";
}

int Sound(const std::string& phase, const sdk::Json& request) {
  if (phase == "storm") return 400;
  if (phase == "bodies") return request["body_fill"]["times"].number() > 1e6 ? 413 : 400;
  return 200;
}

std::string Manifest() {
  std::ifstream file("plugins/load_test/load_test.json");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class LoadTestFlow : public ::testing::Test {
 protected:
  LoadTestFlow() {
    host_.UseManifest(Manifest());
    host_.AddFile("package.json", R"({"scripts": {"start": "node app.js"}, "main": "main.js"})");
    host_.AddFile("app.js", "listen\n");
    host_.AddFile("main.js", "listen\n");
    host_.SetParameters(R"({"quick": true})");
    host_.SetDeadlineAfter(600'000'000'000);
    host_.platform().prepare = [](uint32_t) { return sdk::FakeWorkspace(); };
    host_.platform().start = [this](const sdk::FakeProcess& request) {
      started_.push_back(request.argv.back());
      sdk::FakeProcess process;
      process.port = load_test::kPort;
      return process;
    };
    host_.platform().load = [this](std::string_view plan, sdk::FakeProcess& process) {
      const auto json = sdk::Json::Parse(plan);
      if (!json) return sdk::FakeLoadAnswer{ASSAY_E_ARGUMENT, ""};
      if ((*json)["actions"].size() > 0 && ends_on_signal_) process.ended = true;
      if (fails_phase_ != "" && (*json)["phases"][0]["name"].text() == fails_phase_)
        return sdk::FakeLoadAnswer{ASSAY_E_TRANSIENT, ""};
      return sdk::FakeLoadAnswer{ASSAY_OK, Play(*json, answers_, lost_)};
    };
  }
  ~LoadTestFlow() override { EXPECT_THAT(host_.violations(), IsEmpty()); }

  void Claim(const std::string& id) {
    sdk::RecordedClaim claim;
    claim.id = claim.criterion = id;
    claim.statement = "says so";
    claim.path = "app.js";
    claim.line = 1;
    host_.AddPriorClaim("code_analysis", claim);
  }
  sdk::RunResult Run() {
    sdk::RunResult result = host_.Run("load_test");
    EXPECT_EQ(result.observations.size(), result.status == ASSAY_OK ? Report::Criteria().size() : 0u);
    return result;
  }
  static std::vector<uint32_t> States(const sdk::RunResult& result) {
    std::vector<uint32_t> states;
    for (const auto& observation : result.observations) states.push_back(observation.state);
    return states;
  }

  sdk::FakeHost host_{&assay_negotiate};
  Answers answers_ = Sound;
  int lost_ = 0;
  bool ends_on_signal_ = true;
  std::string fails_phase_;
  std::vector<std::string> started_;
};

TEST_F(LoadTestFlow, ObservesEveryCriterionOfASoundServerAndNamesTheClaims) {
  Claim("shutdown.drains");
  Claim("limits.body_size");
  const sdk::RunResult result = Run();
  ASSERT_EQ(result.status, ASSAY_OK) << result.message;
  EXPECT_THAT(States(result), Each(ASSAY_STATE_OBSERVED));
  for (const auto& observation : result.observations) {
    EXPECT_EQ(observation.value, 1) << observation.criterion << ": " << observation.rationale;
    EXPECT_EQ(observation.method, ASSAY_METHOD_EXPERIMENT);
    EXPECT_DOUBLE_EQ(observation.standard_error, kStandardError);
  }
  EXPECT_EQ(result.Experiment("shutdown.drains")->verdict, ASSAY_VERDICT_CONFIRMED);
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_FALSE(result.progress.empty());
}

TEST_F(LoadTestFlow, ShowsALossAtShutdownAtTheClaimsLine) {
  Claim("shutdown.drains");
  lost_ = 4;
  const sdk::RunResult result = Run();
  EXPECT_EQ(result.Experiment("shutdown.drains")->verdict, ASSAY_VERDICT_REFUTED);
  EXPECT_THAT(result.Experiment("shutdown.drains")->reason, HasSubstr("10 requests in flight: 4 were lost"));
  ASSERT_EQ(result.Findings("LT7.drain").size(), 1u);
  EXPECT_EQ(result.Findings("LT7.drain")[0]->path, "app.js");
}

TEST_F(LoadTestFlow, ReadsFromTheScriptWhatTheQuickProfileDoesNotRun) {
  const sdk::RunResult result = Run();
  EXPECT_THAT(result.Observation("run.drains_on_sigterm")->rationale,
              AllOf(HasSubstr("of 10 new connections after it 1 was served, 9 refused"),
                    HasSubstr("\"npm start\" starts \"node app.js\" through npm and a shell")));
  EXPECT_THAT(started_, Each("app.js"));
}

TEST_F(LoadTestFlow, SignalsNpmInTheFullProfileAndTellsBothWays) {
  host_.SetParameters("{}");
  const sdk::RunResult result = Run();
  EXPECT_THAT(started_, Contains("start"));
  EXPECT_THAT(result.Observation("run.drains_on_sigterm")->rationale,
              HasSubstr("sent to \"npm start\" instead, at 10 requests in flight: 0 were lost"));
  EXPECT_THAT(result.findings, IsEmpty());
}

TEST_F(LoadTestFlow, SaysWhenItDoesNotStartByNpm) {
  host_.SetParameters("{}");
  host_.platform().start = [](const sdk::FakeProcess& request) {
    sdk::FakeProcess process;
    process.ended = request.argv.front() == "npm";
    process.exit_code = 127;
    process.port = load_test::kPort;
    return process;
  };
  EXPECT_THAT(
      Run().Observation("run.drains_on_sigterm")->rationale,
      HasSubstr("what SIGTERM to \"npm start\" does was not seen: it did not start here (it ended with code 127)"));
}

TEST_F(LoadTestFlow, LeavesOutOneVariableAtATimeAndNamesTheOneThatIsMissedSilently) {
  Claim("config.validated");
  host_.AddPriorArtifact(
      "code_analysis", "server.json",
      R"({"environment": [{"name": "JWT_SECRET", "required": true}, {"name": "SMTP_URL", "required": true}]})");
  host_.platform().start = [](const sdk::FakeProcess& request) {
    sdk::FakeProcess process;
    const auto has = [&](std::string_view name) {
      return std::any_of(request.environment.begin(), request.environment.end(),
                         [&](const std::string& line) { return line.rfind(name, 0) == 0; });
    };
    process.ended = !has("JWT_SECRET=");
    process.exit_code = 1;
    if (!process.ended) process.port = load_test::kPort;
    return process;
  };
  const sdk::RunResult result = Run();
  EXPECT_EQ(result.Experiment("config.validated")->verdict, ASSAY_VERDICT_REFUTED);
  EXPECT_EQ(result.Experiment("config.validated")->reason, "started without SMTP_URL it listened all the same");
}

TEST_F(LoadTestFlow, IsNotObservableWhereSubmissionsCannotRun) {
  Claim("shutdown.drains");
  host_.platform().unavailable = "no process namespaces";
  const sdk::RunResult result = Run();
  EXPECT_THAT(States(result), Each(ASSAY_STATE_NOT_OBSERVABLE));
  EXPECT_EQ(result.Experiment("shutdown.drains")->verdict, ASSAY_VERDICT_UNTESTED);
  EXPECT_THAT(result.findings, IsEmpty());
}

TEST_F(LoadTestFlow, IsNotObservableWithoutTheExtension) {
  host_.Withhold(ASSAY_EXT_EXEC);
  EXPECT_THAT(States(Run()), Each(ASSAY_STATE_NOT_OBSERVABLE));
}

TEST_F(LoadTestFlow, NamesTheDatabaseThatThisPlatformLacksAndScoresNothing) {
  host_.platform().start = [](const sdk::FakeProcess&) {
    sdk::FakeProcess process;
    process.ended = true;
    process.exit_code = 1;
    process.errors = "MongooseServerSelectionError: connect ECONNREFUSED 127.0.0.1:9\n";
    return process;
  };
  const sdk::RunResult result = Run();
  EXPECT_THAT(States(result), Each(ASSAY_STATE_NOT_OBSERVABLE));
  EXPECT_THAT(result.Observation("run.starts")->rationale, HasSubstr("a MongoDB"));
  EXPECT_THAT(result.findings, IsEmpty());
}

TEST_F(LoadTestFlow, ReportsAServerThatCannotStartWithoutScoringIt) {
  host_.platform().start = [](const sdk::FakeProcess&) {
    sdk::FakeProcess process;
    process.ended = true;
    process.exit_code = 1;
    process.errors = "Error: Cannot find module 'left-pad'\n";
    return process;
  };
  const sdk::RunResult result = Run();
  EXPECT_THAT(States(result), Each(ASSAY_STATE_NOT_OBSERVED_YET));
  ASSERT_EQ(result.Findings("LT0.not_startable").size(), 1u);
  EXPECT_THAT(result.Findings("LT0.not_startable")[0]->message, HasSubstr("left-pad"));
}

TEST_F(LoadTestFlow, GivesUpOnAServerThatNeverListens) {
  host_.platform().start = [](const sdk::FakeProcess&) { return sdk::FakeProcess(); };
  const sdk::RunResult result = Run();
  EXPECT_THAT(States(result), Each(ASSAY_STATE_NOT_OBSERVED_YET));
  EXPECT_THAT(result.Observation("run.starts")->rationale, HasSubstr("without listening"));
}

TEST_F(LoadTestFlow, TriesTheNextWayToStartAndLogsWhyTheFirstFailed) {
  host_.platform().start = [this](const sdk::FakeProcess& request) {
    started_.push_back(request.argv.back());
    sdk::FakeProcess process;
    process.ended = request.argv.back() == "app.js";
    process.exit_code = 3;
    if (!process.ended) process.port = 8080;
    return process;
  };
  const sdk::RunResult result = Run();
  EXPECT_EQ(result.Observation("run.starts")->value, 0.5);
  EXPECT_THAT(result.Observation("run.starts")->rationale, HasSubstr("took no notice of PORT"));
  EXPECT_THAT(result.log, Contains(HasSubstr("it ended with code 3")));
}

TEST_F(LoadTestFlow, ScoresNothingWhereDependenciesCannotBeInstalled) {
  for (const bool platform : {true, false}) {
    host_.platform().prepare = [platform](uint32_t) {
      sdk::FakeWorkspace workspace;
      workspace.prepared = false;
      workspace.fault = platform ? ASSAY_FAULT_PLATFORM : ASSAY_FAULT_SUBMISSION;
      workspace.failure = "left-pad: install: not found";
      return workspace;
    };
    const sdk::RunResult result = Run();
    EXPECT_THAT(States(result), Each(platform ? ASSAY_STATE_NOT_OBSERVABLE : ASSAY_STATE_NOT_OBSERVED_YET));
    EXPECT_EQ(result.Findings("LT0.dependencies").size(), platform ? 0u : 1u);
  }
}

TEST_F(LoadTestFlow, KeepsTheOtherScenariosWhenOneCannotBeDriven) {
  fails_phase_ = "storm";
  const sdk::RunResult result = Run();
  EXPECT_EQ(result.Observation("run.survives_bad_input")->state, ASSAY_STATE_NOT_OBSERVED_YET);
  EXPECT_EQ(result.Observation("run.drains_on_sigterm")->state, ASSAY_STATE_OBSERVED);
  EXPECT_EQ(result.Observation("run.latency_under_load")->state, ASSAY_STATE_OBSERVED);
}

TEST_F(LoadTestFlow, StartsAFreshServerForCapacityAndForTheSignal) {
  Run();
  EXPECT_GE(started_.size(), 3u);
}

TEST_F(LoadTestFlow, StopsSoonWhenAsked) {
  host_.CancelAfter(4);
  const uint64_t before = host_.now_ns();
  EXPECT_EQ(Run().status, ASSAY_E_STOPPED);
  EXPECT_LT(host_.now_ns() - before, 1'000'000'000u);
}

TEST_F(LoadTestFlow, LeavesOutWhatTheDeadlineHasNoRoomFor) {
  host_.SetDeadlineAfter(12'000'000'000);
  const sdk::RunResult result = Run();
  EXPECT_EQ(result.status, ASSAY_OK);
  EXPECT_EQ(result.Observation("run.latency_under_load")->state, ASSAY_STATE_NOT_OBSERVED_YET);
}

TEST_F(LoadTestFlow, ReportsAServerThatOutlivesItsSignal) {
  Claim("shutdown.drains");
  ends_on_signal_ = false;
  const sdk::RunResult result = Run();
  EXPECT_EQ(result.Observation("run.drains_on_sigterm")->value, 0);
  EXPECT_THAT(result.Observation("run.drains_on_sigterm")->rationale, HasSubstr("had to be killed"));
}

TEST_F(LoadTestFlow, SurvivesAFloodOfOutput) {
  host_.platform().start = [](const sdk::FakeProcess&) {
    sdk::FakeProcess process;
    process.port = load_test::kPort;
    process.output.assign(16 << 20, 'x');
    return process;
  };
  EXPECT_EQ(Run().status, ASSAY_OK);
}

TEST_F(LoadTestFlow, CountsAServerThatAnswersOnlyFiveHundredsAsNotReady) {
  answers_ = [](const std::string&, const sdk::Json&) { return 500; };
  const sdk::RunResult result = Run();
  EXPECT_THAT(States(result), Each(ASSAY_STATE_NOT_OBSERVED_YET));
  EXPECT_THAT(result.Observation("run.starts")->rationale, HasSubstr("answers nothing below 500"));
}

}  // namespace
}  // namespace assay::load_test
