// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/loadgen/testing/local_launcher.h"
#include "services/loadgen/testing/scripted_server.h"

namespace assay::loadgen {
namespace {

using ::assay::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Server = testing::ScriptedServer;

constexpr char kPlan[] = R"({"target": {"port": PORT}, "classes": [{"name": "a", "timeout_seconds": 1}],
  "phases": [{"name": "first", "seconds": 0.2, "rate": 50, "mix": [{"class": "a"}]},
             {"name": "second", "seconds": 0.3, "rate": 50, "mix": [{"class": "a"}]}],
  "actions": [{"phase": "second", "at": 0.1, "signal": "TERM"}, {"phase": "first", "at": 0.1, "signal": "USR1", "to": "process"}]})";

class Runner : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Run(std::string plan, const ActionSink& sink) {
    plan = absl::StrReplaceAll(plan, {{"PORT", absl::StrCat(server_.port())}});
    return RunPlan(launcher_, target_, plan, sink, Engine());
  }
  static std::string Engine() { return absl::StrCat(std::getenv("ASSAY_BUILD_DIR"), "/bin/assay-loadgen"); }

  Server server_{[](std::string& received) -> std::optional<Server::Reply> {
    if (!Server::TakeRequest(received)) return std::nullopt;
    return Server::Reply{.bytes = Server::Ok()};
  }};
  testing::LocalLauncher launcher_;
  // Stands for the target; signals are scripted, the process is never touched.
  testing::LocalProcess target_{[] {
    const int pid = fork();
    if (pid == 0) {
      pause();
      _exit(0);
    }
    return pid;
  }()};
};

TEST_F(Runner, CarriesOutActionsAndReturnsTheResult) {
  std::vector<std::string> told;
  target_.on_signal = [](int signal) {
    return signal == SIGTERM ? absl::OkStatus() : absl::NotFoundError("no such\nprocess");
  };
  ActionSink sink;
  sink.listener = [] { return 7; };
  sink.phase_began = [&](absl::string_view name, uint64_t index, uint64_t count) {
    told.push_back(absl::StrCat(name, " ", index, "/", count));
  };
  sink.acted = [&](int signal, bool listener, const absl::Status& status) {
    told.push_back(absl::StrCat("signal ", signal, listener ? " listener" : " process", status.ok() ? " ok" : " failed"));
  };
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string text, Run(kPlan, sink));
  EXPECT_THAT(told, ElementsAre("first 0/2", "signal 10 process failed", "second 1/2", "signal 15 listener ok"));
  EXPECT_EQ(launcher_.joined, target_.id());
  const auto result = nlohmann::json::parse(text);
  EXPECT_EQ(result["phases"][0]["total"]["outcomes"]["ok"], 10);
  EXPECT_EQ(result["actions"][0]["error"], "");
  EXPECT_GE(result["actions"][0]["done_at_seconds"].get<double>(), 0.1);
  EXPECT_EQ(result["actions"][1]["error"], "no such process");
}

TEST_F(Runner, RefusesABadPlanWithoutStartingAnything) {
  EXPECT_THAT(Run(R"({"target": {"port": 0}})", {}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target.port")));
  EXPECT_EQ(launcher_.joined, 0u);
}

TEST_F(Runner, EndsWhenToldToStop) {
  ActionSink sink;
  sink.should_stop = [] { return true; };
  EXPECT_THAT(Run(kPlan, sink), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(Runner, NamesAnEngineThatEndsWithoutAResult) {
  EXPECT_THAT(RunPlan(launcher_, target_, absl::StrReplaceAll(kPlan, {{"PORT", "1"}}), {}, "/bin/false"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("code 1")));
}

}  // namespace
}  // namespace assay::loadgen
